#!/usr/bin/env node
/**
 * The entry: command line and environment to a balancer that runs, or to a command for one; signals, exit statuses.
 * Exit statuses: 0 done, 1 could not run or was refused (one sentence says why), 2 wrong options (each is named),
 * 3 no balancer answers a command, 130 stopped at once by a second signal. Must not hold: anything that a test would want without a process of its own.
 */
import type { App } from './app.ts';
import { type Invocation, parseInvocation } from './cli/invocation.ts';
import { CommandError, EXIT } from './cli/usage.ts';
import { type Config, ConfigError } from './config.ts';
import { assertNever, isBalancerError, messageOf } from './errors.ts';
import { createLogger } from './log.ts';
import { programVersion } from './version.ts';

/** A Ctrl-C that npm passes on comes twice, once from the terminal. */
const ECHO_MS = 300;

process.exitCode = await main();

async function main(): Promise<number | undefined> {
  try {
    return await run(parseInvocation(process.argv.slice(2), process.env));
  } catch (error) {
    if (error instanceof ConfigError) {
      for (const problem of error.problems) process.stderr.write(`ringlb: ${problem}\n`);
      return EXIT.usage;
    }
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write(`ringlb: ${error.message}\n`);
    return error.exitStatus;
  }
}

async function run(invocation: Invocation): Promise<number | undefined> {
  switch (invocation.kind) {
    case 'help':
      process.stdout.write(invocation.text);
      return EXIT.done;
    case 'version':
      process.stdout.write(`ringlb ${programVersion()}\n`);
      return EXIT.done;
    case 'command':
      // whoever reads only the beginning, such as head, has had enough
      process.stdout.on('error', () => process.exit(EXIT.done));
      return invocation.command.run(invocation.call);
    case 'serve':
      return serve(invocation.config);
    default:
      return assertNever(invocation);
  }
}

/** Serves until a signal comes; gives 1 where it could not begin. */
async function serve(config: Config): Promise<number | undefined> {
  const log = createLogger(config.logLevel);
  let app: App | undefined;
  let signals = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const onSignal = (): void => {
    const nowMs = performance.now();
    const isEcho = nowMs - lastMs < ECHO_MS;
    lastMs = nowMs;
    if (isEcho) return;
    signals++;
    if (signals > 1) process.exit(130);
    void app?.shutDown().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ cause: messageOf(error) }, 'did not stop in order');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    // loaded here alone: the commands do without it, and are asked often
    const { startApp } = await import('./app.ts');
    app = await startApp(config, log);
    const { reopenLogs } = app;
    // what a log rotation sends; without a file it keeps its meaning, the end
    if (config.accessLog !== 'off' && config.accessLogFile !== '-') process.on('SIGHUP', reopenLogs);
    // the signal that came while it started
    if (signals > 0) {
      signals = 0;
      lastMs = Number.NEGATIVE_INFINITY;
      onSignal();
    }
    return undefined;
  } catch (error) {
    if (!isBalancerError(error)) throw error;
    process.stderr.write(`ringlb: ${error.message}\n`);
    process.exit(1);
  }
}
