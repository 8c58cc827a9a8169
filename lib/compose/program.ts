/**
 * The program: from the command line and environment to a balancer that serves, or to a command for one; signals, exit
 * statuses. Exit statuses: 0 done, 1 could not run or was refused (one sentence says why), 2 wrong options (each is
 * named), 3 a command found no balancer, 130 stopped at once by a second signal.
 */

import { runCommand } from '../cli/command.ts';
import { type Invocation, parseInvocation } from '../cli/invocation.ts';
import { CommandError, EXIT } from '../cli/usage.ts';
import { ConfigError } from '../config/config.ts';
import { assertNever, isBalancerError, messageOf } from '../platform/errors.ts';
import { runUnderInit } from '../platform/init.ts';
import { createLogger, type RootLogger } from '../platform/log.ts';
import { ServiceManager } from '../platform/service-manager.ts';
import { programVersion } from '../platform/version.ts';
import type { StartOptions } from './app.ts';
import { hasPassedSockets, takePassedSockets } from './ports/passed-sockets.ts';
import { Signals } from './signals.ts';

/** Runs what the command line asks for; gives the exit status, undefined while the balancer serves. */
export async function main(): Promise<number | undefined> {
  try {
    return await run(parseInvocation(process.argv.slice(2), process.env, process.stdout.columns));
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
  // a reader such as head has closed the pipe
  if (invocation.kind !== 'serve') process.stdout.on('error', () => process.exit(EXIT.done));
  switch (invocation.kind) {
    case 'help':
      process.stdout.write(invocation.text);
      return EXIT.done;
    case 'version':
      process.stdout.write(`ringlb ${programVersion()}\n`);
      return EXIT.done;
    case 'command':
      return runCommand(invocation.command, invocation.call);
    case 'serve':
      return serve(invocation);
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
async function serve(start: StartOptions): Promise<number | undefined> {
  const { config } = start.settings;
  // the other drivers start no processes; sockets are passed to this process alone
  if (config.driver === 'process' && !hasPassedSockets(process.env)) runUnderInit();
  const log = createLogger(config.logLevel);
  logNodeOutput(log);
  const systemd = new ServiceManager(process.env, log);
  const signals = new Signals(log, systemd);
  signals.listen();
  try {
    // loaded here alone, since the commands start faster without it
    const { startApp } = await import('./app.ts');
    const app = await startApp({ ...start, sockets: takePassedSockets(process.env) }, log);
    void app.evicted?.then(({ message }) => {
      log.error({ cause: message }, 'stopping: another balancer has taken over the replicas');
      signals.stop(EXIT.refused);
    });
    void app.socketsLost.then(() => {
      log.error({}, 'stopping: only systemd can pass the sockets of the thread that died again');
      signals.stop(EXIT.refused);
    });
    void app.handedOver.then(() => {
      log.info({}, 'stopping: another balancer serves on these ports');
      systemd.release();
      signals.stop(EXIT.done);
    });
    systemd.ready();
    signals.attach(app);
    return undefined;
  } catch (error) {
    if (!isBalancerError(error)) throw error;
    process.stderr.write(`ringlb: ${error.message}\n`);
    process.exit(1);
  }
}
