/**
 * `npm run bench:takeover`: what is lost while balancers take over from each other under load, with and without
 * net.ipv4.tcp_migrate_req; exit status 1 where a request is lost with it, or more than one in ten thousand without. Each
 * run has a network namespace of its own, so it needs root, and changes nothing of the machine.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { markdown } from './proxy/table.ts';
import { problemsOf, rowOf, TITLES } from './takeover/results.ts';
import type { RunOptions, RunResult } from './takeover/run.ts';

const HELP = `npm run bench:takeover -- [--count 20] [--rate 500] [--kept 50] [--only 0|1]
  --count  take-overs in a row
  --rate   new connections a second, each with one request
  --kept   clients that keep their connection
  --only   the run with this value of net.ipv4.tcp_migrate_req alone
`;
const RUN = join(import.meta.dirname, 'takeover/run.ts');
/** A take-over takes a second or two, and more on a busy machine. */
const MOST_MS = 600_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function numberOf(text: string, what: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 10_000)
    throw new Error(`${what} must be a whole number from 1 to 10000, not ${text}`);
  return number;
}

async function run(options: RunOptions): Promise<RunResult> {
  const command = ['--net', process.execPath, RUN, JSON.stringify(options)];
  const { stdout } = await promisify(execFile)('unshare', command, { timeout: MOST_MS });
  return JSON.parse(stdout) as RunResult;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '20' },
      rate: { type: 'string', default: '500' },
      kept: { type: 'string', default: '50' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return say(HELP);
  const sizes = {
    count: numberOf(values.count, '--count'),
    rate: numberOf(values.rate, '--rate'),
    kept: numberOf(values.kept, '--kept'),
  };
  const rows: (readonly string[])[] = [];
  for (const migrate of [false, true]) {
    if (values.only !== undefined && values.only !== (migrate ? '1' : '0')) continue;
    const options = { ...sizes, migrate };
    const result = await run(options);
    rows.push(rowOf(options, result));
    for (const problem of problemsOf(options, result)) {
      say(`FAIL tcp_migrate_req=${migrate ? 1 : 0}: ${problem}`);
      process.exitCode = 1;
    }
  }
  say(markdown([TITLES, ...rows]));
}

await main();
