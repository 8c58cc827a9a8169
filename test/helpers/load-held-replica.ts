/**
 * A replica whose `/hold` is not answered until `/go` was asked; everything else is answered at once with its name.
 * A program of its own, for `--command`. Must not hold: anything from lib.
 */
import { createServer, type ServerResponse } from 'node:http';

const held: ServerResponse[] = [];

const server = createServer((request, response) => {
  if (request.url === '/hold') {
    held.push(response);
    return;
  }
  if (request.url === '/go') for (const waiting of held.splice(0)) waiting.end('held');
  response.end(process.env.SERVER_ID);
});
server.listen(Number(process.env.PORT), '127.0.0.1');
