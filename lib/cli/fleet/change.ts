/** The commands that change the fleet: `ringlb add`, `rm`, `weight`, `drain` and `undrain`. */
import type { Move, Preview, ReplicaList, WeightList } from '../../api/types.ts';
import { quote } from '../../config/suggest.ts';
import { MAX_WEIGHT } from '../../core/replica.ts';
import type { Call, Command } from '../command.ts';
import { type Column, counted, LEAST_NAME, type Output, percent, printable, say, table } from '../output.ts';
import { type CommandOption, EXIT, type ExitStatus, wrongUsage } from '../usage.ts';
import { replicaNames, serverNames } from './operands.ts';

const DRY_RUN: Readonly<Record<string, CommandOption>> = {
  'dry-run': { type: 'boolean', help: 'shows what would happen, without changing anything' },
};

const FORCE: Readonly<Record<string, CommandOption>> = {
  force: { type: 'boolean', help: 'beyond the bounds of autoscaling too, which are moved' },
};

export const ADD: Command = {
  name: 'add',
  operands: 'N|NAME...',
  summary: 'adds N replicas, or one for each name; returns once they are healthy',
  help: ['A number in front of names asks for more replicas than are named: ringlb add 3 web_a'],
  options: { ...DRY_RUN, ...FORCE },
  run: (call) => change(call, 'POST', '/add', bodyOf(call)),
};

export const RM: Command = {
  name: 'rm',
  operands: 'N|NAME...',
  summary: 'removes N replicas, or those named; they drain in the background',
  help: ['Beyond those named, the replicas with the fewest requests in flight are removed.'],
  options: { ...DRY_RUN, ...FORCE },
  run: (call) => change(call, 'DELETE', '/rm', bodyOf(call)),
};

export const WEIGHT: Command = {
  name: 'weight',
  operands: 'NAME=WEIGHT...',
  summary: 'sets weights of replicas: shares of the keys in proportion, 0 for no requests',
  help: ['Weights are whole numbers from 0 to 256. They last until the balancer ends; see --weights.'],
  options: DRY_RUN,
  async run(call) {
    const { admin, output } = call;
    const weights = weightsIn(call.words);
    const isDry = call.has('dry-run');
    const path = isDry ? '/weight?dry-run' : '/weight';
    const message = await admin.requestMessage('POST', path, { body: weights });
    if (output.isJson) output.json(message);
    else if (isDry) {
      say(output, `would give ${pairsOf(weights)}`);
      showMoves(output, message as Preview);
    } else say(output, `weights: ${pairsOf((message as WeightList).weights)}`);
    return EXIT.done;
  },
};

type Weights = Readonly<Record<string, number>>;

function pairsOf(weights: Weights): string {
  return Object.entries(weights)
    .map(([name, weight]) => `${printable(name)}=${weight}`)
    .join(' ');
}

/** `S1=5 S2=1`. */
function weightsIn(words: readonly string[]): Weights {
  if (words.length === 0) wrongUsage('say which, and how much: NAME=WEIGHT...');
  const weights = new Map<string, number>();
  for (const word of words) {
    const [, name = '', weight = ''] = /^([^=]+)=(\d{1,9})$/.exec(word) ?? [];
    if (name === '' || Number(weight) > MAX_WEIGHT)
      wrongUsage(`weight takes NAME=WEIGHT with a whole number from 0 to ${MAX_WEIGHT}, not ${quote(word)}`);
    if (weights.has(name)) wrongUsage(`${quote(name)} has two weights`);
    weights.set(name, Number(weight));
  }
  serverNames([...weights.keys()]);
  return Object.fromEntries(weights);
}

async function change(call: Call, method: string, path: string, body: object): Promise<ExitStatus> {
  const { admin, output } = call;
  const isDry = call.has('dry-run');
  const message = await admin.requestMessage(method, isDry ? `${path}?dry-run` : path, {
    body,
    typed: { n: 'N' },
  });
  if (output.isJson) output.json(message);
  else if (isDry) showPreview(output, message as Preview);
  else showList(output, message as ReplicaList);
  return EXIT.done;
}

export function showList(output: Output, { N, replicas }: ReplicaList): void {
  const list = N === 0 ? 'no replicas' : `${counted(N, 'replica')}: ${replicas.join(' ')}`;
  say(output, list);
}

/** `3`, `web_a web_b` or `3 web_a`, and whether that is forced. */
function bodyOf(call: Call): object {
  return { ...replicasIn(call.words), ...(call.has('force') && { force: true }) };
}

function replicasIn(words: readonly string[]): { readonly n: number; readonly hostnames: readonly string[] } {
  const [first = ''] = words;
  if (words.length === 0) wrongUsage('say how many, or which: N|NAME...');
  if (/^[+-]?[\d.,]*\d(e\d+)?$/i.test(first) && !/^\d{1,9}$/.test(first))
    wrongUsage(`the number must be a whole one below 10^9, not ${quote(first)}`);
  if (!/^\d{1,9}$/.test(first)) return { n: words.length, hostnames: replicaNames(words) };
  const n = Number(first);
  if (n === 0) wrongUsage('the number must be 1 or more, not 0');
  const hostnames = replicaNames(words.slice(1));
  if (hostnames.length > n) wrongUsage(`${counted(hostnames.length, 'name')} for ${counted(n, 'replica')}`);
  return { n, hostnames };
}

export function showPreview(output: Output, preview: Preview): void {
  const { N, added, removed, inFlight, tunnels } = preview;
  const what = [
    ...(added.length > 0 ? [`add ${added.join(' ')}`] : []),
    ...(removed.length > 0 ? [`remove ${removed.join(' ')}`] : []),
  ];
  if (what.length === 0) return say(output, `would change nothing: there are ${counted(N, 'replica')}`);
  say(output, `would ${what.join(' and ')}, which makes ${counted(N, 'replica')}`);
  const touched = `touches ${counted(inFlight, 'request')} in flight, ${counted(tunnels, 'tunnel')}`;
  showMoves(output, preview, removed.length > 0 ? [touched] : []);
}

/** What share of the keys moves, and from where to where; `notes` are lines between. */
function showMoves(output: Output, { moved, moves }: Preview, notes: readonly string[] = []): void {
  output.line(`moves ${percent(moved)} of all keys`);
  for (const note of notes) say(output, note);
  if (moves.length === 0) return;
  output.line('');
  const largest = moves.slice(0, MOST_MOVES);
  for (const line of table(MOVES, largest, output.columns)) output.line(line);
  const rest = moves.slice(MOST_MOVES);
  if (rest.length === 0) return;
  const share = rest.reduce((sum, move) => sum + move.share, 0);
  output.line(`and ${rest.length} smaller ones, ${percent(share)} together`);
}

/** Limits the table: in a large fleet keys move between almost every pair of replicas. */
const MOST_MOVES = 20;

const MOVES: readonly Column<Move>[] = [
  { title: 'FROM', cell: ({ from }) => from ?? '–', least: LEAST_NAME },
  { title: 'TO', cell: ({ to }) => to ?? '–', least: LEAST_NAME },
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
      const body = { hostnames: serverNames(words) };
      const message = await admin.requestMessage('POST', `/${name}`, { body });
      if (output.isJson) output.json(message);
      else say(output, `${words.join(' ')}: ${done}`);
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
