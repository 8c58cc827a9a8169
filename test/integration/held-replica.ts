/**
 * A replica whose `/hold` is not answered until `/go` was asked, and `/go` not before there was a `/hold`: a request in
 * flight may not have arrived yet. Everything else is answered at once with its name.
 * A program of its own, for `--command`. Must not hold: anything from lib.
 */
import { createServer, type ServerResponse } from 'node:http';

const held: ServerResponse[] = [];
const going: ServerResponse[] = [];

const server = createServer((request, response) => {
  if (request.url === '/hold') held.push(response);
  else if (request.url === '/go') going.push(response);
  else response.end(process.env.SERVER_ID);
  if (held.length === 0 || going.length === 0) return;
  for (const waiting of held.splice(0)) waiting.end('held');
  for (const waiting of going.splice(0)) waiting.end();
});
server.listen(Number(process.env.PORT), '127.0.0.1');
