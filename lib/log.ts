/**
 * One line per transition on stderr: JSON where a program reads it, aligned text where a person does.
 * Must not hold: anything per request. The data threads do not log; they report to the control plane.
 */
import { createRequire } from 'node:module';
import pino from 'pino';

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

/** Writes synchronously to stderr, so that no line is lost when the process ends at once. */
export function createLogger(level: LogLevel, isTerminal: boolean = process.stderr.isTTY === true): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  if (!isTerminal) return wrap(pino(options, pino.destination({ fd: 2, sync: true })));
  // loaded only here: it costs 20 ms and no program ever needs it
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return wrap(
    pino(
      options,
      pretty({
        destination: 2,
        sync: true,
        translateTime: 'SYS:HH:MM:ss.l',
        singleLine: true,
      }),
    ),
  );
}

export const silentLogger: Logger = createLogger('silent', false);
