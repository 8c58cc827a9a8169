/** how evenly 10,000 requests fall on three replicas, beside what chance alone would do; for each seed. */
import type { RingView } from '../../lib/api/types.ts';
import type { Balancer } from './balancer.ts';
import { resizeTo, restore } from './fleet-size.ts';
import { type Lab, part } from './lab.ts';
import { type LoadResult, sendAll } from './load.ts';
import type { StudyOptions } from './options.ts';
import { ownersOf } from './owners.ts';
import { requestIds } from './random.ts';
import { type NoiseFloor, noiseFloor, type Spread, shareAtLeast, spreadOf } from './statistics.ts';

export const A1_REPLICAS = 3;

/** One fleet size under the load; shared with A-2. */
export interface Distribution {
  readonly seed: number;
  readonly algorithm: string;
  readonly replicas: number;
  readonly names: readonly string[];
  /** Requests that each of `names` answered. */
  readonly counts: readonly number[];
  /** Requests that each of `names` owns by the table. */
  readonly owned: readonly number[];
  readonly spread: Spread;
  /** Of `owned`; it does not depend on timing. */
  readonly ownedSpread: Spread;
  readonly fair: Omit<NoiseFloor, 'sorted'>;
  /** The share of fair random splits at least as uneven as this one. */
  readonly fairAsUneven: number;
  /** The share of requests that another replica than the owner answered: bounded load. */
  readonly overflow: number;
  readonly load: Omit<LoadResult, 'respondedBy'>;
}

/** The same with several seeds; the first of `repeats` is this one. */
export interface Repeated extends Distribution {
  readonly repeats: readonly Distribution[];
}

export interface Measured {
  readonly distribution: Distribution;
  readonly respondedBy: readonly (string | undefined)[];
  readonly owners: readonly string[];
}

/** What the answers to `ids` say, given the ring that they came through. */
export function distributionOf(
  ring: RingView,
  ids: readonly string[],
  { respondedBy, ...load }: LoadResult,
  seed: number,
): Measured {
  const names = ring.members.map(({ name }) => name);
  const owners = ownersOf(ring, ids);
  const countsOf = (given: readonly (string | undefined)[]) =>
    names.map((name) => given.filter((each) => each === name).length);
  const counts = countsOf(respondedBy);
  const owned = countsOf(owners);
  const spread = spreadOf(counts);
  const { sorted, ...fair } = noiseFloor(spread.total, names.length, { seed });
  const answered = respondedBy.filter((name) => name !== undefined).length;
  const elsewhere = respondedBy.filter((name, at) => name !== undefined && name !== owners[at]).length;
  const distribution: Distribution = {
    seed,
    algorithm: ring.algorithm,
    replicas: names.length,
    names,
    counts,
    owned,
    spread,
    ownedSpread: spreadOf(owned),
    fair,
    fairAsUneven: shareAtLeast({ ...fair, sorted }, spread.imbalance),
    overflow: answered === 0 ? 0 : elsewhere / answered,
    load,
  };
  return { distribution, respondedBy, owners };
}

/** Sends the ids of every seed through a fleet as it is. */
export async function measureDistributions(
  { url, control }: Balancer,
  { requests, concurrency, seed, seeds }: StudyOptions,
  onProgress: (share: number) => void,
): Promise<readonly Measured[]> {
  const ring = await control.ring();
  const measured: Measured[] = [];
  for (let at = 0; at < seeds; at++) {
    const ids = requestIds(seed + at, requests);
    const result = await sendAll(url, ids, concurrency, (share) => onProgress((at + share) / seeds));
    measured.push(distributionOf(ring, ids, result, seed + at));
  }
  return measured;
}

export function repeated(measured: readonly Measured[]): Repeated {
  const repeats = measured.map(({ distribution }) => distribution);
  return { ...repeats[0]!, repeats };
}

export async function runA1(lab: Lab): Promise<Repeated> {
  const balancer = await lab.balancer();
  const { control } = balancer;
  const names = await control.names();
  try {
    await resizeTo(control, A1_REPLICAS);
    await warmUp(balancer, lab.options, part(lab, 0, 0.2, 'warming up'));
    const doing = part(lab, 0.2, 1, `${A1_REPLICAS} replicas`);
    return repeated(await measureDistributions(balancer, lab.options, doing));
  } finally {
    await restore(control, names);
  }
}

/** Compiles the code on the way, so that what is measured is a balancer that has run for a while. */
export async function warmUp(
  { url }: Balancer,
  { requests, concurrency, seed }: StudyOptions,
  onProgress?: (share: number) => void,
): Promise<void> {
  await sendAll(url, requestIds(seed + 1, Math.min(2000, requests)), concurrency, onProgress);
}
