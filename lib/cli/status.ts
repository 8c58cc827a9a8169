/** `ringlb status` and `ringlb health`: the state of the balancer and of its replicas. */
import type { ScaleView } from '../api/scale.ts';
import type { ReplicasView, ReplicaView, RingView } from '../api/types.ts';
import { duration as parseDuration } from '../config/parsers/value-parsers.ts';
import { quote } from '../config/suggest.ts';
import { type AdminClient, sentenceOf } from './admin-client.ts';
import type { Call, Command } from './command.ts';
import { scaleLine } from './fleet/scale.ts';
import {
  type Colour,
  type Column,
  counted,
  duration,
  type Output,
  percent,
  printable,
  table,
  wrapped,
} from './output.ts';
import { sleepReferenced } from './sleep.ts';
import { CommandError, EXIT, type ExitStatus, wrongUsage } from './usage.ts';

/** Less than the timeout of the image's HEALTHCHECK. */
const HEALTH_TIMEOUT_MS = 2500;

const COLOURS: Readonly<Partial<Record<string, Colour>>> = {
  healthy: 'green',
  unhealthy: 'red',
  starting: 'yellow',
  draining: 'magenta',
  drained: 'magenta',
};

/** A state, in its colour. */
export function painted(output: Output, state: string): string {
  const colour = COLOURS[state];
  return colour === undefined ? state : output.paint(colour, state);
}

/** What a long name is cut to where others would be left out for it. */
const LEAST_REPLICA = 16;

/** Default of --interval. */
const INTERVAL = '2s';

export const STATUS: Command = {
  name: 'status',
  operands: '',
  summary: 'shows the balancer and its replicas',
  help: [
    'IN FLIGHT counts requests, SHARE is the share of all keys, PROBES are passed/failed.',
    'In a narrow terminal less important columns are left out; with --watch in a low one replicas are,',
    'healthy ones first. With --watch and --json each is a line.',
  ],
  options: {
    watch: { type: 'boolean', short: 'w', help: 'shows it again and again, until Ctrl-C' },
    interval: { type: 'string', unit: 'duration', help: `time between two looks; ${INTERVAL} if not given` },
  },
  async run(call) {
    const intervalMs = intervalOf(call);
    if (call.has('watch')) return watch(call, intervalMs);
    const { admin, output } = call;
    const look = await lookAt(admin);
    if (output.isJson) output.json(jsonOf(look));
    else for (const line of linesOf(output, look, Number.POSITIVE_INFINITY)) output.line(line);
    return EXIT.done;
  },
};

function intervalOf(call: Call): number {
  const text = call.value('interval');
  if (text !== undefined && !call.has('watch')) wrongUsage('--interval goes with --watch');
  const read = parseDuration('above zero').read(text ?? INTERVAL);
  return 'value' in read ? read.value : wrongUsage(`--interval ${read.problem}, not ${quote(text ?? '')}`);
}

interface Look {
  readonly isReady: boolean;
  readonly reason: string;
  readonly replicas: ReplicasView;
  readonly ring: RingView;
  readonly scale: ScaleView;
}

async function lookAt(admin: AdminClient): Promise<Look> {
  const [ready, replicas, ring, scale] = await Promise.all([
    admin.request('GET', '/readyz'),
    admin.requestMessage('GET', '/replicas') as Promise<ReplicasView>,
    admin.requestMessage('GET', '/ring') as Promise<RingView>,
    admin.requestMessage('GET', '/scale') as Promise<ScaleView>,
  ]);
  return { isReady: ready.status === 200, reason: sentenceOf(ready.message), replicas, ring, scale };
}

/** Shows it until the process ends; throws if the balancer refuses, or is unreachable at the beginning. */
async function watch({ admin, output }: Call, intervalMs: number): Promise<never> {
  let look: Look | undefined;
  let lost = '';
  output.onResize(() => {
    if (look === undefined || output.isJson) return;
    output.replace(linesOf(output, look, output.rows));
    if (lost !== '') output.note(lost);
  });
  for (;;) {
    try {
      look = await lookAt(admin);
      lost = '';
      if (output.isJson) output.json(jsonOf(look), 'line');
      else output.replace(linesOf(output, look, output.rows));
    } catch (error) {
      const isAway = error instanceof CommandError && error.exitStatus === EXIT.unreachable;
      if (look === undefined || !isAway) throw error;
      if (lost === '') output.note(error.message);
      lost = error.message;
    }
    await sleepReferenced(intervalMs);
  }
}

function jsonOf({ isReady, reason, replicas, ring, scale }: Look): object {
  return { ready: isReady, reason, ...replicas, ring, scale };
}

/** As text of at most so many lines. */
function linesOf(output: Output, look: Look, rows: number): readonly string[] {
  const { isReady, reason, replicas, ring, scale } = look;
  const word = isReady ? output.paint('green', 'ready') : output.paint('red', 'not ready');
  const head = [
    `${word}: ${reason}`,
    ringLine(ring),
    ...peerLines(ring),
    ...(scale.state === 'off' ? [] : [scaleLine(scale)]),
  ].flatMap((text) => wrapped(text, output.columns));
  if (replicas.N === 0) return head;
  const lines = [...head, '', ...replicaLines(output, replicas.replicas, rows - head.length - 1)];
  return lines.slice(0, rows);
}

/** Where there are more than lines, those that are not healthy come first, and a line says how many are left out. */
function replicaLines(output: Output, replicas: readonly ReplicaView[], rows: number): readonly string[] {
  const shown = columns(output, replicas);
  if (replicas.length + 1 <= rows) return table(shown, replicas, output.columns);
  const isHealthy = (replica: ReplicaView): boolean => stateOf(replica) === 'healthy';
  const sorted = replicas.toSorted((one, other) => Number(isHealthy(one)) - Number(isHealthy(other)));
  const room = Math.max(0, rows - 2);
  const rest = sorted.slice(room);
  const more = `and ${rest.length} more${rest.every(isHealthy) ? ', all healthy' : ''}`;
  return [...table(shown, sorted.slice(0, room), output.columns), more];
}

function ringLine({ algorithm, slots, vnodes, version, hash, imbalance }: RingView): string {
  const points = vnodes > 0 ? ` (${counted(vnodes, 'virtual node')} a replica)` : '';
  return `${algorithm}${points}, ${counted(slots, 'slot')}, table ${version} ${hash}, imbalance ${imbalance.toFixed(2)}`;
}

/** The balancers that share the pool; nothing where it has one owner. */
function peerLines({ peers = [], hash }: RingView): readonly string[] {
  if (peers.length === 0) return [];
  const lines = peers.map(({ id, title, tableHash, isSelf }) => {
    const table = tableHash === hash ? 'the same table' : `table ${tableHash || 'not known yet'}`;
    return `  ${id} ${printable(title)}: ${isSelf ? 'this one' : table}`;
  });
  return [`${counted(peers.length, 'balancer')} of the pool:`, ...lines];
}

function columns(output: Output, replicas: readonly ReplicaView[]): readonly Column<ReplicaView>[] {
  // weights that are all the same say nothing, but for zeros: then nobody gets requests
  const hasWeights = replicas.some(({ weight }) => weight === 0 || weight !== replicas[0]!.weight);
  const weights: Column<ReplicaView> = {
    title: 'WEIGHT',
    align: 'right',
    cell: ({ weight }) => String(weight),
    drop: 1,
  };
  return [
    { title: 'REPLICA', cell: ({ name }) => name, least: LEAST_REPLICA },
    { title: 'STATE', cell: (replica) => painted(output, stateOf(replica)) },
    { title: 'FOR', align: 'right', cell: ({ sinceMs }) => duration(sinceMs), drop: 3 },
    { title: 'IN FLIGHT', align: 'right', cell: ({ inFlight }) => String(inFlight), drop: 2 },
    ...(hasWeights ? [weights] : []),
    { title: 'SHARE', align: 'right', cell: ({ share }) => percent(share), drop: 1 },
    { title: 'PROBES', align: 'right', cell: ({ probes }) => `${probes.passed}/${probes.failed}`, drop: 5 },
    { title: 'RESTARTS', align: 'right', cell: ({ restarts }) => String(restarts), drop: 4 },
    { title: 'ENDPOINT', cell: ({ endpoint }) => printable(endpoint ?? ''), drop: 6 },
    { title: 'WHY', cell: whyOf, isFlexible: true },
  ];
}

/** A drained replica is still healthy, but the drain is what matters. */
function stateOf({ state, draining }: ReplicaView): string {
  return state === 'healthy' && draining ? 'drained' : state;
}

function whyOf({ state, cause, nextStartInMs }: ReplicaView): string {
  if (nextStartInMs !== null) return `${printable(cause ?? '')}; starts again in ${duration(nextStartInMs)}`;
  return state === 'healthy' ? '' : printable(cause ?? '');
}

export const HEALTH: Command = {
  name: 'health',
  operands: '',
  summary: 'exits 0 if the balancer is ready, 1 if not or none responds',
  help: ['It needs no token, and suits a HEALTHCHECK.'],
  options: {},
  async run({ admin, output }: Call): Promise<ExitStatus> {
    const { isReady, reason } = await readinessOf(admin);
    if (output.isJson) output.json({ ready: isReady, reason }, 'line');
    else output.line(reason);
    return isReady ? EXIT.done : EXIT.refused;
  },
};

/** An unreachable balancer counts as not ready: a HEALTHCHECK knows only 0 and 1. */
async function readinessOf(
  admin: AdminClient,
): Promise<{ readonly isReady: boolean; readonly reason: string }> {
  try {
    const { status, message } = await admin.request('GET', '/readyz', { timeoutMs: HEALTH_TIMEOUT_MS });
    return { isReady: status === 200, reason: sentenceOf(message) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { isReady: false, reason: error.message };
  }
}
