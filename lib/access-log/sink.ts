/**
 * Where the lines of all data threads end up: standard output or a file, written in the order in which they come.
 * Must not hold: lines (`line.ts`), threads. Runs on the main thread.
 * Invariants: every batch that was taken is answered once, written or dropped, so that no thread waits for ever; a
 * write that fails costs the lines that were waiting for it, never the balancer; no write blocks, since one that does
 * keeps a process from ending; a batch begins at the beginning of a line, also behind a write that was cut short.
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
  /** So many lines could not be written. */
  readonly onDropped: (lines: number) => void;
}

/** What lines are written to. */
interface Output {
  readonly stream: Writable;
  /** Bytes that were given to it so far. */
  givenBytes: number;
  /** Of these, how many it is known to have written; a pipe does not tell, and says none. */
  readonly writtenBytes: () => number;
  /** A regular file, of which it can be seen how it ends. */
  readonly isFile: boolean;
  /** What was written last, by us or by whoever had the file before, ends in the middle of a line. */
  isMidLine: boolean;
}

const STDOUT = 1;
/** Standard output opened once more: how it is used here is nothing to whoever else has it. Linux alone has it. */
const STDOUT_FILE = '/proc/self/fd/1';
const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
/** Requests are nobody's business. */
const FILE_MODE = 0o640;
/** How long the lines that are left may take when the balancer ends. */
const CLOSE_MS = 2000;
const LINE_END = 0x0a;

export class AccessSink {
  readonly #parts: AccessSinkParts;
  #output: Output | undefined;
  /** The stream, and those before it that have something left to write. */
  readonly #streams = new Set<Writable>();
  #isFailing = false;
  /** Lines that were dropped since it began to fail. */
  #missing = 0;
  #isClosed = false;
  /** What was no file may have taken a part of a line. */
  #isCut = false;
  /** Batches that are not written yet. */
  #waiting = 0;
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

  /** Writes whole lines, which are ASCII; `onDone` is called once they are written, or never will be. */
  take(text: string, lines: number, onDone: () => void): void {
    this.#output ??= this.#openAgain();
    this.#waiting++;
    const output = this.#output;
    const startBytes = output?.givenBytes ?? 0;
    const batch = output?.isMidLine ? `\n${text}` : text;
    const done = (error?: Error | null): void => {
      if (error) {
        // told before the stream's own event
        this.#giveUp(output);
        const written = (output?.writtenBytes() ?? 0) - startBytes;
        this.#dropped(linesLost(batch, lines, written), error.message);
      } else if (this.#isFailing) this.#works();
      onDone();
      if (--this.#waiting === 0) this.#onEmpty?.();
    };
    if (output === undefined) return done(new Error('not open'));
    output.isMidLine = false;
    output.givenBytes += batch.length;
    output.stream.write(batch, 'latin1', done);
  }

  /**
   * Opens the file again under its name, after it was moved; what was taken before goes to where it was. False where
   * there is no file that could have been.
   */
  reopen(): boolean {
    if (this.#parts.file === '-' || this.#isClosed) return false;
    this.#output?.stream.end();
    this.#output = this.#openAgain();
    return true;
  }

  /** Resolves once everything is written; drops what takes too long. */
  async close(): Promise<void> {
    this.#isClosed = true;
    let timer: Timer | undefined;
    const isLate = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(CLOSE_MS, resolve);
    });
    await Promise.race([this.#empty(), isLate]);
    timer?.cancel();
    const cause = this.#waiting > 0 ? new Error('nobody takes it') : undefined;
    for (const stream of this.#streams) stream.destroy(cause);
    await this.#empty();
  }

  #empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#waiting === 0) resolve();
    });
  }

  #openAgain(): Output | undefined {
    try {
      return this.#open();
    } catch (error) {
      this.#failed(messageOf(error));
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
      this.#giveUp(output);
      this.#failed(error.message);
    });
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    return output;
  }

  /** What comes next is tried with another. */
  #giveUp(output: Output | undefined): void {
    this.#isCut = true;
    if (this.#output === output) this.#output = undefined;
  }

  #dropped(lines: number, cause: string): void {
    this.#missing += lines;
    this.#parts.onDropped(lines);
    this.#failed(cause);
  }

  #works(): void {
    this.#parts.log.warn({ lines: this.#missing }, 'access log is written again; lines are missing from it');
    this.#isFailing = false;
    this.#missing = 0;
  }

  /** What waited is lost, and what comes next is tried again with the file opened anew. */
  #failed(cause: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#parts.log.error({ cause }, 'access log cannot be written; lines are dropped');
  }
}

/** How many of a batch's lines are not whole in the file, where so many of its bytes are. */
function linesLost(batch: string, lines: number, bytes: number): number {
  if (bytes <= 0) return lines;
  const whole = batch.slice(0, bytes).split('\n').length - 1;
  return lines - Math.min(lines, batch.startsWith('\n') ? whole - 1 : whole);
}

/** Opens for writing at the end. A named pipe that nobody reads is an error, not a wait for ever. */
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
    // a socket, or another system
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

/** True where the last byte of a file is no line end: a write to it was cut short, by us or by an earlier process. */
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
    // may be written and not read
    return false;
  }
}
