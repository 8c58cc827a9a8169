/**
 * The last lines that one instance printed, stdout and stderr in the order of their arrival.
 * Invariant: at most 500 lines and 256 KiB, whatever the instance prints and however fast.
 */
import type { OutputStream } from '../../drivers/driver.ts';
import { LineSplitter } from './line-splitter.ts';

const LINES_KEPT = 500;
const BYTES_KEPT = 256 * 1024;

export interface KeptLine {
  /** Rises over all instances. */
  readonly sequence: number;
  /** Rises by one within the instance, so that a gap shows how many lines are missing. */
  readonly number: number;
  readonly wallMs: number;
  readonly stream: OutputStream;
  readonly text: string;
  readonly bytes: number;
}

export class InstanceLog {
  readonly replica: string;
  readonly instanceId: string;
  /** False once nothing more is expected. */
  isOpen = true;
  readonly #nextSequence: () => number;
  readonly #splitters: Readonly<Record<OutputStream, LineSplitter>>;
  /** A ring: the oldest line is at `#first`. */
  readonly #lines: KeptLine[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;
  #number = 0;
  /** Of the bytes that are being split. */
  #wallMs = 0;

  constructor(replica: string, instanceId: string, nextSequence: () => number) {
    this.replica = replica;
    this.instanceId = instanceId;
    this.#nextSequence = nextSequence;
    this.#splitters = { stdout: this.#splitterOf('stdout'), stderr: this.#splitterOf('stderr') };
  }

  write(stream: OutputStream, bytes: Buffer, wallMs: number): void {
    this.#wallMs = wallMs;
    this.#splitters[stream].push(bytes);
  }

  /** Keeps what was left without a line end; more may be written all the same. */
  end(): void {
    this.isOpen = false;
    this.#splitters.stdout.end();
    this.#splitters.stderr.end();
  }

  /** Lines so far, kept or not. */
  get total(): number {
    return this.#number;
  }

  /** The kept lines after the one with this sequence number, the newest first. */
  *newestFirst(sequence: number): Generator<KeptLine> {
    for (let back = 1; back <= this.#count; back++) {
      const line = this.#lines[(this.#first + this.#count - back) % LINES_KEPT]!;
      if (line.sequence <= sequence) return;
      yield line;
    }
  }

  #splitterOf(stream: OutputStream): LineSplitter {
    return new LineSplitter((text, bytes) => this.#keep(stream, text, bytes));
  }

  #keep(stream: OutputStream, text: string, bytes: number): void {
    while (this.#count === LINES_KEPT || this.#bytes + bytes > BYTES_KEPT) this.#dropOldest();
    this.#lines[(this.#first + this.#count) % LINES_KEPT] = {
      sequence: this.#nextSequence(),
      number: ++this.#number,
      wallMs: this.#wallMs,
      stream,
      text,
      bytes,
    };
    this.#count++;
    this.#bytes += bytes;
  }

  #dropOldest(): void {
    this.#bytes -= this.#lines[this.#first]!.bytes;
    this.#first = (this.#first + 1) % LINES_KEPT;
    this.#count--;
  }
}
