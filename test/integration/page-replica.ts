/** A replica, for `--command`, with a page of fifty images and a WebSocket that echoes short messages. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const IMAGES = 50;
/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const IMAGE =
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4" cx="4" cy="4"/></svg>';

const page = `<!doctype html><title>page</title>${Array.from({ length: IMAGES }, (_, at) => `<img src="/${at}.svg">`).join('')}`;

const server = createServer((request, response) => {
  const isImage = request.url?.endsWith('.svg') === true;
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': isImage ? 'image/svg+xml' : 'text/html' });
    response.end(isImage ? IMAGE : page);
  });
});

server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + GUID)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on('error', () => {});
  socket.on('data', (frame: Buffer) => {
    const isClose = (frame[0]! & 15) === 8;
    if (isClose) {
      socket.end();
      return;
    }
    const length = frame[1]! & 127;
    const mask = frame.subarray(2, 6);
    const text = frame.subarray(6, 6 + length).map((byte, at) => byte ^ mask[at % 4]!);
    socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
  });
});

process.on('SIGTERM', () => process.exit(0));
server.listen(Number(process.env.PORT), '127.0.0.1');
