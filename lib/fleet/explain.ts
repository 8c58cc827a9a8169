/**
 * Where a request goes and why, for an operator: its key, hash and slot, and the replicas from the owner on, by the
 * code of core that the data path uses.
 * Invariants: nothing is counted in flight; all that one response says is of one moment; what a data thread suspects
 * of a replica before the control plane has looked at it is not in it.
 */

import type { ExplainQuestion, ExplainStop, ExplainView } from '../api/types.ts';
import {
  formatSource,
  type HashKeySource,
  hashKeyOf,
  NO_KEY,
  placementKey,
} from '../core/hashing/hash-key.ts';
import { type Explanation, explainPick, explainSticky } from '../core/routing/explain.ts';
import type { PickPolicy } from '../core/routing/pick.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import { takeStickyCookie } from '../core/sticky-cookie.ts';
import { BalancerError } from '../platform/errors.ts';
import type { Registry } from './registry.ts';
import type { Replica } from './replica.ts';

export interface ExplainParts {
  readonly registry: Registry;
  readonly table: RouteTableWriter;
  readonly policy: PickPolicy;
  readonly hashKey: readonly HashKeySource[];
  /** Name of the sticky cookie; '' is off. */
  readonly sticky: string;
  /** What it says for a replica of this name. */
  readonly tokenOf: (name: string) => string;
}

/** Throws `bad-request` where the request has nothing that it could be placed by. */
export function explain(parts: ExplainParts, question: ExplainQuestion): ExplainView {
  const { registry, policy, table } = parts;
  const { algorithm, slots } = policy.placement;
  const snapshot = table.snapshot();
  const { totalWaiting: waiting } = snapshot;
  const cookie = cookieIn(parts, question);
  const byCookie = cookie.replica && explainSticky(snapshot, policy, cookie.replica.ordinal);
  const problem = byCookie === undefined ? cookieProblem(cookie, parts.sticky) : '';
  const { key, source } =
    byCookie === undefined
      ? keyOf(parts.hashKey, question, problem)
      : { key: cookie.token, source: `sticky:${parts.sticky}` };
  const hash = key === '' || byCookie !== undefined ? NO_KEY : hashKeyOf(key, algorithm);
  const found = byCookie ?? explainPick(snapshot, policy, hash);
  const replicas = new Map(registry.members.map((replica) => [replica.ordinal, replica]));
  const nameOf = (ordinal: number | undefined): string | null =>
    (ordinal === undefined ? undefined : replicas.get(ordinal)?.name) ?? null;
  const stops = found.successors.flatMap(({ ordinal, inFlight, bound, verdict }) => {
    const replica = replicas.get(ordinal);
    if (replica === undefined) return [];
    const { name, state, isDraining } = replica;
    return [{ name, state, draining: isDraining, inFlight, bound, cap: policy.maxInFlight, verdict }];
  });
  const speedOf = (name: string): number => snapshot.speed(registry.find(name)!.ordinal);
  return {
    key,
    source: key === '' && policy.balance === 'least' ? 'least' : source,
    hash: hash === NO_KEY ? null : hash,
    hashHex: hash === NO_KEY ? null : hash.toString(16).padStart(8, '0'),
    algorithm,
    slot: found.slot ?? null,
    slots,
    owner: nameOf(found.owner),
    replica: nameOf(found.taker),
    reason: found.reason,
    why: `${problem}${sentence(found, stops, speedOf)}${waiting > 0 ? `; requests that wait already and go first: ${waiting}` : ''}`,
    waiting,
    successors: stops,
  };
}

/** The sticky cookie of a request, and the replica that it names. */
interface Cookie {
  readonly isThere: boolean;
  /** '' where it has none that could be a token. */
  readonly token: string;
  readonly replica: Replica | undefined;
}

function cookieIn({ sticky, tokenOf, registry }: ExplainParts, question: ExplainQuestion): Cookie {
  if (sticky === '' || 'key' in question) return { isThere: false, token: '', replica: undefined };
  const { rawHeaders } = question.facts;
  let lines = '';
  for (let at = 0; at < rawHeaders.length; at += 2) lines += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  const { token, lines: others } = takeStickyCookie(lines, sticky);
  const replica = registry.members.find(({ name }) => token !== '' && tokenOf(name) === token);
  return { isThere: others !== lines, token, replica };
}

/** Why the cookie does not say where the request goes; '' where it has none. */
function cookieProblem({ isThere, token, replica }: Cookie, sticky: string): string {
  if (!isThere) return '';
  if (token === '')
    return `Its cookie ${sticky} counts as none: it comes twice, or has no value that a balancer gives. `;
  if (replica === undefined) return 'Its cookie names no replica. ';
  const { name, state, isDraining } = replica;
  return `Its cookie names ${name}, which ${state === 'healthy' && !isDraining ? 'is full' : `is ${conditionOf({ state, draining: isDraining })}`}. `;
}

/** `problem` goes before what it refuses with. */
function keyOf(
  hashKey: readonly HashKeySource[],
  question: ExplainQuestion,
  problem: string,
): { readonly key: string; readonly source: string } {
  if (hashKey[0]?.kind === 'p2c') return { key: '', source: formatSource(hashKey[0]) };
  if ('key' in question) return { key: question.key, source: 'given' };
  const { facts, requestId = '' } = question;
  const { source, value } = placementKey(hashKey, facts, requestId);
  // every request has an address: without one in the question the next source must not look like the right one
  const at = hashKey.indexOf(source);
  const passedOver = at === -1 ? hashKey : hashKey.slice(0, at);
  if (facts.clientIp === '' && passedOver.some(({ kind }) => kind === 'client-ip'))
    throw new BalancerError(
      'bad-request',
      `${problem}Requests are placed by client-ip here: say which client-ip it has`,
    );
  if (value !== '' || source.kind === 'p2c') return { key: value, source: formatSource(source) };
  const wanted = hashKey.map(formatSource).join(', ');
  throw new BalancerError(
    'bad-request',
    `${problem}Such a request has nothing of ${wanted}, so it is placed by an id made for it alone; add header.x-request-id, or ask for a key`,
  );
}

/** `speedOf` gives percent. */
function sentence(
  { reason }: Explanation,
  stops: readonly ExplainStop[],
  speedOf: (name: string) => number,
): string {
  const [owner] = stops;
  const taker = stops.find(({ verdict }) => verdict === 'takes');
  if (owner === undefined && reason === 'all-full') return 'Every eligible replica is full: it would wait';
  if (owner === undefined)
    return reason === 'none-eligible'
      ? 'No replica is eligible: it would wait'
      : 'There is no replica: it would wait';
  const other = taker === undefined ? '' : `; ${taker.name} is the first after it that can take it`;
  const load = `${owner.name} owns it, with ${owner.inFlight} in flight`;
  switch (reason) {
    case 'owner':
      return `${load} of ${owner.bound} that it may have now`;
    case 'owner-not-eligible':
      return `${owner.name} owns it, but is ${conditionOf(owner)}${other}`;
    case 'owner-over-bound':
      return `${load} where the load bound allows ${owner.bound}${other}`;
    case 'owner-full':
      return `${load}, the most that it may have${other}`;
    case 'all-over-bound':
      return `Every eligible replica is over the load bound of ${owner.bound}; ${taker?.name} is the first with room`;
    case 'p2c':
      return `It has no key: of two replicas at random, ${loadsOf(stops, speedOf)} takes it`;
    case 'sticky':
      return `Its cookie names ${owner.name}, with ${owner.inFlight} in flight of ${owner.cap} that it may have`;
    case 'least':
      return `It has no key: ${owner.name}, with ${owner.inFlight} in flight, has least of all`;
    case 'all-full':
      return `Every eligible replica has as much in flight as it may have, ${owner.cap}: it would wait`;
    default:
      return 'No replica is eligible: it would wait';
  }
}

/** Such as `S1 with 0 at 10 % of the speed and S2 with 3, the one with less in flight for its speed`. */
function loadsOf(stops: readonly ExplainStop[], speedOf: (name: string) => number): string {
  const loads = stops.map(({ name, inFlight }) => {
    const speed = speedOf(name);
    return `${name} with ${inFlight}${speed < 100 ? ` at ${speed} % of the speed` : ''}`;
  });
  const isSlow = stops.some(({ name }) => speedOf(name) < 100);
  return `${loads.join(' and ')}, the one with less in flight${isSlow ? ' for its speed' : ''}`;
}

function conditionOf({ state, draining }: Pick<ExplainStop, 'state' | 'draining'>): string {
  return draining && state === 'healthy' ? 'drained' : state;
}
