/**
 * The backend for uploads, a process of its own: `node upload-sink.ts <port>,<port>,…`. It reads every body to its end
 * before it answers with a fixed JSON, and `GET /count` tells how many requests it has answered. It runs beside the
 * load, so it does as little as a reader can: heads by regular expression, bodies by counting bytes (a chunked one by
 * the look of its end, which is enough for a body made of one letter).
 */
import { createServer, type Socket } from 'node:net';
import { SMALL_BODY } from './peer-configs.ts';

const HEAD_END = '\r\n\r\n';
const CHUNKED_END = '\r\n0\r\n\r\n';

let answered = 0;

function reply(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Reads requests one after another from one connection. */
class Reader {
  readonly #socket: Socket;
  #head = '';
  #bodyLeft = 0;
  #chunked = false;
  #tail = '';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  take(chunk: Buffer): void {
    if (this.#bodyLeft > 0) this.#count(chunk.length);
    else if (this.#chunked) this.#watch(chunk);
    else this.#read(chunk);
  }

  #count(bytes: number): void {
    this.#bodyLeft -= bytes;
    if (this.#bodyLeft <= 0) this.#answer(SMALL_BODY);
  }

  #watch(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString('latin1', Math.max(0, chunk.length - 7))).slice(-7);
    if (this.#tail !== CHUNKED_END) return;
    this.#chunked = false;
    this.#answer(SMALL_BODY);
  }

  #read(chunk: Buffer): void {
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#head.slice(0, end + 2);
    const body = this.#head.slice(end + HEAD_END.length);
    this.#head = '';
    this.#bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    this.#chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    this.#tail = '';
    if (/\r\nexpect: *100-continue/i.test(head)) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    if (this.#chunked) this.#watch(Buffer.from(body, 'latin1'));
    else if (this.#bodyLeft > 0) this.#count(body.length);
    else this.#answer(head.startsWith('GET /count ') ? String(answered) : SMALL_BODY);
  }

  #answer(body: string): void {
    this.#bodyLeft = 0;
    answered++;
    this.#socket.write(reply(body));
  }
}

for (const port of process.argv[2]!.split(',')) {
  createServer({ noDelay: true }, (socket) => {
    const reader = new Reader(socket);
    socket.on('data', (chunk: Buffer) => reader.take(chunk));
    socket.on('error', () => socket.destroy());
  }).listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
}
