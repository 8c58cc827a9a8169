/**
 * `npm run analyze`: the study of distribution, scaling, failure and hash functions, on a balancer that runs. Reads
 * the command line, runs the experiments with a progress bar, writes `analysis/`.
 * Exit statuses: 0 done, 1 could not be done (one sentence says why), 2 wrong options, 128 + n ended by signal n.
 * Invariant: whatever ends it, the balancer that it started is gone first.
 */
import { availableParallelism, loadavg } from 'node:os';
import { join, relative } from 'node:path';
import { programVersion } from '../lib/platform/version.ts';
import { type Balancer, openBalancer, ROOT } from './analyze/balancer.ts';
import { HELP, parseOptions, type StudyOptions, UsageError } from './analyze/options.ts';
import { Progress } from './analyze/progress.ts';
import { writeReport } from './analyze/report.ts';
import { type Facts, runAll, weightOf } from './analyze/study.ts';
import { readHost } from './proxy/machine.ts';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

function readOptions(): StudyOptions | undefined {
  try {
    const options = parseOptions(process.argv.slice(2), process.env);
    if (options === undefined) process.stdout.write(HELP);
    return options;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    for (const problem of error.problems) process.stderr.write(`analyze: ${problem}\n`);
    process.exitCode = 2;
    return undefined;
  }
}

/** A balancer of a run: opened at the first call, closed once. */
class Opened {
  readonly #options: StudyOptions;
  readonly #more: readonly string[];
  #balancer: Promise<Balancer> | undefined;

  /** `more` are arguments of the balancer, where it is the study's own. */
  constructor(options: StudyOptions, more: readonly string[] = []) {
    this.#options = options;
    this.#more = more;
  }

  get(): Promise<Balancer> {
    this.#balancer ??= openBalancer(this.#options, undefined, this.#more);
    return this.#balancer;
  }

  async close(): Promise<void> {
    // one that could not be opened has left nothing
    await this.#balancer?.then((balancer) => balancer.close()).catch(() => {});
  }
}

/** Ends the run at a signal, in order at the first one. */
function onSignals(stop: () => Promise<void>): void {
  let isStopping = false;
  for (const [signal, status] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      // a Ctrl-C that npm passes on comes twice; the balancer goes with us in any case
      if (isStopping) return;
      isStopping = true;
      void stop().then(() => process.exit(status));
    });
  }
}

function factsOf(options: StudyOptions, startMs: number, loadBefore: number): Facts {
  const { only, driver, requests, concurrency, seed, seeds, url } = options;
  return {
    date: new Date().toISOString().slice(0, 10),
    seconds: (performance.now() - startMs) / 1000,
    host: readHost(process.version, availableParallelism()),
    loadBefore,
    options: { only, driver, requests, concurrency, seed, seeds, url: url?.origin ?? null },
    version: programVersion(),
  };
}

async function main(options: StudyOptions): Promise<void> {
  const startMs = performance.now();
  const loadBefore = loadavg()[0]!;
  const progress = new Progress(weightOf(options.only), process.stderr);
  const bounded = new Opened(options);
  const unbounded = new Opened(options, ['--load-factor', '0']);
  const close = async () => {
    await Promise.all([bounded.close(), unbounded.close()]);
  };
  onSignals(async () => {
    progress.end();
    await close();
  });
  try {
    const results = await runAll(
      {
        options,
        balancer: () => bounded.get(),
        unbounded: async () => (options.url === undefined ? unbounded.get() : undefined),
      },
      progress,
    );
    progress.end();
    const written = writeReport(join(ROOT, 'analysis'), factsOf(options, startMs, loadBefore), results);
    for (const file of written) process.stdout.write(`${relative(process.cwd(), file)}\n`);
  } catch (error) {
    progress.end();
    process.stderr.write(`analyze: ${(error as Error).message}\n`);
    process.exitCode = 1;
  } finally {
    await close();
  }
}

const options = readOptions();
if (options !== undefined) await main(options);
