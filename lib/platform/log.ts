/**
 * The log on stderr: one line per state change, JSON where a program reads it, aligned text on a terminal.
 * Must not hold: anything per request. Data threads do not log; they report to the control plane.
 */
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import pino from 'pino';
import { systemClock } from './clock.ts';
import { LineWriter } from './line-writer.ts';
import { nonBlocking } from './standard-output.ts';

const STDERR = 2;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** Fields of a log line; `ms` are milliseconds. */
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
  /** A logger on the same sink whose lines carry `component`. */
  component(name: string): Logger;
}

/** `sinks` is the list of all of a process, since each has a level of its own. */
function wrap(sink: pino.Logger, sinks: pino.Logger[]): Logger {
  sinks.push(sink);
  return {
    debug: (fields, message) => sink.debug(fields, message),
    info: (fields, message) => sink.info(fields, message),
    warn: (fields, message) => sink.warn(fields, message),
    error: (fields, message) => sink.error(fields, message),
    component: (component) => wrap(sink.child({ component }), sinks),
  };
}

/** The logger of a process, which counts lines that stderr did not accept. */
export interface RootLogger extends Logger {
  readonly dropped: number;
  /** True where people read it: lines are text then, and no JSON. */
  readonly isTerminal: boolean;
  /** Writes a line as it is, where the level is that of information or below. */
  print(line: string): void;
  /** True if no line is ever written. */
  readonly isSilent: boolean;
  /** Writes from this level on, also by the loggers of components. */
  setLevel(level: LogLevel): void;
  /** Leaves nothing behind in the process; a line that is written later is not waited for at its exit. */
  close(): void;
}

/** Writes to stderr without ever blocking; what is buffered at exit gets a moment more. */
export function createLogger(level: LogLevel, isTerminal: boolean = isatty(STDERR)): RootLogger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  const format = isTerminal ? prettyFormat() : escaped;
  let note = '';
  const notes = pino({ ...options, level: 'error' }, { write: (line: string) => (note = line) });
  let fd: number | undefined;
  const writer = new LineWriter({
    write(bytes) {
      fd ??= nonBlocking(STDERR);
      return writeSync(fd, bytes);
    },
    clock: systemClock,
    formatNote(lost) {
      notes.error({ component: 'log', lost }, 'log lines were lost: stderr did not accept them');
      return format(note);
    },
    pause: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  });
  const finish = (): void => writer.finish();
  process.on('exit', finish);
  const sink = pino(options, { write: (line: string) => writer.write(format(line)) });
  const sinks: pino.Logger[] = [];
  return {
    ...wrap(sink, sinks),
    isTerminal,
    print(line) {
      if (sink.isLevelEnabled('info')) writer.write(`${line}\n`);
    },
    get isSilent() {
      return sink.level === 'silent';
    },
    get dropped() {
      return writer.dropped;
    },
    setLevel(to) {
      for (const each of sinks) each.level = to;
    },
    close() {
      process.off('exit', finish);
      writer.finish();
    },
  };
}

/** Human-readable lines. Loaded lazily: it costs 20 ms and is needed on a terminal only. */
function prettyFormat(): (line: string) => string {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  const format = pretty.prettyFactory({
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    // fields are JSON
    messageFormat: (fields, key) => String(fields[key]).replace(/\p{Cc}/gu, escapeOf),
  });
  return (line) => escaped(format(line));
}

/** What JSON leaves as it is although it would steer a terminal or its reader, such as marks of the direction of text. */
const UNSEEN = /[\x7f-\x9f\p{Cf}]/gu;

function escaped(line: string): string {
  return line.replace(UNSEEN, escapeOf);
}

/** In the notation of JSON: `\u202e`, two of these for a character beyond the basic plane. */
function escapeOf(char: string): string {
  return char.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
