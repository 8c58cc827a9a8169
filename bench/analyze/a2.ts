/**
 * what changes as the fleet grows from 2 to 6 through `/add`, with the same request ids at every size: how uneven
 * it is, and which requests go elsewhere. With the load bound off, which shows the hash alone, and with it on.
 */
import { type Measured, measureDistributions, type Repeated, repeated, warmUp } from './a1.ts';
import type { Balancer } from './balancer.ts';
import { resizeTo, restore } from './fleet-size.ts';
import type { Lab } from './lab.ts';
import { movedShare } from './statistics.ts';

export const A2_SIZES: readonly number[] = [2, 3, 4, 5, 6];

/** From one size to the next. */
export interface Step {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** 1 ÷ the new size: what has to move, and no more. */
  readonly ideal: number;
  /** The share of ids whose owner in the table changed. */
  readonly movedOwner: number;
  /** The share of ids whose owner changed although neither owner is the new replica. */
  readonly movedBetweenOld: number;
  /** The share of ids that another replica answered than before, bounded load included. */
  readonly movedAnswer: number;
}

/** A step with every seed; the first of `repeats` is this one. */
export interface RepeatedStep extends Step {
  readonly repeats: readonly Step[];
}

/** One fleet as it grows. */
export interface Growth {
  readonly sizes: readonly Repeated[];
  readonly steps: readonly RepeatedStep[];
}

export interface A2 {
  /** With the load bound off; undefined where the balancer was not the study's own. */
  readonly unbounded?: Growth;
  /** As the balancer is: with its load bound, unless that was off. */
  readonly bounded: Growth;
}

export function stepBetween(before: Measured, after: Measured): Step {
  const isOld = (name: string) => before.distribution.names.includes(name);
  const betweenOld = after.owners.filter((owner, at) => owner !== before.owners[at] && isOld(owner)).length;
  return {
    seed: after.distribution.seed,
    from: before.distribution.replicas,
    to: after.distribution.replicas,
    ideal: 1 - before.distribution.replicas / after.distribution.replicas,
    movedOwner: movedShare(before.owners, after.owners),
    movedBetweenOld: betweenOld / after.owners.length,
    movedAnswer: movedShare(before.respondedBy, after.respondedBy),
  };
}

/** What several seeds say of a step, from what each of them measured before and after. */
function repeatedStep(before: readonly Measured[], after: readonly Measured[]): RepeatedStep {
  const repeats = after.map((measured, seed) => stepBetween(before[seed]!, measured));
  return { ...repeats[0]!, repeats };
}

async function grow(
  balancer: Balancer,
  { options }: Lab,
  say: (share: number, doing: string) => void,
): Promise<Growth> {
  const { control } = balancer;
  const names = await control.names();
  try {
    const measured: (readonly Measured[])[] = [];
    for (const [at, size] of A2_SIZES.entries()) {
      await resizeTo(control, size);
      const onProgress = (share: number) => say((at + share) / A2_SIZES.length, `${size} replicas`);
      measured.push(await measureDistributions(balancer, options, onProgress));
    }
    return {
      sizes: measured.map(repeated),
      steps: measured.slice(1).map((after, at) => repeatedStep(measured[at]!, after)),
    };
  } finally {
    await restore(control, names);
  }
}

export async function runA2(lab: Lab): Promise<A2> {
  const unbounded = await lab.unbounded();
  const half = (from: number) => (share: number, doing: string) => lab.progress(from + share / 2, doing);
  if (unbounded === undefined)
    return { bounded: await grow(await lab.balancer(), lab, (share, doing) => lab.progress(share, doing)) };
  await warmUp(unbounded, lab.options);
  return {
    unbounded: await grow(unbounded, lab, half(0)),
    bounded: await grow(await lab.balancer(), lab, half(0.5)),
  };
}
