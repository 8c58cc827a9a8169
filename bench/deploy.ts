/**
 * `npm run bench:deploy`: what a deploy costs under load, with a good version and with bad ones; exit status 1 where a
 * request is lost with the good one, or a bad one costs more than a thousandth or stays.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import {
  type DeployResults,
  deployTable,
  problemsOf,
  RESULTS_FILE,
  readDeployResults,
} from './deploy/results.ts';
import { type CaseOptions, type CaseResult, runCase, VERSIONS, type Version } from './deploy/run-case.ts';

const HELP = `npm run bench:deploy -- [--rate 1000] [--replicas 3,12] [--only good,slow] [--short] [--save]
  --rate      requests a second, however long responses take
  --replicas  sizes of the fleet, one after the other
  --only      the versions to deploy: ${VERSIONS.join(', ')}; all of them unless said
  --short     a few seconds for each, for a first look
  --save      keeps the results for the documentation (npm run docs), in place of those of the same cases
`;
/** The version that dies does so within the watch. */
const LONG = { watchMs: 4000, beforeMs: 5000, periodMs: 20_000, startTimeoutMs: 5000 } as const;
const SHORT = { watchMs: 1000, beforeMs: 1000, periodMs: 3000, startTimeoutMs: 5000 } as const;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function numbersOf(text: string, what: string): readonly number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.some((number) => !Number.isInteger(number) || number < 1 || number > 10_000))
    throw new Error(`${what} must be whole numbers from 1 to 10000, not ${text}`);
  return numbers;
}

function versionsOf(text: string | undefined): readonly Version[] {
  if (text === undefined) return VERSIONS;
  const chosen = text.split(',').map((name) => VERSIONS.find((version) => version === name.trim()));
  if (chosen.includes(undefined)) throw new Error(`the versions are ${VERSIONS.join(', ')}, not ${text}`);
  return chosen.filter((version) => version !== undefined);
}

async function run(cases: readonly CaseOptions[]): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  for (const one of cases) {
    const result = await runCase(one);
    results.push(result);
    const problems = problemsOf(result);
    const { version, replicas, requests, lost, state, seconds } = result;
    say(`${version} of ${replicas}: ${state} in ${seconds.toFixed(1)} s, ${lost} of ${requests} lost`);
    for (const problem of problems) say(`  FAIL ${problem}`);
    if (problems.length > 0) process.exitCode = 1;
  }
  return results;
}

/** The results, and those that are kept of the other cases. */
function withOthers(results: readonly CaseResult[]): readonly CaseResult[] {
  const others = existsSync(RESULTS_FILE) ? readDeployResults().cases : [];
  const isSame = (one: CaseResult, other: CaseResult): boolean =>
    one.version === other.version && one.replicas === other.replicas;
  const kept = others.filter((other) => !results.some((one) => isSame(one, other)));
  const placeOf = ({ replicas, version }: CaseResult): number =>
    replicas * VERSIONS.length + VERSIONS.indexOf(version);
  return [...kept, ...results].toSorted((a, b) => placeOf(a) - placeOf(b));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '1000' },
      replicas: { type: 'string', default: '3,12' },
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return say(HELP);
  const [rate = 1000] = numbersOf(values.rate, '--rate');
  const times = values.short ? SHORT : LONG;
  const versions = versionsOf(values.only);
  const cases = numbersOf(values.replicas, '--replicas').flatMap((replicas) =>
    versions.map((version): CaseOptions => ({ ...times, version, replicas, batch: 1, rate })),
  );
  const results = await run(cases);
  say(`\n${deployTable(results)}`);
  if (!values.save) return;
  const { model = 'unknown' } = cpus()[0] ?? {};
  const machine = `${model.trim()}, ${cpus().length} cores, Node.js ${process.version}`;
  const date = new Date().toISOString().slice(0, 10);
  const saved: DeployResults = { date, machine, rate, watchMs: times.watchMs, cases: withOthers(results) };
  writeFileSync(RESULTS_FILE, `${JSON.stringify(saved, undefined, 2)}\n`);
}

await main();
