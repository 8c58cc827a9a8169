/**
 * A replica, for `--command`, that does what the files in its argument's directory say: with `not-ready-<name>` or
 * `not-ready` there, `/heartbeat` is 503; `POST /slow` is answered once `go` is there. `/stream` sends a line ten times a
 * second, and an upgrade is echoed. With a second argument it does one thing at a time, each for so many milliseconds,
 * probes included. On SIGTERM it leaves `stopped-<name>` behind. Must not hold: anything from lib.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const [directory = '', workMs = ''] = process.argv.slice(2);
const { SERVER_ID: name, PORT } = process.env;
const isThere = (file: string): boolean => existsSync(`${directory}/${file}`);
/** When all that came before is done. */
let free = Promise.resolve();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  switch (request.url) {
    case '/heartbeat':
      response.statusCode = isThere('not-ready') || isThere(`not-ready-${name}`) ? 503 : 200;
      break;
    case '/slow':
      while (!isThere('go')) await sleep(20);
      break;
    case '/stream':
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      while (!isThere('go') && !response.destroyed) {
        response.write(`data: ${name}\n\n`);
        await sleep(100);
      }
      break;
  }
  response.end(name);
}

const server = createServer((request, response) => {
  if (workMs === '') return void answer(request, response);
  free = free.then(() => sleep(Number(workMs))).then(() => answer(request, response));
});
server.on('upgrade', (_, socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.pipe(socket);
});
process.once('SIGTERM', () => {
  writeFileSync(`${directory}/stopped-${name}`, '');
  process.exit(0);
});
server.listen(Number(PORT), '127.0.0.1');
