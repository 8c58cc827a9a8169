/**
 * The entry: command line and environment to a balancer that runs, signals, exit statuses.
 * Exit statuses: 0 done, 1 could not run (one sentence says why), 2 wrong options (each is named), 130 stopped at
 * once by a second signal. Must not hold: anything that a test would want without a process of its own.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { type App, startApp } from './app.ts';
import { type Command, type Config, ConfigError, parseCommandLine } from './config.ts';
import { isBalancerError, messageOf } from './errors.ts';
import { createLogger } from './log.ts';

const HEALTH_TIMEOUT_MS = 3000;
/** A Ctrl-C that npm passes on comes twice, once from the terminal. */
const ECHO_MS = 300;

process.exitCode = await main();

async function main(): Promise<number | undefined> {
  const command = readCommand();
  switch (command?.kind) {
    case undefined:
      return 2;
    case 'help':
      process.stdout.write(`${command.text}\n`);
      return 0;
    case 'version':
      process.stdout.write(`ringlb ${version()}\n`);
      return 0;
    case 'health':
      return health(command.config);
    case 'serve':
      return serve(command.config);
  }
}

function readCommand(): Command | undefined {
  try {
    return parseCommandLine(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`ringlb: ${problem}\n`);
    return undefined;
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
    app = await startApp(config, log);
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

/** Asks a balancer on this machine whether it can serve: 0 where it can, 1 where not, with its reason. */
function health(config: Config): Promise<number> {
  const host = ['', '0.0.0.0', '::'].includes(config.adminHost) ? '127.0.0.1' : config.adminHost;
  return new Promise((resolve) => {
    const say = (status: number, text: string): void => {
      process.stdout.write(`${text}\n`);
      resolve(status);
    };
    const asked = request(
      { host, port: config.adminPort, path: '/readyz', timeout: HEALTH_TIMEOUT_MS },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => say(response.statusCode === 200 ? 0 : 1, body));
      },
    );
    asked.on('timeout', () => asked.destroy(new Error(`no answer in ${HEALTH_TIMEOUT_MS} ms`)));
    asked.on('error', (error) =>
      say(1, `no balancer answers on ${host}:${config.adminPort}: ${messageOf(error)}`),
    );
    asked.end();
  });
}

/** From package.json, which lies above the sources and above the compiled tree alike. */
function version(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        version: string;
      };
      return version;
    } catch {
      // the other one, then
    }
  }
  return 'of unknown version';
}
