/** Operators at two balancers of one pool, whose records are those of real memberships. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JoinedMember, memoryMembers } from '../../helpers/drivers/memory-members.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig } from '../../helpers/fleet/rig.ts';

const SCALE = { min: 1, max: 8, target: 4, windowMs: 10_000, downWindowMs: 60_000 };

async function twoBalancers() {
  const pool = memoryMembers();
  const joined = [await pool.join(), await pool.join()];
  const rigOf = ({ member }: JoinedMember): Promise<FleetRig> => {
    const driver = new FakeDriver();
    driver.members = member;
    return FleetRig.of(1, { driver, scale: SCALE });
  };
  const rigs = await Promise.all(joined.map(rigOf));
  const live = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      for (const rig of rigs) await rig.advance(1000, 250);
      await pool.advance(1000);
    }
  };
  await live(2);
  return { rigs: [rigs[0]!, rigs[1]!] as const, live };
}

describe('two changes at two balancers within a second', () => {
  it('both hold where they set different things', async () => {
    const { rigs, live } = await twoBalancers();
    const [a, b] = rigs;
    a.bounds.change({ min: 2 }, false);
    b.bounds.change({ target: 7, paused: true }, false);
    await live(3);
    const shown = rigs.map(({ autoscaler }) => {
      const { min, max, target, state } = autoscaler.view();
      return [min, max, target, state];
    });
    assert.deepEqual(shown, [
      [2, 8, 7, 'paused'],
      [2, 8, 7, 'paused'],
    ]);
  });

  it('leave the same one on both where they set the same', async () => {
    const { rigs, live } = await twoBalancers();
    const [a, b] = rigs;
    a.bounds.change({ max: 5 }, false);
    b.bounds.change({ max: 6 }, false);
    await live(3);
    assert.equal(a.autoscaler.settings.max, b.autoscaler.settings.max);
  });

  it('leave the size that was made last', async () => {
    const { rigs, live } = await twoBalancers();
    // the one that acts is the first to make a size, so that the other's has to beat it
    const [first, last] = rigs[0].autoscaler.view().acting?.isSelf === true ? rigs : rigs.toReversed();
    const scaled = [first!.view.scale(3), last!.view.scale(5)];
    await live(8);
    await Promise.all(scaled);
    await live(3);
    assert.deepEqual(
      rigs.map((rig) => rig.registry.members.length),
      [5, 5],
    );
  });
});
