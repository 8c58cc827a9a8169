/**
 * The body of a replica's response on its way to the client: the head goes out with the first of the body, the rest
 * as it comes.
 * Invariants: bytes go out in order; a chunk is not touched after `writeBody` unless it lies in a pooled buffer that
 * is retained; `flow` is paused once while the client takes nothing, and resumed once when it does again.
 * Writes go to the socket and not through ServerResponse, which corks each one until the next tick.
 */
import type { Writable } from 'node:stream';
import type { ClientResponse } from '../downstream/client-response.ts';
import { bufferPool } from '../io/buffer-pool.ts';
import type { Connection } from '../upstream/connection.ts';

/** What can be made to wait for the client. */
export interface RelayFlow {
  setResponsePaused(isPaused: boolean): void;
}

/** A body up to here goes out with its head as one string; a longer one is copied behind its head into a pooled buffer. */
const MAX_JOINED_BYTES = 4096;
const LAST_CHUNK = '0\r\n\r\n';

export class ResponseRelay {
  readonly #response: ClientResponse;
  readonly #flow: RelayFlow;
  /** The replica delimits the body by closing; the client gets it in chunks. */
  readonly #rechunk: boolean;
  /** The head until it is written, '' after that. */
  #head: string;
  /** The first of the body, in memory that is good until the read at hand has been handled. */
  #first: Buffer | undefined;
  #isPaused = false;

  /** `response` has started, and nothing of it is written. */
  constructor(response: ClientResponse, flow: RelayFlow, head: string, rechunk: boolean) {
    this.#response = response;
    this.#flow = flow;
    this.#head = head;
    this.#rechunk = rechunk;
  }

  get #out(): Writable {
    return this.#response.out;
  }

  /** The client has had nothing of it. */
  get isUnsent(): boolean {
    return this.#head !== '';
  }

  /** It waits for the client to take what was written. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Takes a piece of the body, read by `connection` in the call at hand. */
  writeBody(chunk: Buffer, connection: Connection): void {
    if (this.#rechunk) return this.#writeChunk(chunk);
    if (this.#head !== '' && this.#first === undefined) {
      this.#first = chunk;
      return;
    }
    this.flush(connection);
    const buffer = connection.retainBuffer(chunk);
    if (buffer === undefined) this.#afterWrite(this.#out.write(Buffer.from(chunk)));
    else this.#afterWrite(this.#out.write(chunk, buffer.release));
  }

  /** Writes what is held back: more of the body is to come, and not with this read. */
  flush(connection: Connection): void {
    if (this.#head === '') return;
    const first = this.#first;
    if (first === undefined || first.length <= MAX_JOINED_BYTES) {
      this.#afterWrite(this.#out.write(this.takeHead(), 'latin1'));
      return;
    }
    this.#first = undefined;
    this.#writeWithHead(first, connection);
  }

  /** Ends the response: what is held back goes out with the end, and a short response together with others if `mayBatch`. */
  end(connection: Connection, mayBatch: boolean): void {
    if (this.#rechunk) return void this.#response.end(this.takeHead() + LAST_CHUNK, mayBatch);
    if (this.#isShort) return void this.#response.end(this.takeHead(), mayBatch);
    this.flush(connection);
    this.#response.end();
  }

  /** The head that is not written yet, with what is held back of the body, as one string that the caller writes. */
  takeHead(): string {
    const text = this.#first === undefined ? this.#head : this.#head + this.#first.toString('latin1');
    this.#head = '';
    this.#first = undefined;
    return text;
  }

  /** Nothing of it is written, and it is one string. */
  get #isShort(): boolean {
    return this.#head !== '' && (this.#first === undefined || this.#first.length <= MAX_JOINED_BYTES);
  }

  /** One write for the head and a large first piece: a string and a buffer in one write are twice the work for the kernel. */
  #writeWithHead(first: Buffer, connection: Connection): void {
    const head = this.#head;
    const buffer = bufferPool.acquire();
    if (buffer !== undefined && head.length + first.length <= buffer.bytes.length) {
      const { bytes } = buffer;
      this.#head = '';
      const start = bytes.write(head, 'latin1');
      first.copy(bytes, start);
      this.#afterWrite(this.#out.write(bytes.subarray(0, start + first.length), buffer.release));
      return;
    }
    buffer?.release();
    this.#out.write(this.takeHead(), 'latin1');
    this.writeBody(first, connection);
  }

  #writeChunk(chunk: Buffer): void {
    const size = `${this.takeHead()}${chunk.length.toString(16)}\r\n`;
    const out = this.#out;
    out.cork();
    out.write(size, 'latin1');
    out.write(Buffer.from(chunk));
    this.#afterWrite(out.write('\r\n', 'latin1'));
    out.uncork();
  }

  #afterWrite(hasRoom: boolean): void {
    if (hasRoom || this.#isPaused) return;
    this.#isPaused = true;
    this.#flow.setResponsePaused(true);
    this.#out.once('drain', () => {
      this.#isPaused = false;
      this.#flow.setResponsePaused(false);
    });
  }
}
