/**
 * scale on paper, on `core/` alone: what tables cost for 10 to 10,000 replicas, what a rolling replacement of a
 * whole fleet moves, and what independent balancers agree on.
 */
import { hashText } from '../../lib/core/hashing/hash.ts';
import { createPlacement, type PlacementSettings } from '../../lib/core/hashing/placement.ts';
import type { Placement } from '../../lib/core/hashing/slot-table.ts';
import type { Member } from '../../lib/core/replica.ts';
import { routeTableBytes } from '../../lib/core/routing/table-memory.ts';
import type { Lab } from './lab.ts';
import { seeded, shuffled } from './random.ts';
import { movedShare, spreadOf, tally } from './statistics.ts';

/** Sizes of fleets: whose tables are costed, that are rolled, on which balancers are compared; fewer in tests. */
const FULL: Sizes = {
  sizes: [10, 30, 100, 300, 1000, 3000, 10_000],
  rolled: [3, 10, 100],
  compared: [3, 10, 100, 1000],
};
type Sizes = Readonly<Record<'sizes' | 'rolled' | 'compared', readonly number[]>>;
/** The classic ring has no room for more. */
const CLASSIC_MOST = 56;
export const BALANCERS = 16;
/** A power of two, so that going round them costs no division. */
export const KEYS = 2 ** 14;
const LOOKUPS = 1_000_000;
const WORKERS = 2;
/** Of which the fastest counts: whatever else the machine does can only slow one down. */
export const ROUNDS = 6;

export interface Cost {
  readonly placement: string;
  readonly replicas: number;
  readonly buildMs: number;
  readonly lookupNs: number;
  /** Shared memory of the whole route table: both banks of slots, and what is counted for each replica. */
  readonly bytes: number;
  readonly imbalance: number;
}

/** Every replica of a fleet is replaced by one of another name, one at a time. */
export interface Rolling {
  readonly placement: string;
  readonly replicas: number;
  /** Mean number of times that a key changed its owner, the old one going first, or the new one coming first. */
  readonly goThenCome: number;
  readonly comeThenGo: number;
  /** The same where instances are replaced and names stay. */
  readonly inPlace: number;
}

/** Balancers that were told of the same replicas in different orders. */
export interface Agreement {
  readonly placement: string;
  readonly replicas: number;
  readonly balancers: number;
  /** The share of keys for which all of them say the same replica. */
  readonly agree: number;
  /** The share of keys that one of them sends elsewhere while it has not heard yet that a replica came. */
  readonly behind: number;
}

export interface A6 {
  readonly costs: readonly Cost[];
  readonly rolling: readonly Rolling[];
  readonly agreement: readonly Agreement[];
}

/** The placements that rows are of, each once. */
export function placementsIn(rows: readonly { readonly placement: string }[]): readonly string[] {
  return [...new Set(rows.map(({ placement }) => placement))];
}

interface Named {
  readonly name: string;
  readonly placement: Placement;
  /** Another of the same, that has built nothing yet: a rendezvous table is quicker the second time. */
  create(): Placement;
}

function named(name: string, settings: PlacementSettings): Named {
  const create = () => createPlacement(settings);
  return { name, placement: create(), create };
}

const maglev = named('Maglev 65,537', { algorithm: 'maglev', slots: 0, vnodes: 0 });
const largeMaglev = named('Maglev 655,373', { algorithm: 'maglev', slots: 655_373, vnodes: 0 });
const rendezvous = named('rendezvous 65,536', { algorithm: 'rendezvous', slots: 0, vnodes: 0 });
const ring = named('ring 65,536 × 160', { algorithm: 'ring', slots: 0, vnodes: 0 });
const classic = named('classic 512 × 9', { algorithm: 'classic', slots: 0, vnodes: 0 });
const COSTED = [maglev, largeMaglev, rendezvous, ring];

const membersOf = (names: readonly string[]): readonly Member[] =>
  names.map((name, ordinal) => ({ name, id: ordinal + 1, ordinal }));
const namesOf = (count: number, prefix = 'S') =>
  Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`);
const KEY_HASHES = Uint32Array.from({ length: KEYS }, (_, at) => hashText(`key-${at}`));

/** The name of every key's owner. */
function ownersIn(placement: Placement, members: readonly Member[]): readonly string[] {
  const table = new Uint16Array(placement.slots);
  placement.build(members, table);
  const names = new Map(members.map(({ ordinal, name }) => [ordinal, name]));
  return Array.from(KEY_HASHES, (hash) => names.get(table[placement.slotOf(hash)]!)!);
}

/** What all lookups add up to, so that no compiler may leave one out. */
let checksum = 0;

export function lookupChecksum(): number {
  return checksum;
}

/** How long a round of lookups takes, in ms. */
function lookUp(placement: Placement, table: Uint16Array): number {
  const startMs = performance.now();
  for (let at = 0; at < LOOKUPS; at++)
    checksum = (checksum + table[placement.slotOf(KEY_HASHES[at & (KEYS - 1)]!)]!) | 0;
  return performance.now() - startMs;
}

/** V8 compiles `lookUp` anew for each class of placement that it meets: all are met before the first is timed. */
function warmUp(): void {
  for (let round = 0; round < ROUNDS; round++) {
    for (const { create } of COSTED) {
      const placement = create();
      const table = new Uint16Array(placement.slots);
      placement.build(membersOf(namesOf(3)), table);
      lookUp(placement, table);
    }
  }
}

function costOf({ name, placement, create }: Named, replicas: number): Cost {
  const members = membersOf(namesOf(replicas));
  const table = new Uint16Array(placement.slots);
  const builds = Array.from({ length: ROUNDS }, () => {
    const fresh = create();
    const startMs = performance.now();
    fresh.build(members, table);
    return performance.now() - startMs;
  });
  const lookups = Array.from({ length: ROUNDS }, () => lookUp(placement, table));
  return {
    placement: name,
    replicas,
    buildMs: Math.min(...builds),
    lookupNs: (Math.min(...lookups) * 1e6) / LOOKUPS,
    bytes: routeTableBytes({ slots: placement.slots, ordinals: replicas, workers: WORKERS }),
    imbalance: spreadOf(tally(table, replicas)).imbalance,
  };
}

/** How often a key changes its owner, in the mean, over a sequence of fleets. */
function movesAlong({ placement }: Named, fleets: readonly (readonly string[])[]): number {
  const owners = fleets.map((names) => ownersIn(placement, membersOf(names)));
  return owners.slice(1).reduce((sum, after, at) => sum + movedShare(owners[at]!, after), 0);
}

export function rollingOf(each: Named, replicas: number): Rolling {
  const old = namesOf(replicas);
  const fresh = namesOf(replicas, 'T');
  const after = (came: number, gone: number) => [...old.slice(gone), ...fresh.slice(0, came)];
  const steps = old.map((_, at) => at);
  const goThenCome = [old, ...steps.flatMap((at) => [after(at, at + 1), after(at + 1, at + 1)])];
  const comeThenGo = [old, ...steps.flatMap((at) => [after(at + 1, at), after(at + 1, at + 1)])];
  return {
    placement: each.name,
    replicas,
    goThenCome: movesAlong(each, goThenCome),
    comeThenGo: movesAlong(each, comeThenGo),
    inPlace: movesAlong(each, [old, ...steps.map(() => old)]),
  };
}

/** Each balancer numbers the replicas in the order in which it heard of them. */
export function agreementOf({ name, placement }: Named, replicas: number, seed: number): Agreement {
  const random = seeded(seed, 0xa6);
  const names = namesOf(replicas);
  const views = Array.from({ length: BALANCERS }, () =>
    ownersIn(placement, membersOf(shuffled(names, random))),
  );
  const [first] = views;
  const agreed = first!.filter((owner, key) => views.every((view) => view[key] === owner)).length;
  const behind = ownersIn(placement, membersOf(names.slice(0, -1)));
  return {
    placement: name,
    replicas,
    balancers: BALANCERS,
    agree: agreed / KEYS,
    behind: movedShare(ownersIn(placement, membersOf(names)), behind),
  };
}

export const A6_PLACEMENTS = { maglev, rendezvous, ring, classic } as const;

export async function runA6(lab: Lab, { sizes, rolled, compared }: Sizes = FULL): Promise<A6> {
  const report = async (share: number, doing: string): Promise<void> => {
    lab.progress(share, doing);
    await new Promise((resolve) => setImmediate(resolve));
  };
  warmUp();
  const costs: Cost[] = [];
  for (const each of COSTED) {
    for (const size of sizes) {
      await report(costs.length / 40, `${each.name}, ${size} replicas`);
      costs.push(costOf(each, size));
    }
  }
  const rolling: Rolling[] = [];
  const agreement: Agreement[] = [];
  for (const each of [maglev, rendezvous, ring]) {
    for (const size of rolled) {
      await report(0.7 + rolling.length / 25, `rolling replacement of ${size}`);
      rolling.push(rollingOf(each, size));
    }
  }
  for (const each of [maglev, rendezvous, ring, classic]) {
    for (const size of each === classic ? compared.filter((count) => count <= CLASSIC_MOST) : compared) {
      await report(0.95, `${BALANCERS} balancers of ${size}`);
      agreement.push(agreementOf(each, size, lab.options.seed));
    }
  }
  return { costs, rolling, agreement };
}
