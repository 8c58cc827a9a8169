/**
 * What placement costs and how well it spreads: `npm run bench`. Lookup, build and change of the table for fleets of 3
 * to 1,000 replicas, each algorithm beside the rings on npm, with imbalance and moved share beside the times. Takes
 * two minutes; read it on a machine at rest.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { markdown } from './proxy/table.ts';
import { CONTENDERS } from './ring/contenders.ts';
import { KEYS, type Quality, type Times } from './ring/measure.ts';
import { OVERFLOWS, type PickTimes } from './ring/picks.ts';

const SIZES = [3, 10, 100, 1000];
/** Neighbours on the machine take a core's time, and half of its speed for seconds: the shortest of so many counts. */
const ROUNDS = 3;
const PROCESS = fileURLToPath(new URL('./ring/contender-process.ts', import.meta.url));
const PICK_PROCESS = fileURLToPath(new URL('./ring/pick-process.ts', import.meta.url));
const PICK_SIZES = [10, 100, 1000];

interface Figures {
  readonly name: string;
  readonly replicas: number;
  readonly quality: Quality;
  readonly times: Times;
}

/** What a process of its own measures of one contender with one size of fleet. */
function ask<What>(what: string, name: string, replicas: number): Promise<What> {
  process.stderr.write(`${what} of ${replicas} × ${name}\n`);
  return resultOf(PROCESS, [name, String(replicas), what]);
}

/** The one message that a process sends. */
async function resultOf<What>(file: string, args: readonly string[]): Promise<What> {
  const child = fork(file, args, { execArgv: [...process.execArgv, '--expose-gc'] });
  let answer: What | undefined;
  child.on('message', (message) => {
    answer = message as What;
  });
  const [status] = await once(child, 'close');
  if (answer === undefined) throw new Error(`${args.join(' ')} ended with status ${status}`);
  return answer;
}

/** The shorter of each two times. */
function shorter(one: Times, other: Times): Times {
  const pairs = Object.entries(one).map(([name, time]) => {
    const otherTime = other[name as keyof Times];
    return [name, time === undefined || otherTime === undefined ? undefined : Math.min(time, otherTime)];
  });
  return Object.fromEntries(pairs) as Times;
}

const number = (digits: number) => (value: number | undefined) =>
  value === undefined
    ? '–'
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value: number) => `${(value * 100).toFixed(2)} %`;

function timeRow(figures: Figures): readonly string[] {
  const ns = number(1);
  const ms = number(2);
  const { times, quality } = figures;
  return [
    `${number(0)(figures.replicas)} × ${figures.name}`,
    ...[times.shortNs, times.mediumNs, times.uuidNs, times.idNs, times.textNs, times.numberNs].map(ns),
    ...[times.buildMs, times.changeMs].map(ms),
    number(0)(quality.tableBytes),
  ];
}

function qualityRow({ name, replicas, quality }: Figures): readonly string[] {
  return [
    `${number(0)(replicas)} × ${name}`,
    quality.setting,
    number(3)(quality.imbalance),
    percent(quality.moved),
    percent(1 / replicas),
    percent(quality.movedOfOthers),
  ];
}

const TIMES = [
  '',
  '6 bytes ns',
  '10 bytes ns',
  '36 bytes ns',
  'own id ns',
  'string of 10 ns',
  'number ns',
  'build ms',
  'change ms',
  'table bytes',
];
/** Pick times of a fleet of this size, each the shortest of the rounds. */
async function picksOf(replicas: number): Promise<readonly number[]> {
  process.stderr.write(`picks of ${replicas}\n`);
  const rounds: (readonly number[])[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const times = await resultOf<PickTimes>(PICK_PROCESS, [String(replicas)]);
    rounds.push([...times.byOverflow, times.p2cNs, times.unevenP2cNs, times.leastNs]);
  }
  return rounds[0]!.map((_, at) => Math.min(...rounds.map((times) => times[at]!)));
}

const QUALITY = ['', 'settings', 'max ÷ mean', 'keys moved', '1/N', 'of others'];

const pairs = SIZES.flatMap((replicas) => CONTENDERS.map(({ name }) => ({ name, replicas })));
const all: Figures[] = [];
for (const { name, replicas } of pairs) {
  const quality = await ask<Quality>('quality', name, replicas);
  all.push({ name, replicas, quality, times: await ask<Times>('times', name, replicas) });
}
for (let round = 1; round < ROUNDS; round++) {
  for (const [at, figures] of all.entries()) {
    const times = await ask<Times>('times', figures.name, figures.replicas);
    all[at] = { ...figures, times: shorter(figures.times, times) };
  }
}

const picks: string[][] = [];
for (const replicas of PICK_SIZES)
  picks.push([`${number(0)(replicas)} replicas`, ...(await picksOf(replicas)).map(number(0))]);

console.log(`Node ${process.versions.node} on ${cpus()[0]?.model ?? 'an unknown processor'}.
Times are medians, and of ${ROUNDS} rounds the shortest.

A lookup is hash, slot and owner. The balancer hashes the key of most requests where it lies, in the bytes that were
read; the npm packages take strings. An own id is one made for a request that brings none, with its making. Keys that
come as strings are those of connections that Node's parser has. A change is one replica that goes or comes. The table
is what lookups read; of the npm packages, what the heap grows by.

${markdown([TIMES, ...all.map(timeRow)])}

Of ${number(0)(KEYS)} keys (user-0, user-1…): the largest share of a replica by the mean share, what moves when one replica
goes, what would have to move, and what moves though another replica owned it. With 1,000 replicas chance alone
makes a max ÷ mean of 1.15.

${markdown([QUALITY, ...all.map(qualityRow)])}

A pick in ns, the shortest of many, from the hash to the replica that gets the request, where the owners of this share
of the requests are at their load bound; and by load, for requests without a key.

${markdown([['', ...OVERFLOWS.map((share) => `${share * 100} % overflow`), 'p2c', 'p2c, uneven', 'least'], ...picks])}`);
