/**
 * The program: from the command line and environment to a balancer that serves, or to a command for one; signals, exit
 * statuses. Exit statuses: 0 done, 1 could not run or was refused (one sentence says why), 2 wrong options (each is
 * named), 3 a command found no balancer, 130 stopped at once by a second signal.
 */

import { type Invocation, parseInvocation } from '../cli/invocation.ts';
import { CommandError, EXIT } from '../cli/usage.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { assertNever, isBalancerError, messageOf } from '../platform/errors.ts';
import { runUnderInit } from '../platform/init.ts';
import { createLogger, type RootLogger } from '../platform/log.ts';
import { programVersion } from '../platform/version.ts';
import type { App } from './app.ts';

/** A Ctrl-C that npm passes on comes twice, once from the terminal. */
const ECHO_MS = 300;

/** Runs what the command line asks for; gives the exit status, undefined while the balancer serves. */
export async function main(): Promise<number | undefined> {
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
      // a reader such as head has closed the pipe
      process.stdout.on('error', () => process.exit(EXIT.done));
      return invocation.command.run(invocation.call);
    case 'serve':
      return serve(invocation.config);
    default:
      return assertNever(invocation);
  }
}

/** Logs what Node itself would write to stderr, where a write can wait for a reader for ever. */
function logNodeOutput(log: RootLogger): void {
  // a failed write must not end the process
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  if (log.isSilent) return;
  process.on('uncaughtException', (error) => {
    log.error({ cause: error.stack ?? messageOf(error) }, 'uncaught exception, exiting');
    process.exit(1);
  });
  // Node runs with --no-warnings
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', (warning) =>
    log.warn({ cause: warning.stack ?? messageOf(warning) }, 'Node.js warning'),
  );
}

/** Serves until a signal comes; gives 1 where it could not begin. */
async function serve(config: Config): Promise<number | undefined> {
  // the other drivers start no processes
  if (config.driver === 'process') runUnderInit();
  const log = createLogger(config.logLevel);
  logNodeOutput(log);
  let app: App | undefined;
  let hasHungUp = false;
  let signals = 0;
  let isStopping = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  const begin = (exitStatus: number): void => {
    if (app === undefined || isStopping) return;
    isStopping = true;
    void stop(app, log, exitStatus);
  };
  const onSignal = (): void => {
    const nowMs = performance.now();
    const isEcho = nowMs - lastMs < ECHO_MS;
    lastMs = nowMs;
    if (isEcho) return;
    signals++;
    if (signals > 1) process.exit(130);
    begin(EXIT.done);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // what a log rotation sends, and a terminal that closes; never an end
  const onHangUp = (): void => {
    hasHungUp = true;
    if (app === undefined) return;
    if (app.reopenLogs()) log.info({}, 'SIGHUP: access log reopened');
    else log.info({}, 'SIGHUP: nothing to reopen');
  };
  process.on('SIGHUP', onHangUp);
  try {
    // loaded here alone, since the commands start faster without it
    const { startApp } = await import('./app.ts');
    app = await startApp(config, log);
    void app.evicted?.then(({ message }) => {
      log.error({ cause: message }, 'stopping: another balancer has taken over the replicas');
      begin(EXIT.refused);
    });
    // the signals that came while it started
    if (hasHungUp) onHangUp();
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

/** Shuts down and ends the process. */
async function stop(app: App, log: RootLogger, exitStatus: number): Promise<void> {
  try {
    await app.shutDown();
    process.exit(exitStatus);
  } catch (error) {
    log.error({ cause: messageOf(error) }, 'shutdown failed');
    process.exit(1);
  }
}
