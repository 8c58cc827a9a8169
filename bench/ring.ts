/**
 * What placement costs and how well it spreads: `npm run bench`. Lookup, build and change of the table for fleets
 * of 3 to 1,000 replicas, each algorithm beside the rings on npm, with imbalance and moved share beside the times.
 * Must not hold: what is measured and how (`ring/`). Takes under a minute; read it on a machine at rest.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { markdown } from './proxy/table.ts';
import { CONTENDERS } from './ring/contenders.ts';
import { type Figures, KEYS } from './ring/measure.ts';

const SIZES = [3, 10, 100, 1000];
const PROCESS = fileURLToPath(new URL('./ring/contender-process.ts', import.meta.url));

/** The figures of one contender with one size of fleet, measured in a process of its own. */
async function figuresOf(name: string, replicas: number): Promise<Figures> {
  const child = fork(PROCESS, [name, String(replicas)], { execArgv: [...process.execArgv, '--expose-gc'] });
  let figures: Figures | undefined;
  child.on('message', (message) => {
    figures = message as Figures;
  });
  const [status] = await once(child, 'close');
  if (figures === undefined) throw new Error(`${name} with ${replicas} ended with status ${status}`);
  return figures;
}

const number = (digits: number) => (value: number | undefined) =>
  value === undefined
    ? '–'
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value: number) => `${(value * 100).toFixed(2)} %`;

function timeRow(figures: Figures): readonly string[] {
  const ns = number(1);
  const ms = number(2);
  return [
    `${number(0)(figures.replicas)} × ${figures.name}`,
    ns(figures.lookupShortNs),
    ns(figures.lookupNs),
    ns(figures.lookupUuidNs),
    ns(figures.lookupIdNs),
    ns(figures.lookupTextNs),
    ns(figures.lookupNumberNs),
    ms(figures.buildMs),
    ms(figures.changeMs),
    number(0)(figures.tableBytes),
  ];
}

function qualityRow(figures: Figures): readonly string[] {
  return [
    `${number(0)(figures.replicas)} × ${figures.name}`,
    figures.setting,
    number(3)(figures.imbalance),
    percent(figures.moved),
    percent(1 / figures.replicas),
    percent(figures.movedOfOthers),
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
const QUALITY = ['', 'settings', 'max ÷ mean', 'keys moved', '1/N', 'of others'];

const all: Figures[] = [];
for (const replicas of SIZES) {
  for (const { name } of CONTENDERS) {
    process.stderr.write(`${replicas} × ${name}\n`);
    all.push(await figuresOf(name, replicas));
  }
}

console.log(`Node ${process.versions.node} on ${cpus()[0]?.model ?? 'an unknown processor'}; times are medians.

A lookup is hash, slot and owner. The balancer hashes the key of most requests where it lies, in the bytes that were
read; the npm packages take strings. An own id is one made for a request that brings none, with its making. Keys that
come as strings are those of connections that Node's parser has. A change is one replica that goes or comes. The table
is what lookups read; of the npm packages, what the heap grows by.

${markdown([TIMES, ...all.map(timeRow)])}

Of ${number(0)(KEYS)} keys (user-0, user-1…): the largest share of a replica by the mean share, what moves when one replica
goes, what would have to move, and what moves though another replica owned it. With 1,000 replicas chance alone
makes a max ÷ mean of 1.15.

${markdown([QUALITY, ...all.map(qualityRow)])}`);
