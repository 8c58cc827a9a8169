/** A client of a rehearsal: one connection, and one request after another on it. */
import { connect, type Socket } from 'node:net';
import { isWhole } from './stand-in.ts';

export class Visitor {
  readonly #socket: Socket;
  readonly #requests: readonly string[];
  readonly #onDone: (responses: number) => void;
  #received = '';
  #responses = 0;
  #isDone = false;

  /** Sends the `requests`; `onDone` is called once, with how many got a 200, when that is over. */
  constructor(port: number, requests: readonly string[], onDone: (responses: number) => void) {
    this.#requests = requests;
    this.#onDone = onDone;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (text: string) => this.#read(text));
    this.#socket.on('error', () => this.close());
    this.#socket.on('close', () => this.close());
  }

  /** With a reset, so that the kernel does not remember the connection for a minute. */
  close(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.resetAndDestroy();
    this.#onDone(this.#responses);
  }

  #send(): void {
    const request = this.#requests[this.#responses];
    if (request === undefined) this.close();
    else this.#socket.write(request, 'latin1');
  }

  #read(text: string): void {
    this.#received += text;
    if (!isWhole(this.#received)) return;
    if (!this.#received.startsWith('HTTP/1.1 200 ')) return this.close();
    this.#received = '';
    this.#responses++;
    this.#send();
  }
}
