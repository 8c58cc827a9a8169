/** The commands that change the fleet: `ringlb add`, `rm`, `scale`, `drain` and `undrain`. */
import type { Move, Preview, ReplicaList } from '../api/types.ts';
import { quote } from '../config/suggest.ts';
import type { Call, Command } from './command.ts';
import { type Column, counted, type Output, percent, table } from './output.ts';
import { type CommandOption, EXIT, type ExitStatus, wrongUsage } from './usage.ts';

const DRY_RUN: Readonly<Record<string, CommandOption>> = {
  'dry-run': { type: 'boolean', help: 'shows what would happen, without changing anything' },
};

export const ADD: Command = {
  name: 'add',
  operands: 'N|NAME...',
  summary: 'adds N replicas, or one for each name; returns once they are healthy',
  help: ['A number in front of names asks for more replicas than are named: ringlb add 3 web_a'],
  options: DRY_RUN,
  run: (call) => change(call, 'POST', '/add', bodyOf(call.words)),
};

export const RM: Command = {
  name: 'rm',
  operands: 'N|NAME...',
  summary: 'removes N replicas, or those named; they drain in the background',
  help: ['Beyond those named, the replicas with the fewest requests in flight are removed.'],
  options: DRY_RUN,
  run: (call) => change(call, 'DELETE', '/rm', bodyOf(call.words)),
};

export const SCALE: Command = {
  name: 'scale',
  operands: 'N',
  summary: 'scales the fleet to N replicas; returns once new ones are healthy',
  help: ['Repeating it changes nothing. Replicas are removed as by ringlb rm N.'],
  options: DRY_RUN,
  run: (call) => change(call, 'PUT', '/scale', { n: countIn(call.words) }),
};

async function change(call: Call, method: string, path: string, body: object): Promise<ExitStatus> {
  const { admin, output } = call;
  const isDry = call.has('dry-run');
  const message = await admin.requestMessage(method, isDry ? `${path}?dry-run` : path, { body });
  if (output.isJson) output.json(message);
  else if (isDry) showPreview(output, message as Preview);
  else showList(output, message as ReplicaList);
  return EXIT.done;
}

function showList(output: Output, { N, replicas }: ReplicaList): void {
  output.line(N === 0 ? 'no replicas' : `${counted(N, 'replica')}: ${replicas.join(' ')}`);
}

/** `3`, `web_a web_b` or `3 web_a`; the balancer validates the names. */
function bodyOf(words: readonly string[]): { readonly n: number; readonly hostnames: readonly string[] } {
  const [first = ''] = words;
  if (words.length === 0) wrongUsage('say how many, or which: N|NAME...');
  if (/^[+-]?[\d.,]*\d(e\d+)?$/i.test(first) && !/^\d{1,9}$/.test(first))
    wrongUsage(`the number must be a whole one below 10^9, not ${quote(first)}`);
  if (!/^\d{1,9}$/.test(first)) return { n: words.length, hostnames: words };
  const n = Number(first);
  if (n === 0) wrongUsage('the number must be 1 or more, not 0');
  return { n, hostnames: words.slice(1) };
}

/** The single operand of `scale`. */
function countIn(words: readonly string[]): number {
  const [word = '', ...more] = words;
  if (words.length === 0) wrongUsage('say how many: N');
  if (more.length > 0 || !/^\d{1,9}$/.test(word))
    wrongUsage(`scale takes one whole number, not ${quote(words.join(' '))}`);
  const n = Number(word);
  if (n === 0) wrongUsage('the number must be 1 or more, not 0');
  return n;
}

function showPreview(output: Output, { N, added, removed, moved, moves, inFlight, tunnels }: Preview): void {
  const what = [
    ...(added.length > 0 ? [`add ${added.join(' ')}`] : []),
    ...(removed.length > 0 ? [`remove ${removed.join(' ')}`] : []),
  ];
  if (what.length === 0) return output.line(`would change nothing: there are ${counted(N, 'replica')}`);
  output.line(`would ${what.join(' and ')}, which makes ${counted(N, 'replica')}`);
  output.line(`moves ${percent(moved)} of all keys`);
  if (removed.length > 0)
    output.line(`touches ${counted(inFlight, 'request')} in flight, ${counted(tunnels, 'tunnel')}`);
  if (moves.length === 0) return;
  output.line('');
  const largest = moves.slice(0, MOST_MOVES);
  for (const line of table(MOVES, largest)) output.line(line);
  const rest = moves.slice(MOST_MOVES);
  if (rest.length === 0) return;
  const share = rest.reduce((sum, move) => sum + move.share, 0);
  output.line(`and ${rest.length} smaller ones, ${percent(share)} together`);
}

/** Limits the table: in a large fleet keys move between almost every pair of replicas. */
const MOST_MOVES = 20;

const MOVES: readonly Column<Move>[] = [
  { title: 'FROM', cell: ({ from }) => from ?? '–' },
  { title: 'TO', cell: ({ to }) => to ?? '–' },
  { title: 'OF ALL KEYS', align: 'right', cell: ({ share }) => percent(share) },
];

function draining(name: 'drain' | 'undrain', summary: string, done: string): Command {
  return {
    name,
    operands: 'NAME...',
    summary,
    help: [],
    options: {},
    async run({ words, admin, output }) {
      if (words.length === 0) wrongUsage('say which: NAME...');
      const message = await admin.requestMessage('POST', `/${name}`, { body: { hostnames: words } });
      if (output.isJson) output.json(message);
      else output.line(`${words.join(' ')}: ${done}`);
      return EXIT.done;
    },
  };
}

export const DRAIN = draining(
  'drain',
  'stops sending new requests to replicas, which stay in the fleet',
  'no new requests; ringlb undrain puts an end to it',
);
export const UNDRAIN = draining('undrain', 'sends requests to drained replicas again', 'requests again');
