/**
 * A replica, for `--command`, of a version that behaves as its argument says: `good`, `exits` (at once), `silent` (never
 * listens), `errors` (500 to half of the requests), `slow` (150 ms), `dies` (3 s after it began to listen). `/version`
 * says which, `/count` how many bytes came, and after `/sick` its probes fail. An upgrade is echoed, whatever the protocol.
 * Must not hold: anything from lib.
 */
import { createServer } from 'node:http';

const [kind = 'good', version = '1'] = process.argv.slice(2);
if (kind === 'exits') {
  console.error(`version ${version} cannot start: no such table`);
  process.exit(3);
}
const SLOW_MS = 150;
const LIFE_MS = 3000;

let count = 0;
let isSick = false;
const server = createServer((request, response) => {
  if (request.url === '/count') {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end(`${version} ${bytes}`));
    return;
  }
  request.resume();
  if (request.url === '/sick') isSick = true;
  const isProbe = request.url === '/heartbeat';
  if (isProbe && isSick) response.statusCode = 503;
  if (!isProbe && kind === 'errors' && count++ % 2 === 0) response.statusCode = 500;
  const end = (): void => void response.end(isProbe ? '' : version);
  if (!isProbe && kind === 'slow') setTimeout(end, SLOW_MS);
  else end();
});
server.on('upgrade', ({ headers }, socket) => {
  socket.on('error', () => {});
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${headers.upgrade}\r\n\r\n`,
  );
  socket.pipe(socket);
});
if (kind === 'silent') setInterval(() => {}, 1000);
else server.listen(Number(process.env.PORT), '127.0.0.1');
if (kind === 'dies')
  setTimeout(() => {
    console.error(`version ${version} has a leak`);
    process.exit(4);
  }, LIFE_MS);
process.once('SIGTERM', () => process.exit(0));
