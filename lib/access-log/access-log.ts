/**
 * The access log of one data thread: which requests are logged, and a buffer of lines until the main thread takes them.
 * Invariants: lines are sent in batches, whole; a thread holds no more than MAX_UNWRITTEN_BYTES that are not written yet,
 * and lines beyond that are dropped and counted. No request ever waits for its line.
 */
import type { AccessLogFormat } from './line.ts';
import { type AccessEntry, combinedLine, jsonLine } from './line.ts';

export interface AccessLogOptions {
  readonly accessLog: AccessLogFormat | 'off';
  /** The share of requests that are logged, 0 to 1. */
  readonly accessLogSample: number;
  /** Only these: `5xx`, `404`, `none` (no response); all where it is empty. */
  readonly accessLogStatus: readonly string[];
  /** Only requests that took at least as long. */
  readonly accessLogMinMs: number;
}

export interface AccessLogParts {
  readonly options: AccessLogOptions;
  /** Sends a batch to the main thread; `written` is called with its length once it is written or dropped. */
  readonly send: (text: string, lines: number) => void;
  /** Counts lines that were sent, and lines that were dropped. */
  readonly recorder: { logged(lines: number): void; logDropped(lines: number): void };
  /** A number from 0 to 1. */
  readonly random: () => number;
}

/** A batch is sent at this size, or by the next tick (0.1 s). */
const BATCH_BYTES = 65_536;
const MAX_UNWRITTEN_BYTES = 1_048_576;
/** Statuses have three digits; 0 stands for no response. */
const STATUSES = 1000;

export class AccessLog {
  readonly #parts: AccessLogParts;
  #format: (entry: AccessEntry) => string;
  #isLogged: Uint8Array;
  #batch = '';
  #lines = 0;
  /** Of batches that were sent and are not written yet. */
  #unwrittenBytes = 0;

  constructor(parts: AccessLogParts) {
    this.#parts = parts;
    this.#format = formatOf(parts.options);
    this.#isLogged = loggedStatuses(parts.options.accessLogStatus);
  }

  /** The options have changed: lines are written as they say from now on. */
  configure(): void {
    const { options } = this.#parts;
    this.#format = formatOf(options);
    this.#isLogged = loggedStatuses(options.accessLogStatus);
  }

  /** True where a request that ended so is logged; to be called once for each, since it draws the sample. */
  shouldLog(status: number, totalMs: number): boolean {
    const { options, random } = this.#parts;
    if (this.#isLogged[status] !== 1 || totalMs < options.accessLogMinMs) return false;
    return options.accessLogSample === 1 || random() < options.accessLogSample;
  }

  /** True while there is room for a line; otherwise counts one as dropped. */
  hasRoom(): boolean {
    if (this.#unwrittenBytes + this.#batch.length < MAX_UNWRITTEN_BYTES) return true;
    this.#parts.recorder.logDropped(1);
    return false;
  }

  add(entry: AccessEntry): void {
    this.#batch += this.#format(entry);
    this.#lines++;
    if (this.#batch.length >= BATCH_BYTES) this.flush();
  }

  /** Sends the buffered lines. To be called every tick, and at the end. */
  flush(): void {
    if (this.#lines === 0) return;
    const { send, recorder } = this.#parts;
    this.#unwrittenBytes += this.#batch.length;
    send(this.#batch, this.#lines);
    recorder.logged(this.#lines);
    this.#batch = '';
    this.#lines = 0;
  }

  /** The main thread has written or dropped this many bytes. */
  written(bytes: number): void {
    this.#unwrittenBytes -= bytes;
  }
}

function formatOf({ accessLog }: AccessLogOptions): (entry: AccessEntry) => string {
  return accessLog === 'combined' ? combinedLine : jsonLine;
}

function loggedStatuses(words: readonly string[]): Uint8Array {
  const logged = new Uint8Array(STATUSES);
  if (words.length === 0) logged.fill(1);
  for (const word of words) {
    if (word === 'none') logged[0] = 1;
    else if (word.endsWith('xx')) logged.fill(1, Number(word[0]) * 100, Number(word[0]) * 100 + 100);
    else logged[Number(word)] = 1;
  }
  return logged;
}
