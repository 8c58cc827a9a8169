/**
 * A replica of a version that behaves as its argument says: `good`, `exits` (at once), `silent` (never listens), `errors`
 * (500 to half of the requests), `slow` (150 ms), `dies` (3 s after it began to listen). Every response but those of
 * probes says which version it is.
 */
import { createServer } from 'node:http';

const [kind = 'good', version = '1'] = process.argv.slice(2);
const SLOW_MS = 150;
const LIFE_MS = 3000;
if (kind === 'exits') {
  console.error('no such table');
  process.exit(3);
}

let count = 0;
const server = createServer((request, response) => {
  if (request.url === '/heartbeat') return void response.end();
  if (kind === 'errors' && count++ % 2 === 0) response.statusCode = 500;
  const end = (): void => void response.end(version);
  if (kind === 'slow') setTimeout(end, SLOW_MS);
  else end();
});
if (kind === 'silent') setInterval(() => {}, 1000);
else server.listen(Number(process.env.PORT), '127.0.0.1');
if (kind === 'dies') setTimeout(() => process.exit(4), LIFE_MS);
process.once('SIGTERM', () => process.exit(0));
