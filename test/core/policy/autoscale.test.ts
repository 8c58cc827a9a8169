/** The control law against a simulated fleet: starts that take time, and a load that is given for each second. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  Autoscale,
  type Decision,
  type ScaleFacts,
  type ScaleSettings,
} from '../../../lib/core/policy/autoscale.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const SETTINGS: ScaleSettings = {
  min: 1,
  max: 20,
  target: 16,
  upWindowMs: 6000,
  windowMs: 60_000,
  downWindowMs: 300_000,
  downStep: 1,
  idleMs: 0,
  isPaused: false,
};

interface World {
  readonly settings?: Partial<ScaleSettings>;
  /** Replicas at the beginning. */
  readonly names?: number;
  readonly startMs?: number;
  /** Requests that a replica takes at a time; the others wait. */
  readonly capacity?: number;
  readonly facts?: Partial<ScaleFacts>;
}

/** One second of the simulation, after its decision was carried out. */
interface Second {
  readonly atS: number;
  readonly names: number;
  readonly waiting: number;
  readonly decision: Decision;
}

class Simulation {
  readonly clock = new FakeClock();
  readonly law = new Autoscale();
  readonly settings: ScaleSettings;
  readonly seconds: Second[] = [];
  names: number;
  ready: number;
  facts: Partial<ScaleFacts>;
  readonly #startMs: number;
  readonly #capacity: number;
  #quietSinceMs = 0;

  constructor({ settings = {}, names = 1, startMs = 300, capacity = 256, facts = {} }: World = {}) {
    this.settings = { ...SETTINGS, ...settings };
    [this.names, this.ready] = [names, names];
    [this.#startMs, this.#capacity, this.facts] = [startMs, capacity, facts];
  }

  /** Lives for so many seconds under a load, in requests. */
  run(seconds: number, loadAt: (second: number) => number): void {
    for (let second = 0; second < seconds; second++) this.#tick(loadAt(second));
  }

  get decisions(): readonly Decision[] {
    return this.seconds.map(({ decision }) => decision);
  }

  /** The sizes one after the other, each once. */
  get sizes(): readonly number[] {
    return this.seconds.map(({ names }) => names).filter((names, index, all) => names !== all[index - 1]);
  }

  #tick(load: number): void {
    this.clock.advance(1000);
    const nowMs = this.clock.nowMs();
    const waiting = Math.max(0, load - this.ready * this.#capacity);
    if (load > 0) this.#quietSinceMs = nowMs;
    const facts: ScaleFacts = {
      nowMs,
      load,
      names: this.names,
      ready: this.ready,
      isPressed: waiting > 0,
      isHelpNear: this.ready < this.names && this.#startMs < 2000,
      isHealing: false,
      isSettled: this.ready === this.names,
      isHot: false,
      isBlocked: false,
      removable: this.names,
      idleMs: nowMs - this.#quietSinceMs,
      ...this.facts,
    };
    const decision = this.law.decide(facts, this.settings);
    const added = decision.to - this.names;
    if (added > 0) this.clock.after(this.#startMs, () => (this.ready += added));
    else this.ready = Math.min(this.ready, decision.to);
    this.names = decision.to;
    this.seconds.push({ atS: nowMs / 1000, names: this.names, waiting, decision });
  }
}

/** Numbers that look random and are the same each time. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

test('a step from 10 to 200 in flight gets its size within 20 seconds', () => {
  const fleet = new Simulation({ names: 3, settings: { min: 3 } });
  fleet.run(120, () => 10);
  fleet.run(20, () => 200);
  assert.equal(fleet.ready, 13);
});

test('a step of load never makes requests wait for long', () => {
  const fleet = new Simulation({ capacity: 64 });
  fleet.run(120, () => 10);
  fleet.run(60, () => 200);
  const waits = fleet.seconds.filter(({ waiting }) => waiting > 0).length;
  assert.ok(waits <= 2, `${waits} seconds with requests that waited`);
});

test('requests that wait add a replica at once', () => {
  const fleet = new Simulation({ names: 2, capacity: 4, settings: { target: 100 } });
  fleet.run(1, () => 9);
  assert.deepEqual([fleet.names, fleet.decisions[0]?.reason], [3, 'waiting']);
});

test('requests that wait add nothing while a start is about to help', () => {
  const fleet = new Simulation({ names: 2, capacity: 4, facts: { isHelpNear: true, isPressed: true } });
  fleet.run(30, () => 9);
  assert.equal(fleet.names, 2);
});

test('requests that wait for a heal neither add nor panic', () => {
  const fleet = new Simulation({ names: 2 });
  fleet.run(120, () => 30);
  fleet.facts = { isHealing: true, isPressed: true, ready: 1 };
  fleet.run(5, () => 300);
  fleet.facts = {};
  fleet.run(60, () => 30);
  assert.deepEqual([fleet.sizes, fleet.decisions.some(({ isPanicking }) => isPanicking)], [[2], false]);
});

test('noise of 30 % for ten minutes changes the size once at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), (mean, seed) => {
      const random = noise(seed);
      const fleet = new Simulation();
      const load = () => mean * (0.7 + 0.6 * random());
      fleet.run(900, load);
      const before = fleet.seconds.length;
      fleet.run(600, load);
      const sizes = fleet.seconds.slice(before - 1).map(({ names }) => names);
      const changes = sizes.filter((size, index) => index > 0 && size !== sizes[index - 1]).length;
      assert.ok(changes <= 1, `${changes} changes with a mean of ${mean}`);
    }),
    { numRuns: 40 },
  );
});

test('peaks that come again keep the replicas that they need', () => {
  const fleet = new Simulation({ names: 2 });
  fleet.run(1500, (second) => (second % 200 < 8 ? 30 : 10));
  assert.deepEqual(fleet.sizes, [2]);
});

test('a load within 10 % of the target keeps the size', () => {
  const fleet = new Simulation({ names: 4 });
  fleet.run(900, () => 69);
  assert.deepEqual([fleet.sizes, fleet.decisions.at(-1)?.reason], [[4], 'steady']);
});

test('a ramp up is followed without panic', () => {
  const fleet = new Simulation();
  fleet.run(1200, (second) => 10 + second / 6);
  assert.equal(fleet.names, 12);
  const late = fleet.decisions.slice(120);
  assert.ok(late.every(({ isPanicking }) => !isPanicking));
});

test('after the load the size goes down in steps of 30 seconds', () => {
  const fleet = new Simulation({ names: 4 });
  fleet.run(400, () => 64);
  const end = fleet.seconds.length;
  fleet.run(600, () => 0);
  const downs = fleet.seconds.slice(end).filter(({ decision }) => decision.to < decision.from);
  assert.deepEqual(
    downs.map(({ names }) => names),
    [3, 2, 1],
  );
  const gaps = downs.map(({ atS }, index) => atS - (downs[index - 1]?.atS ?? end));
  assert.ok(gaps[0]! >= 300 && gaps[1]! >= 30 && gaps[2]! >= 30, gaps.join());
  const [first] = downs;
  assert.ok(first!.atS - end <= 360, `${first!.atS - end}`);
});

test('a spike of 30 seconds is followed up, and down after the window', () => {
  const fleet = new Simulation();
  fleet.run(120, () => 10);
  fleet.run(30, () => 100);
  const most = fleet.names;
  assert.ok(most >= 6, `${most}`);
  fleet.run(300, () => 10);
  assert.equal(fleet.names, most);
  fleet.run(90 + 30 * most, () => 10);
  assert.equal(fleet.names, 1);
});

test('a fleet without requests goes to zero after the idle time', () => {
  const fleet = new Simulation({ names: 2, settings: { min: 0, idleMs: 120_000 } });
  fleet.run(60, () => 5);
  fleet.run(119, () => 0);
  assert.equal(fleet.names, 2);
  fleet.run(1, () => 0);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.reason], [0, 'idle']);
});

test('a size that an operator asked for outlasts the idle time', () => {
  const fleet = new Simulation({ names: 0, settings: { min: 0, idleMs: 120_000 } });
  fleet.run(200, () => 0);
  fleet.law.recommend(4, fleet.clock.nowMs(), fleet.settings);
  [fleet.names, fleet.ready] = [4, 4];
  fleet.run(299, () => 0);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.reason], [4, 'manual']);
  fleet.run(1, () => 0);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.reason], [0, 'idle']);
});

test('the first request starts as many as the load needs', () => {
  const fleet = new Simulation({ names: 0, settings: { min: 0, idleMs: 120_000 } });
  fleet.run(60, () => 0);
  assert.equal(fleet.names, 0);
  fleet.run(1, () => 40);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.reason], [3, 'first-request']);
});

test('a minimum of zero without idle time keeps one replica', () => {
  const fleet = new Simulation({ settings: { min: 0 } });
  fleet.run(2000, () => 0);
  assert.equal(fleet.names, 1);
});

test('a size that an operator asked for stays for the window', () => {
  const fleet = new Simulation({ names: 8 });
  fleet.run(400, () => 120);
  fleet.law.recommend(4, fleet.clock.nowMs(), fleet.settings);
  [fleet.names, fleet.ready] = [4, 4];
  fleet.run(299, () => 120);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.reason], [4, 'manual']);
  fleet.run(30, () => 120);
  assert.equal(fleet.names, 8);
});

test('what operators remove elsewhere from a size by hand is not added again', () => {
  const fleet = new Simulation();
  fleet.law.recommend(4, fleet.clock.nowMs(), fleet.settings);
  [fleet.names, fleet.ready] = [4, 4];
  fleet.run(2, () => 60);
  [fleet.names, fleet.ready] = [3, 3];
  fleet.run(200, () => 60);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.reason], [3, 'manual']);
});

test('a size that an operator added is not removed within the window', () => {
  const fleet = new Simulation();
  fleet.run(400, () => 10);
  fleet.law.recommend(6, fleet.clock.nowMs(), fleet.settings);
  [fleet.names, fleet.ready] = [6, 6];
  fleet.run(299, () => 10);
  assert.equal(fleet.names, 6);
  fleet.run(200, () => 10);
  assert.equal(fleet.names, 1);
});

test('requests that wait override an operator who removed too much', () => {
  const fleet = new Simulation({ names: 8, capacity: 16 });
  fleet.run(400, () => 120);
  fleet.law.recommend(4, fleet.clock.nowMs(), fleet.settings);
  [fleet.names, fleet.ready] = [4, 4];
  fleet.run(30, () => 120);
  assert.equal(fleet.names, 8);
});

test('a hot key adds nothing', () => {
  const fleet = new Simulation({ names: 3, facts: { isHot: true } });
  fleet.run(60, () => 200);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.limitedBy], [3, 'hot-key']);
});

test('starts that fail add nothing more', () => {
  const fleet = new Simulation({ facts: { isBlocked: true } });
  fleet.run(60, () => 200);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.limitedBy], [1, 'starts-fail']);
});

test('nothing is removed while a replica starts, heals or is ejected', () => {
  const fleet = new Simulation({ names: 4, facts: { isSettled: false } });
  fleet.run(1000, () => 0);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.limitedBy], [4, 'unsettled']);
});

test('names that were given by hand are not removed', () => {
  const fleet = new Simulation({ names: 4, facts: { removable: 1 } });
  fleet.run(1, () => 10);
  fleet.facts = { removable: 0 };
  fleet.run(1000, () => 10);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.limitedBy], [4, 'given-names']);
});

test('a pause does not keep the first request from its replica', () => {
  const fleet = new Simulation({ names: 0, settings: { min: 0, idleMs: 10_000, isPaused: true } });
  fleet.run(5, () => 0);
  assert.equal(fleet.names, 0);
  fleet.run(5, () => 100);
  assert.deepEqual([fleet.names, fleet.decisions.at(-1)?.limitedBy], [1, 'paused']);
});

test('a pause keeps the size', () => {
  const fleet = new Simulation({ names: 4, settings: { isPaused: true } });
  fleet.run(60, () => 500);
  fleet.run(600, () => 0);
  assert.deepEqual([fleet.sizes, fleet.decisions.at(-1)?.limitedBy], [[4], 'paused']);
});

test('a size outside of the bounds is moved into them at once', () => {
  const below = new Simulation({ names: 1, settings: { min: 3 } });
  below.run(1, () => 0);
  const above = new Simulation({ names: 9, settings: { max: 5 } });
  above.run(1, () => 500);
  const shown = [below, above].map(({ names, decisions }) => [names, decisions[0]?.reason]);
  assert.deepEqual(shown, [
    [3, 'bounds'],
    [5, 'bounds'],
  ]);
});

test('the size at most doubles, or grows by four, in 15 seconds', () => {
  const fleet = new Simulation({ settings: { max: 200 } });
  fleet.run(200, () => 10_000);
  for (const { names, atS } of fleet.seconds) {
    const before = fleet.seconds.find((second) => second.atS === atS - 15)?.names ?? 1;
    assert.ok(names <= Math.max(2 * before, before + 4), `${before} to ${names}`);
  }
  assert.equal(fleet.names, 200);
});

const LIFE = fc.record({
  min: fc.integer({ min: 0, max: 4 }),
  more: fc.integer({ min: 0, max: 12 }),
  target: fc.integer({ min: 1, max: 50 }),
  downWindowS: fc.integer({ min: 1, max: 400 }),
  downStep: fc.integer({ min: 1, max: 5 }),
  phases: fc.array(
    fc.record({
      seconds: fc.integer({ min: 1, max: 120 }),
      load: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 })),
      isSettled: fc.boolean(),
      isHot: fc.boolean(),
      isBlocked: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  ),
});

type Life = typeof LIFE extends fc.Arbitrary<infer T> ? T : never;

function live({ min, more, target, downWindowS, downStep, phases }: Life): Simulation {
  const max = Math.max(1, min + more);
  const settings = { min, max, target, downStep, downWindowMs: downWindowS * 1000 };
  const fleet = new Simulation({ settings, names: Math.max(1, min), capacity: 20 });
  for (const { seconds, load, ...facts } of phases) {
    fleet.facts = facts;
    fleet.run(seconds, () => load);
  }
  return fleet;
}

test('no decision is ever outside of the bounds', () => {
  fc.assert(
    fc.property(LIFE, (life) => {
      const fleet = live(life);
      const { min, max } = fleet.settings;
      for (const { to } of fleet.decisions) assert.ok(to >= Math.max(1, min) && to <= max, `${to}`);
    }),
  );
});

test('nothing is removed within the window after something was added', () => {
  fc.assert(
    fc.property(LIFE, (life) => {
      const fleet = live(life);
      let upAtS = Number.NEGATIVE_INFINITY;
      for (const { atS, decision } of fleet.seconds) {
        if (decision.to > decision.from) upAtS = atS;
        if (decision.to >= decision.from) continue;
        assert.ok(atS - upAtS >= life.downWindowS, `down ${atS - upAtS} s after up`);
      }
    }),
  );
});
