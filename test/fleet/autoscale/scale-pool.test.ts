import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FakePool } from '../../helpers/fleet/fake-pool.ts';
import { FleetRig, type RigOptions } from '../../helpers/fleet/rig.ts';

const SCALE = { min: 1, max: 8, target: 4, windowMs: 10_000, downWindowMs: 60_000 };

/** Two balancers with fleets of their own, which share what they know of autoscaling; `a` has the lower id. */
async function twoBalancers(
  options: { readonly a?: RigOptions['scale']; readonly b?: RigOptions['scale'] } = {},
) {
  const pool = new FakePool();
  const balancerOf = async (id: string, scale: RigOptions['scale']): Promise<FleetRig> => {
    const driver = new FakeDriver();
    driver.members = pool.join(id);
    return FleetRig.of(1, { driver, scale: { ...SCALE, ...scale } });
  };
  const [a, b] = [await balancerOf('a', options.a), await balancerOf('b', options.b)];
  pool.exchange();
  const live = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      await a.advance(1000, 250);
      await b.advance(1000, 250);
      pool.exchange();
    }
  };
  return { pool, a, b, live };
}

const sizeOf = (rig: FleetRig): number => rig.registry.members.length;

describe('autoscaling of a pool with two balancers', () => {
  it('is done by the one with the lower id', async () => {
    const { a, b, live } = await twoBalancers();
    for (const rig of [a, b]) rig.load('S1', 8);
    await live(20);
    assert.deepEqual([sizeOf(a), sizeOf(b)], [4, 1]);
  });

  it('goes by the load of both', async () => {
    const { a, b, live } = await twoBalancers();
    b.load('S1', 8);
    await live(20);
    assert.equal(sizeOf(a), 2);
    assert.equal(a.autoscaler.view().decision?.load, 8);
  });

  it('adds for requests that wait at the other', async () => {
    const { a, b, live } = await twoBalancers({ a: { target: 100 } });
    await live(3);
    b.queueing = { longWaits: 1, refused: 0 };
    await live(2);
    assert.equal(
      a.decisions.find(({ reason }) => reason !== 'steady' && reason !== 'load')?.reason,
      'waiting',
    );
  });

  it('hears of requests that waited at the other at any moment since its last report', async () => {
    const { pool, a, b, live } = await twoBalancers({ a: { target: 100 } });
    await live(3);
    b.queueing = { longWaits: 1, refused: 0 };
    await b.advance(2000, 250);
    pool.exchange();
    await a.advance(2000, 250);
    assert.equal(sizeOf(a), 2);
  });

  it('does not go to zero while requests come to the other', async () => {
    const zero = { min: 0, idleMs: 10_000 };
    const { pool, a, b } = await twoBalancers({ a: zero, b: zero });
    for (let turn = 0; turn < 10; turn++) {
      // over before a sample sees it
      b.requests++;
      await b.advance(2000, 250);
      pool.exchange();
      await a.advance(2000, 250);
    }
    assert.equal(sizeOf(a), 1);
    await a.advance(12_000, 250);
    assert.equal(sizeOf(a), 0);
  });

  it('adds no more once no request waits at the other', async () => {
    const { a, b, live } = await twoBalancers({ a: { target: 100 } });
    await live(3);
    b.queueing = { longWaits: 1, refused: 0 };
    await live(10);
    assert.equal(sizeOf(a), 2);
  });

  it('counts once that requests waited at a balancer that froze', async () => {
    const { pool, a, b, live } = await twoBalancers({ a: { target: 100 } });
    await live(3);
    b.queueing = { longWaits: 1, refused: 0 };
    await b.advance(1000, 250);
    pool.exchange();
    await a.advance(9000, 250);
    assert.equal(sizeOf(a), 2);
  });

  it('takes a balancer without a report to have its own load', async () => {
    const { pool, a, live } = await twoBalancers();
    pool.join('c');
    a.load('S1', 4);
    await live(20);
    assert.equal(a.autoscaler.view().decision?.load, 8);
  });

  it('passes to the other when the one that acts has ended', async () => {
    const { pool, a, b, live } = await twoBalancers();
    await live(2);
    a.autoscaler.close();
    pool.leave('a');
    b.load('S1', 8);
    await live(20);
    assert.equal(sizeOf(b), 2);
  });

  it('is done by the one that has it on', async () => {
    const { b, live } = await twoBalancers({ a: { max: 0 } });
    b.load('S1', 8);
    await live(20);
    assert.equal(sizeOf(b), 2);
  });

  it('says who acts', async () => {
    const { a, b } = await twoBalancers();
    const views = [a, b].map((rig) => rig.autoscaler.view().acting);
    assert.deepEqual(
      views.map((acting) => [acting?.id, acting?.isSelf]),
      [
        ['a', true],
        ['a', false],
      ],
    );
  });

  it('keeps to the bounds that either was given', async () => {
    const { a, b, live } = await twoBalancers();
    b.bounds.change({ min: 3, target: 7, paused: false }, false);
    await live(3);
    const { min, target } = a.autoscaler.view();
    assert.deepEqual([min, target, sizeOf(a)], [3, 7, 3]);
  });

  it('pauses on both', async () => {
    const { a, b, live } = await twoBalancers();
    b.bounds.change({ paused: true }, false);
    a.load('S1', 40);
    await live(1);
    await live(20);
    assert.deepEqual([a.autoscaler.view().state, sizeOf(a)], ['paused', 1]);
  });

  it('agrees on one of two changes that cross', async () => {
    const { a, b, live } = await twoBalancers();
    a.bounds.change({ max: 5 }, false);
    b.bounds.change({ max: 6 }, false);
    await live(2);
    assert.deepEqual([a.autoscaler.settings.max, b.autoscaler.settings.max], [5, 5]);
  });

  it('keeps changes of different settings that cross', async () => {
    const { a, b, live } = await twoBalancers();
    a.bounds.change({ max: 5, target: 3 }, false);
    b.bounds.change({ min: 2, target: 6 }, false);
    await live(2);
    for (const { autoscaler } of [a, b]) {
      const { min, max, target } = autoscaler.settings;
      assert.deepEqual([min, max, target], [2, 5, 3]);
    }
  });

  it('keeps a bound that gave way to another where it is', async () => {
    const { a, b, live } = await twoBalancers();
    a.bounds.change({ max: 3 }, false);
    b.bounds.change({ min: 6 }, false);
    await live(2);
    b.bounds.change({ max: 8 }, false);
    await live(2);
    assert.deepEqual(
      [a, b].map(({ autoscaler: { settings } }) => [settings.min, settings.max]),
      [
        [3, 8],
        [3, 8],
      ],
    );
  });

  it('takes the later of two changes', async () => {
    const { a, b, live } = await twoBalancers();
    a.bounds.change({ max: 5 }, false);
    await live(2);
    b.bounds.change({ max: 6 }, false);
    await live(2);
    assert.deepEqual([a.autoscaler.settings.max, b.autoscaler.settings.max], [6, 6]);
  });

  it('leaves a size that was made by hand at the other', async () => {
    const { a, b, live } = await twoBalancers();
    a.load('S1', 16);
    b.bounds.admit(1);
    await live(20);
    assert.deepEqual([sizeOf(a), a.autoscaler.view().decision?.reason], [1, 'manual']);
  });

  it('tells a newcomer what was changed before', async () => {
    const { pool, b, live } = await twoBalancers();
    b.bounds.change({ max: 6 }, false);
    await live(1);
    const driver = new FakeDriver();
    driver.members = pool.join('c');
    const c = await FleetRig.of(1, { driver, scale: SCALE });
    pool.exchange();
    assert.equal(c.autoscaler.settings.max, 6);
  });
});
