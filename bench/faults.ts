/**
 * `npm run faults`: what a fault costs. Makes each of a list of faults under traffic and prints what was lost; exit
 * status 1 where a case does not keep to its figures.
 */
import { parseArgs } from 'node:util';
import { CASES, SWARM_CASES } from './faults/cases.ts';
import type { FaultCase, Row } from './faults/fault-case.ts';
import { runCase } from './faults/run-case.ts';
import { markdown } from './proxy/table.ts';

const HELP = `npm run faults -- [--only F1,F7] [--rounds 1] [--short] [--logs DIR] [--list]
  --only    the cases to run, by number; "swarm" is all of many machines, which need a Swarm of three managers; all
            others unless said
  --rounds  how often each is run; what is shown are sums
  --short   a part of the time for each, for a first look
  --logs    a directory that keeps the logs of the balancers, to find out what was lost why
  --list    names the cases, and runs none
`;
const SHORT = 0.3;
const ALL = [...CASES, ...SWARM_CASES];

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function chosen(only: string | undefined): readonly FaultCase[] {
  if (only === undefined) return CASES;
  const ids = only.split(',').flatMap((text) => {
    const id = text.trim().toUpperCase();
    return id === 'SWARM' ? SWARM_CASES.map((each) => each.id) : [id];
  });
  const unknown = ids.filter((id) => !ALL.some((each) => each.id === id));
  if (unknown.length > 0) throw new Error(`no case ${unknown.join(', ')}; --list names them`);
  return ALL.filter(({ id }) => ids.includes(id));
}

function sum(rows: readonly Row[]): Row {
  const total = (read: (row: Row) => number): number => rows.reduce((all, row) => all + read(row), 0);
  return {
    ...rows.at(-1)!,
    gets: total(({ gets }) => gets),
    getsLost: total(({ getsLost }) => getsLost),
    posts: total(({ posts }) => posts),
    postsLost: total(({ postsLost }) => postsLost),
    postsTwice: total(({ postsTwice }) => postsTwice),
    seconds: total(({ seconds }) => seconds),
    note: [...new Set(rows.map(({ note }) => note))].join(' · '),
    problems: rows.flatMap(({ problems }) => problems),
  };
}

function tableOf(rows: readonly Row[]): string {
  const head = ['', 'fault', 'GETs', 'lost', 'POSTs', 'lost', 'twice', 'note', ''];
  const cells = rows.map((row) => [
    row.id,
    row.title,
    ...[row.gets, row.getsLost, row.posts, row.postsLost, row.postsTwice].map(String),
    row.note,
    row.problems.length === 0 ? 'pass' : 'FAIL',
  ]);
  return markdown([head, ...cells]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      short: { type: 'boolean', default: false },
      logs: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return say(HELP);
  if (values.list) return say(ALL.map(({ id, title }) => `${id}  ${title}`).join('\n'));
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20)
    throw new Error('--rounds must be a whole number from 1 to 20');
  const rows: Row[] = [];
  for (const fault of chosen(values.only)) {
    const runs: Row[] = [];
    for (let round = 0; round < rounds; round++)
      runs.push(await runCase(fault, values.short ? SHORT : 1, values.logs));
    const row = sum(runs);
    rows.push(row);
    say(
      `${row.id} ${row.problems.length === 0 ? 'pass' : `FAIL: ${row.problems.join('; ')}`} (${row.seconds} s)`,
    );
  }
  say(`\n${tableOf(rows)}`);
  for (const { id, mayLose } of chosen(values.only)) if (mayLose?.why) say(`${id}: ${mayLose.why}.`);
  if (rows.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  await main();
} catch (error) {
  process.stderr.write(`faults: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
process.exit();
