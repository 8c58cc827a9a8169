/**
 * A replica that can be told to misbehave: `POST /fault?mode=…` on its own port. It notes the id of every POST that it
 * carried out in a file of the directory FAULT_DIR, so that one carried out twice is seen.
 * Must not hold: anything from lib/.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';

const { SERVER_ID: id = 'unnamed', PORT = '5000', HOST = '127.0.0.1', FAULT_DIR = '.' } = process.env;
const SLOW_MS = 2000;
const FLAP_MS = 700;

/** What a start is to die of, for as long as the file is there. */
const startFault = join(FAULT_DIR, 'start-fault');
if (existsSync(startFault)) {
  const fault = readFileSync(startFault, 'utf8');
  if (fault === 'memory') process.kill(process.pid, 'SIGKILL');
  process.stderr.write(`Error: ${fault}\n`);
  process.exit(1);
}
/** A replica of this name ends a moment after each start. */
if (process.env.FAULT_CRASHES === id) setTimeout(() => process.exit(1), 400);

let mode = 'none';
let count = 0;

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  const url = new URL(request.url ?? '/', 'http://replica');
  if (url.pathname === '/heartbeat') return void response.end();
  if (url.pathname === '/fault') {
    setMode(url.searchParams.get('mode') ?? 'none');
    return void response.end();
  }
  request.resume();
  request.on('end', () => work(request, response, Number(url.searchParams.get('ms') ?? 0)));
});

function work(request: IncomingMessage, response: ServerResponse, ms: number): void {
  if (mode === 'mute') return;
  if (mode === 'reset-half' && count++ % 2 === 0) {
    request.socket.resetAndDestroy();
    return;
  }
  const requestId = String(request.headers['x-request-id']);
  if (request.method === 'POST') appendFileSync(join(FAULT_DIR, 'done'), `${requestId}\n`);
  setTimeout(() => response.end(`${id}\n`), ms + (mode === 'slow' ? SLOW_MS : 0));
}

/** Serves and refuses in turn. */
function flap(): void {
  if (mode !== 'flap') return;
  if (server.listening) {
    server.close();
    server.closeAllConnections();
  } else server.listen({ port: Number(PORT), host: HOST });
  setTimeout(flap, FLAP_MS);
}

function setMode(to: string): void {
  mode = to;
  if (to === 'flap') setTimeout(flap, FLAP_MS);
}

server.on('upgrade', (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.on('error', () => {});
  socket.pipe(socket);
});
process.once('SIGTERM', () => {
  server.close(() => process.exit(0));
  setTimeout(() => process.exit(0), 1000).unref();
});
server.listen({ port: Number(PORT), host: HOST });
