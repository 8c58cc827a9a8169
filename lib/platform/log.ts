/**
 * One line per transition on stderr: JSON where a program reads it, aligned text where a person does.
 * Must not hold: anything per request. The data threads do not log; they report to the control plane.
 */
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import pino from 'pino';
import { systemClock } from './clock.ts';
import { LineWriter } from './line-writer.ts';
import { unblocked } from './standard-output.ts';

const STDERR = 2;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** What a line may carry beside its message; `ms` are milliseconds. */
export interface LogFields {
  readonly replica?: string;
  readonly from?: string;
  readonly to?: string;
  readonly cause?: string;
  readonly ms?: number;
  readonly [more: string]: unknown;
}

export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** The same sink, every line marked with `component`. */
  component(name: string): Logger;
}

function wrap(sink: pino.Logger): Logger {
  return {
    debug: (fields, message) => sink.debug(fields, message),
    info: (fields, message) => sink.info(fields, message),
    warn: (fields, message) => sink.warn(fields, message),
    error: (fields, message) => sink.error(fields, message),
    component: (component) => wrap(sink.child({ component })),
  };
}

/** The logger of a process, which knows of the lines that its sink did not take. */
export interface RootLogger extends Logger {
  readonly dropped: number;
  /** True where no line is ever written. */
  readonly isSilent: boolean;
}

/** Writes to stderr at once and never waits for it; what is left at the end of the process gets a moment more. */
export function createLogger(level: LogLevel, isTerminal: boolean = isatty(STDERR)): RootLogger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  if (level === 'silent') return { ...wrap(pino(options, { write() {} })), dropped: 0, isSilent: true };
  const format = isTerminal ? prettyFormat() : (line: string) => line;
  let note = '';
  const notes = pino(options, { write: (line: string) => (note = line) });
  const fd = unblocked(STDERR);
  const writer = new LineWriter({
    write: (bytes) => writeSync(fd, bytes),
    clock: systemClock,
    noteOf(lost) {
      notes.error({ component: 'log', lost }, 'log lines were lost: stderr did not take them');
      return format(note);
    },
    pause: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  });
  process.on('exit', () => writer.finish());
  const sink = pino(options, { write: (line: string) => writer.write(format(line)) });
  return {
    ...wrap(sink),
    isSilent: false,
    get dropped() {
      return writer.dropped;
    },
  };
}

/** Lines as a person reads them. Loaded only where one does: it costs 20 ms and no program ever needs it. */
function prettyFormat(): (line: string) => string {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pretty.prettyFactory({ translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
}

export const silentLogger: RootLogger = createLogger('silent');
