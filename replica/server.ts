/**
 * The sample replica: the smallest HTTP server that the balancer can start, probe and stop.
 * Must not hold: anything from lib/, any dependency; it starts as fast as node itself.
 */
// not imported: its ES import evaluates `WebSocket` too, which takes longer than the rest of the start
const { createServer } = process.getBuiltinModule('node:http');

/** Longer than the balancer keeps an idle connection, so that the balancer closes first and never meets a reset. */
const KEEP_ALIVE_MS = 75_000;
/** How long an unfinished request may delay the exit. */
const EXIT_MS = 1_000;

const id = process.env.SERVER_ID ?? 'unnamed';
const port = Number(process.env.PORT ?? 5000);
/** Empty is every interface, which a container needs; the process driver sets loopback. */
const host = process.env.HOST ?? '';

const json = (message: string, status: string): string => JSON.stringify({ message, status });
const home = json(`Hello from Server: ${id}`, 'successful');
const notFound = json('Not found: only /home and /heartbeat are here', 'failure');

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const path = request.url?.split('?', 1)[0];
  const known = isRead && (path === '/home' || path === '/heartbeat');
  const body = !known ? notFound : path === '/home' ? home : '';
  response.shouldKeepAlive &&= server.listening;
  response.writeHead(known ? 200 : 404, {
    ...(body === '' ? {} : { 'Content-Type': 'application/json' }),
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
});

function stop(): void {
  server.close(() => process.exit(0));
  setTimeout(() => process.exit(0), EXIT_MS).unref();
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
server.listen({ port, host });
