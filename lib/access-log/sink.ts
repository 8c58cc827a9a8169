/**
 * Writes the lines of all data threads to standard output or a file, in the order in which they arrive. Runs on the main
 * thread.
 * Invariants: every batch is acknowledged once, written or dropped, so that no thread waits for ever; a write that fails
 * costs the lines that were queued for it, never the balancer; no write blocks, since a blocked write keeps a process
 * from ending; a batch starts on a new line, also after a write that was cut short.
 */
import {
  closeSync,
  constants,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  type Stats,
  type WriteStream,
} from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Clock, Timer } from '../platform/clock.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';

export interface AccessSinkParts {
  /** A path, or `-` for standard output. */
  readonly file: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Called with the number of lines that could not be written. */
  readonly onDropped: (lines: number) => void;
}

/** The file or pipe that lines are written to. */
interface Output {
  readonly stream: Writable;
  /** Bytes passed to the stream so far. */
  givenBytes: number;
  /** Of these, the number known to be written; always 0 for a pipe, which does not tell. */
  readonly writtenBytes: () => number;
  /** A regular file, whose last byte can be read. */
  readonly isFile: boolean;
  /** The last write, ours or an earlier process's, ended in the middle of a line. */
  isMidLine: boolean;
}

const STDOUT = 1;
/** Standard output opened again, so that O_NONBLOCK does not affect other holders of it. Linux only. */
const STDOUT_FILE = '/proc/self/fd/1';
const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
/** Requests may be confidential: not readable by others. */
const FILE_MODE = 0o640;
/** Time limit for writing the remaining lines at shutdown. */
const CLOSE_MS = 2000;
const LINE_END = 0x0a;

export class AccessSink {
  readonly #parts: AccessSinkParts;
  #output: Output | undefined;
  /** The current stream, and earlier ones that still have bytes to write. */
  readonly #streams = new Set<Writable>();
  #isFailing = false;
  /** Lines dropped since writing began to fail. */
  #missing = 0;
  #isClosed = false;
  /** A pipe may have taken part of a line. */
  #isCut = false;
  /** Batches that are not written yet. */
  #pending = 0;
  #onEmpty: (() => void) | undefined;

  /** Throws BalancerError `log-unwritable` where the file cannot be written. */
  constructor(parts: AccessSinkParts) {
    this.#parts = parts;
    try {
      this.#output = this.#open();
    } catch (error) {
      throw new BalancerError(
        'log-unwritable',
        `The access log cannot be written: ${messageOf(error)}; choose another file with --access-log-file`,
        { cause: error },
      );
    }
  }

  /** Writes whole lines, in ASCII; `onDone` is called once they are written or dropped. */
  take(text: string, lines: number, onDone: () => void): void {
    this.#output ??= this.#tryOpen();
    this.#pending++;
    const output = this.#output;
    const startBytes = output?.givenBytes ?? 0;
    const batch = output?.isMidLine ? `\n${text}` : text;
    const done = (error?: Error | null): void => {
      if (error) {
        // comes before the stream's own error event
        this.#abandon(output);
        const written = (output?.writtenBytes() ?? 0) - startBytes;
        this.#countDropped(linesLost(batch, lines, written), error.message);
      } else if (this.#isFailing) this.#noteRecovery();
      onDone();
      if (--this.#pending === 0) this.#onEmpty?.();
    };
    if (output === undefined) return done(new Error('not open'));
    output.isMidLine = false;
    output.givenBytes += batch.length;
    output.stream.write(batch, 'latin1', done);
  }

  /**
   * Reopens the file by its name, after log rotation has moved it; earlier batches go to the old file. False for
   * standard output, which cannot be moved.
   */
  reopen(): boolean {
    if (this.#parts.file === '-' || this.#isClosed) return false;
    this.#output?.stream.end();
    this.#output = this.#tryOpen();
    return true;
  }

  /** Resolves once everything is written; drops lines that take longer than CLOSE_MS. */
  async close(): Promise<void> {
    this.#isClosed = true;
    let timer: Timer | undefined;
    const isLate = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(CLOSE_MS, resolve);
    });
    await Promise.race([this.#whenEmpty(), isLate]);
    timer?.cancel();
    const cause = this.#pending > 0 ? new Error('the reader does not read') : undefined;
    for (const stream of this.#streams) stream.destroy(cause);
    await this.#whenEmpty();
  }

  #whenEmpty(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#pending === 0) resolve();
    });
  }

  #tryOpen(): Output | undefined {
    try {
      return this.#open();
    } catch (error) {
      this.#noteFailure(messageOf(error));
      return undefined;
    }
  }

  #open(): Output {
    const { file } = this.#parts;
    const output = file === '-' ? openStdout() : openFile(file, O_CREAT);
    const { stream } = output;
    if (this.#isCut && !output.isFile) output.isMidLine = true;
    this.#isCut = false;
    stream.on('error', (error) => {
      this.#abandon(output);
      this.#noteFailure(error.message);
    });
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    return output;
  }

  /** The next batch opens another output. */
  #abandon(output: Output | undefined): void {
    this.#isCut = true;
    if (this.#output === output) this.#output = undefined;
  }

  #countDropped(lines: number, cause: string): void {
    this.#missing += lines;
    this.#parts.onDropped(lines);
    this.#noteFailure(cause);
  }

  #noteRecovery(): void {
    this.#parts.log.warn({ lines: this.#missing }, 'access log recovered; lines were dropped');
    this.#isFailing = false;
    this.#missing = 0;
  }

  /** Logs the first failure of a series. */
  #noteFailure(cause: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#parts.log.error({ cause }, 'access log write failed; dropping lines');
  }
}

/** How many lines of a batch are not whole in the file, given how many of its bytes were written. */
function linesLost(batch: string, lines: number, bytes: number): number {
  if (bytes <= 0) return lines;
  const whole = batch.slice(0, bytes).split('\n').length - 1;
  return lines - Math.min(lines, batch.startsWith('\n') ? whole - 1 : whole);
}

/** Opens for appending. A named pipe without a reader is an error; it does not block. */
function openFile(path: string, flags: number): Output {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_NONBLOCK | flags, FILE_MODE);
  try {
    const stats = fstatSync(fd);
    if (stats.isFIFO()) return pipeOutput(fd);
    return streamOutput(createWriteStream('', { fd }), stats.isFile(), endsMidLine(path, stats));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openStdout(): Output {
  try {
    return openFile(STDOUT_FILE, 0);
  } catch {
    // standard output is a socket, or the system is not Linux
    const isFile = fstatSync(STDOUT).isFile();
    if (!isFile) return pipeOutput(STDOUT);
    return streamOutput(createWriteStream('', { fd: STDOUT, autoClose: false }), isFile, false);
  }
}

function pipeOutput(fd: number): Output {
  const stream = new Socket({ fd, readable: false, writable: true });
  return { stream, givenBytes: 0, writtenBytes: () => 0, isFile: false, isMidLine: false };
}

function streamOutput(stream: WriteStream, isFile: boolean, isMidLine: boolean): Output {
  return { stream, givenBytes: 0, writtenBytes: () => stream.bytesWritten, isFile, isMidLine };
}

/** True where the last byte of a file is not a line feed: a write was cut short, ours or an earlier process's. */
function endsMidLine(path: string, stats: Stats): boolean {
  if (!stats.isFile() || stats.size === 0) return false;
  try {
    const fd = openSync(path, O_RDONLY | O_NONBLOCK);
    try {
      const last = Buffer.alloc(1);
      return readSync(fd, last, 0, 1, stats.size - 1) === 1 && last[0] !== LINE_END;
    } finally {
      closeSync(fd);
    }
  } catch {
    // the file is writable but not readable
    return false;
  }
}
