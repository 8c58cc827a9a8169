/**
 * The replica of a rehearsal: responds to the requests that a rehearsal sends, and to no others. It reads no more of
 * HTTP than these need.
 */
import { createServer, type Server, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';
/** What a response of this path has is sent in chunks. */
export const CHUNKED_PATH = '/chunked';
const SMALL = respond('Content-Length: 54', '{"message":"Hello from Server: S1","status":"success"}');
const CHUNKED = respond('Transfer-Encoding: chunked', '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n');

function respond(framing: string, body: string): string {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${framing}\r\nConnection: keep-alive\r\n`;
  return `${head}\r\n${body}`;
}

export class StandIn {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  /** Listens on a free port of the loopback, which it returns. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    let received = '';
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      if (!isWhole(received)) return;
      const isChunked = received.includes(` ${CHUNKED_PATH} `);
      received = '';
      socket.write(isChunked ? CHUNKED : SMALL, 'latin1');
    });
  }
}

/** True where a message is complete, whose length its head tells or which ends with its last chunk. */
export function isWhole(text: string): boolean {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd < 0) return false;
  const head = text.slice(0, headEnd);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return text.endsWith('\r\n0\r\n\r\n');
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return text.length >= headEnd + HEAD_END.length + length;
}
