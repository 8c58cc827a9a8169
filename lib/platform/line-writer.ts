/**
 * Lines to a descriptor that must never be waited for. What it does not take now waits in memory, up to a bound;
 * lines beyond that, and all that wait when a write fails, are dropped and counted.
 * Invariants: lines go out in order, whole, each at the beginning of a line even after one that was cut short; where
 * lines are missing, a line says how many before the next one is written.
 */
import type { Clock, Timer } from './clock.ts';
import { errnoOf } from './errors.ts';

export interface LineWriterParts {
  /** Writes some of the bytes, one or more, and gives how many; throws EAGAIN where it can take none now. Must not block. */
  readonly write: (bytes: Buffer) => number;
  readonly clock: Clock;
  /** A line that says that so many were lost. */
  readonly noteOf: (lost: number) => string;
  /** Lets so much time pass without the event loop; for the end of the process. */
  readonly pause: (ms: number) => void;
}

interface Line {
  /** What is left of it. */
  bytes: Buffer;
  isBegun: boolean;
  /** How many lost lines it tells of; 0 for any other line. */
  readonly tellsOf: number;
}

/** The most that waits: a burst of a thousand lines goes through to a reader that is busy for a moment. */
export const MOST_WAITING_BYTES = 256 * 1024;
/** Until it is tried again: where it was full, and where it failed. */
const RETRY_MS = 50;
const RETRY_FAILED_MS = 1000;
/** At the end: the longest wait for a reader that takes nothing, and for one that takes little at a time. */
const IDLE_END_MS = 300;
const LAST_END_MS = 2000;
const PAUSE_MS = 5;
const LINE_END = 0x0a;

export class LineWriter {
  readonly #parts: LineWriterParts;
  readonly #waiting: Line[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #dropped = 0;
  /** The last byte that was taken was not the end of a line. */
  #isMidLine = false;
  #retry: Timer | undefined;

  constructor(parts: LineWriterParts) {
    this.#parts = parts;
  }

  /** Lines that were dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes one line with its end. Returns at once, whatever becomes of it. */
  write(line: string): void {
    // once some are lost, those that wait go out first, and then the note
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

  /** Writes what waits, for as long as it is being taken; to be called at the end of the process. */
  finish(): void {
    const { clock, pause } = this.#parts;
    const lastMs = clock.nowMs() + LAST_END_MS;
    let idleMs = clock.nowMs() + IDLE_END_MS;
    let before = this.#waitingBytes;
    for (this.#drain(); this.#waiting.length > 0; this.#drain()) {
      const nowMs = clock.nowMs();
      if (this.#waitingBytes !== before) idleMs = nowMs + IDLE_END_MS;
      before = this.#waitingBytes;
      if (nowMs >= idleMs || nowMs >= lastMs) break;
      pause(PAUSE_MS);
    }
    this.#retry?.cancel();
    this.#retry = undefined;
  }

  #add(bytes: Buffer, tellsOf: number): void {
    this.#waiting.push({ bytes, isBegun: false, tellsOf });
    this.#waitingBytes += bytes.length;
  }

  #addNote(): void {
    if (this.#lost === 0 || this.#waiting.length > 0) return;
    this.#add(Buffer.from(this.#parts.noteOf(this.#lost)), this.#lost);
    this.#lost = 0;
  }

  /** Writes until all is written or nothing more is taken. */
  #drain(): void {
    this.#addNote();
    try {
      for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) this.#writeSome(line);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') this.#dropAll();
    }
    // what waits waits for room; a loss alone is left where the write failed
    if (this.#waiting.length > 0) this.#retryAfter(RETRY_MS);
    else if (this.#lost > 0) this.#retryAfter(RETRY_FAILED_MS);
  }

  #writeSome(line: Line): void {
    if (!line.isBegun && this.#isMidLine) {
      line.bytes = Buffer.concat([Buffer.of(LINE_END), line.bytes]);
      this.#waitingBytes++;
    }
    // one that was cut short before its first byte has its line end in front already
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
    for (const { tellsOf } of this.#waiting) {
      this.#lost += tellsOf || 1;
      if (tellsOf === 0) this.#dropped++;
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
