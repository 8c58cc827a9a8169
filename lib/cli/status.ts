/** `ringlb status` and `ringlb health`: the state of the balancer and of its replicas. */
import type { ReplicasView, ReplicaView, RingView } from '../api/types.ts';
import { type AdminClient, sentenceOf } from './admin-client.ts';
import type { Call, Command } from './command.ts';
import {
  type Colour,
  type Column,
  counted,
  duration,
  type Output,
  percent,
  printable,
  table,
} from './output.ts';
import { CommandError, EXIT, type ExitStatus } from './usage.ts';

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

export const STATUS: Command = {
  name: 'status',
  operands: '',
  summary: 'shows the balancer and its replicas',
  help: ['IN FLIGHT counts requests, SHARE is the share of all keys, PROBES are passed/failed.'],
  options: {},
  async run({ admin, output }) {
    const [ready, replicas, ring] = await Promise.all([
      admin.request('GET', '/readyz'),
      admin.requestMessage('GET', '/replicas') as Promise<ReplicasView>,
      admin.requestMessage('GET', '/ring') as Promise<RingView>,
    ]);
    const isReady = ready.status === 200;
    const reason = sentenceOf(ready.message);
    if (output.isJson) {
      output.json({ ready: isReady, reason, ...replicas, ring });
      return EXIT.done;
    }
    const word = isReady ? output.paint('green', 'ready') : output.paint('red', 'not ready');
    output.line(`${word}: ${reason}`);
    output.line(ringLine(ring));
    output.line('');
    for (const line of table(columns(output), replicas.replicas)) output.line(line);
    return EXIT.done;
  },
};

function ringLine({ algorithm, slots, vnodes, version, imbalance }: RingView): string {
  const points = vnodes > 0 ? ` (${counted(vnodes, 'virtual node')} a replica)` : '';
  return `${algorithm}${points}, ${counted(slots, 'slot')}, table ${version}, imbalance ${imbalance.toFixed(2)}`;
}

function columns(output: Output): readonly Column<ReplicaView>[] {
  return [
    { title: 'REPLICA', cell: ({ name }) => name },
    { title: 'STATE', cell: (replica) => painted(output, stateOf(replica)) },
    { title: 'FOR', align: 'right', cell: ({ sinceMs }) => duration(sinceMs) },
    { title: 'IN FLIGHT', align: 'right', cell: ({ inFlight }) => String(inFlight) },
    { title: 'SHARE', align: 'right', cell: ({ share }) => percent(share) },
    { title: 'PROBES', align: 'right', cell: ({ probes }) => `${probes.passed}/${probes.failed}` },
    { title: 'RESTARTS', align: 'right', cell: ({ restarts }) => String(restarts) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => printable(endpoint ?? '') },
    { title: 'WHY', cell: whyOf },
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
  summary: 'exits 0 if the balancer is ready, 1 if not or none answers',
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
