/**
 * What is used of `node:http`, taken from the module itself: an ES import of it evaluates all of its exports, of which
 * `WebSocket` loads a whole HTTP client, 50 ms of processor time in every process and thread. Must not hold: types.
 */
const { createServer, METHODS, request, STATUS_CODES } = process.getBuiltinModule('node:http');

export { createServer, METHODS, request, STATUS_CODES };
