/**
 * The access log of one data thread: which requests get a line, and the lines until the control plane takes them.
 * Must not hold: what a line looks like (`line.ts`), files (`sink.ts`).
 * Invariants: lines leave in batches, whole; a thread holds no more than MOST_UNWRITTEN bytes that are not written yet,
 * and what comes beyond that is dropped and counted. No request ever waits for its line.
 */
import type { AccessLogFormat } from './line.ts';
import { type AccessEntry, combinedLine, jsonLine } from './line.ts';

export interface AccessLogOptions {
  readonly accessLog: AccessLogFormat | 'off';
  /** The part of the requests that get a line, 0 to 1. */
  readonly accessLogSample: number;
  /** Only these: `5xx`, `404`, `none` (no answer); all where it is empty. */
  readonly accessLogStatus: readonly string[];
  /** Only requests that took at least as long. */
  readonly accessLogMinMs: number;
}

export interface AccessLogParts {
  readonly options: AccessLogOptions;
  /** Hands a batch over; `written` is called with its length once it is written, or never will be. */
  readonly send: (text: string, lines: number) => void;
  /** Counts lines that were handed over, and lines that were dropped. */
  readonly recorder: { logged(lines: number): void; logDropped(lines: number): void };
  /** A number from 0 to 1. */
  readonly random: () => number;
}

/** A batch goes when it is as long; a tenth of a second is the longest that it waits. */
const BATCH_BYTES = 65_536;
const MOST_UNWRITTEN = 1_048_576;
/** Statuses have three digits; 0 stands for none. */
const STATUSES = 1000;

export class AccessLog {
  readonly #parts: AccessLogParts;
  readonly #format: (entry: AccessEntry) => string;
  readonly #isWanted: Uint8Array;
  #batch = '';
  #lines = 0;
  /** Of batches that were handed over and not written. */
  #unwritten = 0;

  constructor(parts: AccessLogParts) {
    this.#parts = parts;
    this.#format = parts.options.accessLog === 'combined' ? combinedLine : jsonLine;
    this.#isWanted = wantedStatuses(parts.options.accessLogStatus);
  }

  /** True where a request that ended so gets a line. To be asked once for each. */
  wants(status: number, totalMs: number): boolean {
    const { options, random } = this.#parts;
    if (this.#isWanted[status] !== 1 || totalMs < options.accessLogMinMs) return false;
    return options.accessLogSample === 1 || random() < options.accessLogSample;
  }

  /** True while there is room for a line; otherwise the one that would be added is counted as dropped. */
  hasRoom(): boolean {
    if (this.#unwritten + this.#batch.length < MOST_UNWRITTEN) return true;
    this.#parts.recorder.logDropped(1);
    return false;
  }

  add(entry: AccessEntry): void {
    this.#batch += this.#format(entry);
    this.#lines++;
    if (this.#batch.length >= BATCH_BYTES) this.flush();
  }

  /** Hands over what there is. To be called every tick, and at the end. */
  flush(): void {
    if (this.#lines === 0) return;
    const { send, recorder } = this.#parts;
    this.#unwritten += this.#batch.length;
    send(this.#batch, this.#lines);
    recorder.logged(this.#lines);
    this.#batch = '';
    this.#lines = 0;
  }

  /** So much of what was handed over is not the thread's business any more. */
  written(bytes: number): void {
    this.#unwritten -= bytes;
  }
}

function wantedStatuses(words: readonly string[]): Uint8Array {
  const wanted = new Uint8Array(STATUSES);
  if (words.length === 0) wanted.fill(1);
  for (const word of words) {
    if (word === 'none') wanted[0] = 1;
    else if (word.endsWith('xx')) wanted.fill(1, Number(word[0]) * 100, Number(word[0]) * 100 + 100);
    else wanted[Number(word)] = 1;
  }
  return wanted;
}
