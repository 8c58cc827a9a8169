/**
 * The body of a replica's response on its way to the client: the head goes out with the first of the body, the rest
 * as it comes.
 * Invariants: bytes go out in order; a chunk is not touched once its read has been handled; `flow` is paused once while the
 * client takes nothing, and resumed once when it does again.
 * Writes go to the socket and not through ServerResponse, which corks each one until the next tick.
 */
import { encodeChunk } from '../../http1/chunked-decoder.ts';
import type { ClientResponse } from '../downstream/client-response.ts';
import { BulkWriter } from '../io/bulk-writer.ts';
import { plainDescriptorOf } from '../io/node-internals.ts';
import type { Connection } from '../upstream/connection.ts';

/** What can be made to wait for the client. */
export interface RelayFlow {
  setResponsePaused(isPaused: boolean): void;
}

/** A body up to here goes out with its head as one string. */
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
  /** Undefined while nothing was written but what ends the response. */
  #writer: BulkWriter | undefined;

  /** `response` has started, and nothing of it is written. */
  constructor(response: ClientResponse, flow: RelayFlow, head: string, rechunk: boolean) {
    this.#response = response;
    this.#flow = flow;
    this.#head = head;
    this.#rechunk = rechunk;
  }

  /** The client has had nothing of it. */
  get isUnsent(): boolean {
    return this.#head !== '';
  }

  /** It waits for the client to take what was written. */
  get isPaused(): boolean {
    return this.#writer?.isFull === true;
  }

  /** The client takes what is written as fast as it can, so that the more is read at a time, the less it costs. */
  get suitsLargeReads(): boolean {
    return !this.#rechunk && plainDescriptorOf(this.#response.out) >= 0;
  }

  /** Takes a piece of the body, read by `connection` in the call at hand. */
  writeBody(chunk: Buffer, connection: Connection): void {
    if (this.#rechunk) return this.#write(encodeChunk(chunk), connection);
    if (this.#head !== '' && this.#first === undefined) {
      this.#first = chunk;
      return;
    }
    this.flush(connection);
    this.#write(chunk, connection);
  }

  /** Writes what is held back: more of the body is to come, and not with this read. */
  flush(connection: Connection): void {
    if (this.#head === '') return;
    const first = this.#first;
    if (first === undefined || first.length <= MAX_JOINED_BYTES) return this.#writeText(this.takeHead());
    this.#first = undefined;
    this.#write(first, connection);
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

  /** One write for the head and a large piece: a string and a buffer in one write are twice the work for the kernel. */
  #write(piece: Buffer, connection: Connection): void {
    const head = this.#head;
    this.#head = '';
    const whole = head === '' ? piece : (connection.putInFront(head, piece) ?? joined(head, piece));
    const { isPaused } = this;
    if (!this.#bulkWriter.write(whole) && !isPaused) this.#flow.setResponsePaused(true);
  }

  #writeText(text: string): void {
    const { isPaused } = this;
    if (!this.#bulkWriter.writeText(text) && !isPaused) this.#flow.setResponsePaused(true);
  }

  get #bulkWriter(): BulkWriter {
    this.#writer ??= new BulkWriter(this.#response.out, () => this.#flow.setResponsePaused(false));
    return this.#writer;
  }
}

function joined(head: string, piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(head, 'latin1'), piece]);
}
