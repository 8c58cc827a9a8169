/**
 * Writes lines to a file descriptor without ever blocking. What the descriptor does not accept is buffered up to a bound;
 * lines beyond it, and all that are buffered when a write fails, are dropped and counted.
 * Invariants: lines stay in order and whole, and each starts on a new line even after one that was cut short; where lines
 * were dropped, a note with their number precedes the next one.
 */
import type { Clock, Timer } from './clock.ts';
import { errnoOf } from './errors.ts';

export interface LineWriterParts {
  /** Writes at least one of the bytes and returns how many; throws EAGAIN if it can accept none now. Must not block. */
  readonly write: (bytes: Buffer) => number;
  readonly clock: Clock;
  /** The note for a number of lost lines. */
  readonly formatNote: (lost: number) => string;
  /** Blocks for `ms` without the event loop; for the exit of the process. */
  readonly pause: (ms: number) => void;
}

interface Line {
  /** What is still to be written. */
  bytes: Buffer;
  isBegun: boolean;
  /** For a note the number of lost lines; 0 for any other line. */
  readonly lostCount: number;
}

/** Size of the buffer: enough for a burst of a thousand lines while the reader is busy. */
export const MOST_WAITING_BYTES = 256 * 1024;
/** Delay of a retry: after EAGAIN, and after any other error. */
const RETRY_MS = 50;
const RETRY_FAILED_MS = 1000;
/** At exit: time limit for a reader that accepts nothing, and for one that is slow. */
const EXIT_IDLE_MS = 300;
const EXIT_LIMIT_MS = 2000;
const PAUSE_MS = 5;
const LINE_END = 0x0a;

export class LineWriter {
  readonly #parts: LineWriterParts;
  readonly #waiting: Line[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #dropped = 0;
  /** The last byte written was not a line end. */
  #isMidLine = false;
  #retry: Timer | undefined;

  constructor(parts: LineWriterParts) {
    this.#parts = parts;
  }

  /** Lines dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Accepts one line, including its line end. Never blocks. */
  write(line: string): void {
    // after a loss, the buffered lines go first, then the note
    if (this.#lost > 0) this.#drain();
    const bytes = Buffer.from(line);
    const isFull = this.#waitingBytes + bytes.length > MOST_WAITING_BYTES && this.#waiting.length > 0;
    if (isFull || (this.#lost > 0 && this.#waiting.length > 0)) {
      this.#lost++;
      this.#dropped++;
    } else {
      this.#addNote();
      this.#add(bytes, 0);
      this.#drain();
    }
  }

  /** Flushes the buffer as long as the reader makes progress; to be called at the exit of the process. */
  finish(): void {
    const { clock, pause } = this.#parts;
    const lastMs = clock.nowMs() + EXIT_LIMIT_MS;
    let idleMs = clock.nowMs() + EXIT_IDLE_MS;
    let before = this.#waitingBytes;
    for (this.#drain(); this.#waiting.length > 0; this.#drain()) {
      const nowMs = clock.nowMs();
      if (this.#waitingBytes !== before) idleMs = nowMs + EXIT_IDLE_MS;
      before = this.#waitingBytes;
      if (nowMs >= idleMs || nowMs >= lastMs) break;
      pause(PAUSE_MS);
    }
    this.#retry?.cancel();
    this.#retry = undefined;
  }

  #add(bytes: Buffer, lostCount: number): void {
    this.#waiting.push({ bytes, isBegun: false, lostCount });
    this.#waitingBytes += bytes.length;
  }

  #addNote(): void {
    if (this.#lost === 0 || this.#waiting.length > 0) return;
    this.#add(Buffer.from(this.#parts.formatNote(this.#lost)), this.#lost);
    this.#lost = 0;
  }

  /** Writes until the buffer is empty or the descriptor accepts no more. */
  #drain(): void {
    this.#addNote();
    try {
      for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) this.#writeSome(line);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') this.#dropAll();
    }
    // buffered lines wait for EAGAIN to pass; without any, the write failed and only the note is due
    if (this.#waiting.length > 0) this.#retryAfter(RETRY_MS);
    else if (this.#lost > 0) this.#retryAfter(RETRY_FAILED_MS);
  }

  #writeSome(line: Line): void {
    if (!line.isBegun && this.#isMidLine) {
      line.bytes = Buffer.concat([Buffer.of(LINE_END), line.bytes]);
      this.#waitingBytes++;
    }
    // set before the write: a retry of the first byte must not prepend a second line end
    line.isBegun = true;
    const written = this.#parts.write(line.bytes);
    if (written > 0) this.#isMidLine = line.bytes[written - 1] !== LINE_END;
    this.#waitingBytes -= written;
    line.bytes = line.bytes.subarray(written);
    if (line.bytes.length > 0) return;
    this.#waiting.shift();
    this.#addNote();
  }

  #dropAll(): void {
    for (const { lostCount } of this.#waiting) {
      this.#lost += lostCount || 1;
      if (lostCount === 0) this.#dropped++;
    }
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  #retryAfter(delayMs: number): void {
    this.#retry ??= this.#parts.clock.after(delayMs, () => {
      this.#retry = undefined;
      this.#drain();
    });
  }
}
