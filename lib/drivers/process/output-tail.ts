/**
 * The last of what a program writes to a stream, however much that is. It is always read, so that nobody waits for it.
 */
import type { Readable } from 'node:stream';

/** As much as a crash report of some length. */
const KEPT_BYTES = 8192;

export class OutputTail {
  /** Resolves when nothing holds the other end any more. */
  readonly closed: Promise<void>;
  #tail: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.closed = new Promise((resolve) => stream.once('close', resolve));
    // what breaks on it says no more than the end of who wrote to it
    stream.on('data', (chunk: Buffer) => this.#push(chunk)).on('error', () => {});
  }

  get text(): string {
    return this.#tail.toString('utf8');
  }

  #push(chunk: Buffer): void {
    // copied in any case: a small part would keep the whole of what was read
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(-KEPT_BYTES)]).subarray(-KEPT_BYTES);
  }
}
