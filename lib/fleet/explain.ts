/**
 * Where a request goes and why, for an operator: its key, hash and slot, and the replicas from the owner on. The key,
 * the hash and the choice come from core, which has the code that the data path uses.
 * Invariants: nothing is counted in flight; all that one response says is of one moment. What a data thread suspects of
 * a replica before the control plane has looked at it is not in it.
 */

import type { ExplainQuestion, ExplainStop, ExplainView } from '../api/types.ts';
import { formatSource, type HashKeySource, hashKeyOf, placementKey } from '../core/hashing/hash-key.ts';
import { type Explanation, explainPick } from '../core/routing/explain.ts';
import type { PickPolicy } from '../core/routing/pick.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import { BalancerError } from '../platform/errors.ts';
import type { Registry } from './registry.ts';

export interface ExplainParts {
  readonly registry: Registry;
  readonly table: RouteTableWriter;
  readonly policy: PickPolicy;
  readonly hashKey: readonly HashKeySource[];
}

/** Throws `bad-request` where the request has nothing that it could be placed by. */
export function explain(parts: ExplainParts, question: ExplainQuestion): ExplainView {
  const { registry, policy, table } = parts;
  const { algorithm, slots } = policy.placement;
  const { key, source } = keyOf(parts.hashKey, question);
  const hash = hashKeyOf(key, algorithm);
  const snapshot = table.snapshot();
  const { totalWaiting: waiting } = snapshot;
  const found = explainPick(snapshot, policy, hash);
  const replicas = new Map(registry.members.map((replica) => [replica.ordinal, replica]));
  const nameOf = (ordinal: number | undefined): string | null =>
    (ordinal === undefined ? undefined : replicas.get(ordinal)?.name) ?? null;
  const stops = found.successors.flatMap(({ ordinal, inFlight, verdict }) => {
    const replica = replicas.get(ordinal);
    if (replica === undefined) return [];
    const { name, state, isDraining } = replica;
    const { bound } = found;
    return [{ name, state, draining: isDraining, inFlight, bound, cap: policy.maxInFlight, verdict }];
  });
  return {
    key,
    source,
    hash,
    hashHex: hash.toString(16).padStart(8, '0'),
    algorithm,
    slot: found.slot,
    slots,
    owner: nameOf(found.owner),
    replica: nameOf(found.taker),
    reason: found.reason,
    why: `${sentence(found, stops)}${waiting > 0 ? `; requests that wait already and go first: ${waiting}` : ''}`,
    waiting,
    successors: stops,
  };
}

function keyOf(
  hashKey: readonly HashKeySource[],
  question: ExplainQuestion,
): { readonly key: string; readonly source: string } {
  if ('key' in question) return { key: question.key, source: 'given' };
  const { facts, requestId = '' } = question;
  const { source, value } = placementKey(hashKey, facts, requestId);
  // every request has an address: without one in the question the next source must not look like the right one
  const at = hashKey.indexOf(source);
  const passedOver = at === -1 ? hashKey : hashKey.slice(0, at);
  if (facts.clientIp === '' && passedOver.some(({ kind }) => kind === 'client-ip'))
    throw new BalancerError(
      'bad-request',
      'Requests are placed by client-ip here: say which client-ip it has',
    );
  if (value !== '') return { key: value, source: formatSource(source) };
  const wanted = hashKey.map(formatSource).join(', ');
  throw new BalancerError(
    'bad-request',
    `Such a request has nothing of ${wanted}, so it is placed by an id made for it alone; add header.x-request-id, or ask for a key`,
  );
}

function sentence({ reason, bound }: Explanation, stops: readonly ExplainStop[]): string {
  const [owner] = stops;
  const taker = stops.find(({ verdict }) => verdict === 'takes');
  if (owner === undefined) return 'There is no replica: it would wait';
  const other = taker === undefined ? '' : `; ${taker.name} is the first after it that can take it`;
  const load = `${owner.name} owns it, with ${owner.inFlight} in flight`;
  switch (reason) {
    case 'owner':
      return `${load} of ${bound} that it may have now`;
    case 'owner-not-eligible':
      return `${owner.name} owns it, but is ${conditionOf(owner)}${other}`;
    case 'owner-over-bound':
      return `${load} where the load bound allows ${bound}${other}`;
    case 'owner-full':
      return `${load}, the most that it may have${other}`;
    case 'all-over-bound':
      return `Every eligible replica is over the load bound of ${bound}; ${taker?.name} is the first with room`;
    case 'all-full':
      return `Every eligible replica has as much in flight as it may have, ${owner.cap}: it would wait`;
    default:
      return 'No replica is eligible: it would wait';
  }
}

function conditionOf({ state, draining }: ExplainStop): string {
  return draining && state === 'healthy' ? 'drained' : state;
}
