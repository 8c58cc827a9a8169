/**
 * Where the lines of all data threads end up: standard output or a file, written in the order in which they come.
 * Must not hold: lines (`line.ts`), threads. Runs on the main thread.
 * Invariants: every batch that was taken is answered once, written or dropped, so that no thread waits for ever; a
 * write that fails costs the lines that were waiting for it, never the balancer; no write blocks, since one that does
 * keeps a process from ending.
 */
import { closeSync, constants, createWriteStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Clock, Timer } from '../clock.ts';
import { BalancerError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface AccessSinkParts {
  /** A path, or `-` for standard output. */
  readonly file: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** So many lines could not be written. */
  readonly onDropped: (lines: number) => void;
}

const STDOUT = 1;
/** Standard output opened once more: how it is used here is nothing to whoever else has it. Linux alone has it. */
const STDOUT_FILE = '/proc/self/fd/1';
const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
/** Requests are nobody's business. */
const FILE_MODE = 0o640;
/** How long the lines that are left may take when the balancer ends. */
const CLOSE_MS = 2000;

export class AccessSink {
  readonly #parts: AccessSinkParts;
  #stream: Writable | undefined;
  /** It, and those before it that have something left to write. */
  readonly #streams = new Set<Writable>();
  #isFailing = false;
  /** Batches that are not written yet. */
  #waiting = 0;
  #onEmpty: (() => void) | undefined;

  /** Throws BalancerError `log-unwritable` where the file cannot be written. */
  constructor(parts: AccessSinkParts) {
    this.#parts = parts;
    try {
      this.#stream = this.#open();
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
    this.#stream ??= this.#openAgain();
    this.#waiting++;
    const done = (error?: Error | null): void => {
      if (error) this.#dropped(lines, error.message);
      else this.#isFailing = false;
      onDone();
      if (--this.#waiting === 0) this.#onEmpty?.();
    };
    if (this.#stream === undefined) done(new Error('not open'));
    else this.#stream.write(text, 'latin1', done);
  }

  /** Opens the file again under its name, after it was moved; what was taken before goes to where it was. */
  reopen(): void {
    this.#stream?.end();
    this.#stream = this.#openAgain();
  }

  /** Resolves once everything is written; drops what takes too long. */
  async close(): Promise<void> {
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

  #openAgain(): Writable | undefined {
    try {
      return this.#open();
    } catch (error) {
      this.#failed(messageOf(error));
      return undefined;
    }
  }

  #open(): Writable {
    const { file } = this.#parts;
    const stream = file === '-' ? openStdout() : openFile(file, O_CREAT);
    stream.on('error', (error) => {
      if (this.#stream === stream) this.#stream = undefined;
      this.#failed(error.message);
    });
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    return stream;
  }

  #dropped(lines: number, cause: string): void {
    this.#parts.onDropped(lines);
    this.#failed(cause);
  }

  /** What waited is lost, and what comes next is tried again with the file opened anew. */
  #failed(cause: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#parts.log.error({ cause }, 'access log cannot be written; lines are dropped');
  }
}

/** Opens for writing at the end. A named pipe that nobody reads is an error, not a wait for ever. */
function openFile(path: string, flags: number): Writable {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_NONBLOCK | flags, FILE_MODE);
  try {
    if (fstatSync(fd).isFIFO()) return new Socket({ fd, readable: false, writable: true });
    return createWriteStream('', { fd });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openStdout(): Writable {
  try {
    return openFile(STDOUT_FILE, 0);
  } catch {
    // a socket, or another system
    return createWriteStream('', { fd: STDOUT, autoClose: false });
  }
}
