/**
 * A replica that refuses uploads while they come, as application servers do, each path in a way of its own.
 * Run as a process: it listens on $PORT. Must not hold: assertions.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const LIMIT_BYTES = 1 << 20;
const LARGE = 'y'.repeat(60_000);

function refuse(response: ServerResponse, body: string): void {
  response.writeHead(413, { Connection: 'close', 'Content-Length': body.length });
  response.end(body);
}

/** What is done with a request, by its path. */
const ways: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
  // the server closes once it is written, on whatever has come by then
  '/at-once': (_request, response) => refuse(response, 'too large'),
  '/large': (_request, response) => refuse(response, LARGE),
  '/counted': (request, response) => {
    let bytes = 0;
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes <= LIMIT_BYTES) return;
      request.off('data', onData);
      refuse(response, 'too large');
    };
    request.on('data', onData);
  },
  '/destroyed': (request, response) => {
    response.on('finish', () => request.socket.destroy());
    refuse(response, 'too large');
  },
  '/reset': (request, response) => {
    response.on('finish', () => request.socket.resetAndDestroy());
    refuse(response, 'too large');
  },
  '/read-on': (request, response) => {
    request.resume();
    response.writeHead(401, { 'Content-Length': 9 });
    response.end('too large');
  },
  '/interim': (_request, response) => {
    response.writeProcessing();
    refuse(response, 'too large');
  },
};

createServer((request, response) => {
  const way = ways[request.url ?? ''];
  if (way === undefined) response.end();
  else way(request, response);
}).listen(Number(process.env.PORT), '127.0.0.1');
