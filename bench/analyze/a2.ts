/**
 * what changes as the fleet grows from 2 to 6 through `/add`, with the same request ids at every size: how uneven
 * it is, and which requests go elsewhere.
 */
import { type Distribution, type Measured, measureDistribution } from './a1.ts';
import { resizeTo, restore } from './fleet-size.ts';
import { type Lab, part } from './lab.ts';
import { movedShare } from './statistics.ts';

export const A2_SIZES: readonly number[] = [2, 3, 4, 5, 6];

/** From one size to the next. */
export interface Step {
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

export interface A2 {
  readonly sizes: readonly Distribution[];
  readonly steps: readonly Step[];
}

export function stepBetween(before: Measured, after: Measured): Step {
  const isOld = (name: string) => before.distribution.names.includes(name);
  const betweenOld = after.owners.filter((owner, at) => owner !== before.owners[at] && isOld(owner)).length;
  return {
    from: before.distribution.replicas,
    to: after.distribution.replicas,
    ideal: 1 - before.distribution.replicas / after.distribution.replicas,
    movedOwner: movedShare(before.owners, after.owners),
    movedBetweenOld: betweenOld / after.owners.length,
    movedAnswer: movedShare(before.answeredBy, after.answeredBy),
  };
}

export async function runA2(lab: Lab): Promise<A2> {
  const { control } = await lab.balancer();
  const names = await control.names();
  try {
    const measured: Measured[] = [];
    for (const [at, size] of A2_SIZES.entries()) {
      await resizeTo(control, size);
      const doing = part(lab, at / A2_SIZES.length, (at + 1) / A2_SIZES.length, `${size} replicas`);
      measured.push(await measureDistribution(lab, doing));
    }
    return {
      sizes: measured.map(({ distribution }) => distribution),
      steps: measured.slice(1).map((after, at) => stepBetween(measured[at]!, after)),
    };
  } finally {
    await restore(control, names);
  }
}
