/**
 * An answer on its way to a client: its head goes out with the first of its body, the rest as it comes.
 * Must not hold: what the head says (`request-headers.ts`), where the answer comes from, what follows when it is cut.
 * Invariants: bytes go out in order; chunks are not touched after `body` unless they lie in a block that is held;
 * `flow` is paused once while the client takes nothing, and resumed once when it does again.
 *
 * Writes go to the socket and not through ServerResponse, which corks each one until the next tick.
 */
import type { Writable } from 'node:stream';
import { acquireBuffer } from '../io/buffer-pool.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ClientResponse, Ending } from './response-writer.ts';

/** What can be told to wait for the client. */
export interface RelayFlow {
  pauseResponse(): void;
  resumeResponse(): void;
}

/** A body up to here goes out with its head as one string; from here on it is copied into a block. */
const JOIN_BYTES = 4096;
const LAST_CHUNK = '0\r\n\r\n';

export class ResponseRelay {
  readonly #response: ClientResponse;
  /** The response itself while an answer before it is still being written. */
  readonly #out: Writable;
  readonly #flow: RelayFlow;
  /** The body's end would only be told by its connection's; the client is told by chunks. */
  readonly #rechunk: boolean;
  /** The head until it is written, '' after that. */
  #head: string;
  /** The first of the body, in memory that is good until the read at hand has been told. */
  #held: Buffer | undefined;
  #isPaused = false;

  constructor(
    response: ClientResponse,
    flow: RelayFlow,
    head: string,
    { ending, rechunk }: { readonly ending: Ending; readonly rechunk: boolean },
  ) {
    this.#response = response;
    this.#out = response.out;
    this.#flow = flow;
    this.#head = head;
    this.#rechunk = rechunk;
    response.begin(ending);
  }

  /** The client has had nothing of it. */
  get isUnsent(): boolean {
    return this.#head !== '';
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** A piece of the body, read by `connection` in the call at hand. */
  body(chunk: Buffer, connection: Connection): void {
    if (this.#rechunk) return this.#writeChunk(chunk);
    if (this.#head !== '' && this.#held === undefined) {
      this.#held = chunk;
      return;
    }
    this.flush(connection);
    const block = connection.retainBuffer(chunk);
    if (block === undefined) this.#afterWrite(this.#out.write(Buffer.from(chunk)));
    else this.#afterWrite(this.#out.write(chunk, block.release));
  }

  /** Nothing of it is out, and it is one string. */
  get #isShort(): boolean {
    return this.#head !== '' && (this.#held === undefined || this.#held.length <= JOIN_BYTES);
  }

  /** Writes what is held: more of the body is to come, and not with this read. */
  flush(connection: Connection): void {
    if (this.#head === '') return;
    const held = this.#held;
    if (held === undefined || held.length <= JOIN_BYTES) {
      this.#afterWrite(this.#out.write(this.takeHead(), 'latin1'));
      return;
    }
    this.#held = undefined;
    this.#writeWithHead(held, connection);
  }

  /** The body is complete; what is held goes out with the end, and a short answer together with others. */
  end(connection: Connection, isBusy: boolean): void {
    if (this.#rechunk) return void this.#response.end(this.takeHead() + LAST_CHUNK, isBusy);
    if (this.#isShort) return void this.#response.end(this.takeHead(), isBusy);
    this.flush(connection);
    this.#response.end();
  }

  /** The head that was not written yet, with the body held, as one string. */
  takeHead(): string {
    const text = this.#held === undefined ? this.#head : this.#head + this.#held.toString('latin1');
    this.#head = '';
    this.#held = undefined;
    return text;
  }

  /** One write for the head and a large first piece: two strings and buffers in one are twice the work for the kernel. */
  #writeWithHead(held: Buffer, connection: Connection): void {
    const head = this.#head;
    const block = acquireBuffer();
    if (block !== undefined && head.length + held.length <= block.bytes.length) {
      const { bytes } = block;
      this.#head = '';
      const start = bytes.write(head, 'latin1');
      held.copy(bytes, start);
      this.#afterWrite(this.#out.write(bytes.subarray(0, start + held.length), block.release));
      return;
    }
    block?.release();
    this.#out.write(this.takeHead(), 'latin1');
    this.body(held, connection);
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

  #afterWrite(isRoom: boolean): void {
    if (isRoom || this.#isPaused) return;
    this.#isPaused = true;
    this.#flow.pauseResponse();
    this.#out.once('drain', () => {
      this.#isPaused = false;
      this.#flow.resumeResponse();
    });
  }
}
