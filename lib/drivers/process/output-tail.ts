/** Keeps the last bytes of a stream and passes all of them on; always reads it, so that the writer never blocks. */
import type { Readable } from 'node:stream';

/** Enough for a long crash report. */
const KEPT_BYTES = 8192;

export class OutputTail {
  /** Resolves when the last writer has closed the stream. */
  readonly closed: Promise<void>;
  #tail: Buffer = Buffer.alloc(0);

  constructor(stream: Readable, onBytes: (bytes: Buffer) => void) {
    this.closed = new Promise((resolve) => stream.once('close', resolve));
    // an error means no more than the end of the writer
    stream
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        this.#push(chunk);
        onBytes(chunk);
      });
  }

  get text(): string {
    return this.#tail.toString('utf8');
  }

  #push(chunk: Buffer): void {
    // always copied: a slice would keep the whole chunk in memory
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(-KEPT_BYTES)]).subarray(-KEPT_BYTES);
  }
}
