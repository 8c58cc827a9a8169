import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEPLOY_DEFAULTS } from '../../../lib/core/policy/deploy-gate.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, NOT_READY, type RigOptions } from '../../helpers/fleet/rig.ts';

/** Larger than a sample, so that minutes pass in few steps. */
const STEP_MS = 250;
const SCALE = { min: 1, max: 8, target: 4, windowMs: 10_000, downWindowMs: 60_000 };

async function rigOf(count: number, options: RigOptions = {}): Promise<FleetRig> {
  return FleetRig.of(count, { ...options, scale: { ...SCALE, ...options.scale } });
}

/** Lives for so many seconds. */
const live = (rig: FleetRig, seconds: number): Promise<void> => rig.advance(seconds * 1000, STEP_MS);
const names = (rig: FleetRig): readonly string[] => rig.registry.members.map(({ name }) => name);
const kinds = (rig: FleetRig, kind: string) => rig.events.filter((event) => event.kind === kind);

/** A request that waits for a replica; the function ends that. */
function wait(rig: FleetRig): () => void {
  const { queue } = rig.threadTable;
  queue.countWaiting(1000);
  queue.setHead(queue.nextTicket());
  return () => {
    queue.setHead(undefined);
    queue.uncountWaiting();
  };
}

describe('autoscaling', () => {
  it('adds replicas for the load, and says why', async () => {
    const rig = await rigOf(1);
    rig.load('S1', 16);
    await live(rig, 20);
    assert.deepEqual(names(rig), ['S1', 'S2', 'S3', 'S4']);
    const [event] = kinds(rig, 'scaled');
    assert.deepEqual([event?.scale?.from, event?.scale?.reason, event?.scale?.T], [1, 'panic', 4]);
    const { time, ...last } = rig.autoscaler.view().changed!;
    assert.deepEqual(last, kinds(rig, 'scaled').at(-1)?.scale);
    assert.match(time, /^1970-01-01T00:00:/);
  });

  it('goes by the load of each second alone', async () => {
    const rig = await rigOf(1);
    const end = rig.load('S1', 3);
    await live(rig, 10);
    assert.equal(rig.decisions.at(-1)?.load, 3);
    for (let count = 0; count < 3; count++) end();
    await live(rig, 2);
    assert.equal(rig.decisions.at(-1)?.load, 0);
  });

  it('removes its own by a drain once the load is gone', async () => {
    const rig = await rigOf(1);
    const end = rig.load('S1', 8);
    await live(rig, 20);
    const held = rig.load('S2', 1);
    for (let count = 0; count < 8; count++) end();
    await live(rig, 240);
    assert.deepEqual(names(rig), ['S2']);
    held();
    assert.deepEqual(
      kinds(rig, 'scaled').map(({ scale }) => scale?.to),
      [2, 1],
    );
  });

  it('removes those without a weight first', async () => {
    const rig = await rigOf(3, { scale: { min: 2 } });
    await rig.view.setWeights(new Map([['S1', 0]]));
    await live(rig, 110);
    assert.deepEqual(names(rig), ['S2', 'S3']);
  });

  it('removes the newest first, and none that an operator has drained', async () => {
    const newest = await rigOf(3, { scale: { min: 2 } });
    await live(newest, 110);
    assert.deepEqual(names(newest), ['S1', 'S2']);
    const drained = await rigOf(3, { scale: { min: 2 } });
    await drained.view.drain(['S3']);
    await live(drained, 110);
    assert.deepEqual(names(drained), ['S1', 'S3']);
  });

  for (const [title, options, unsettle] of [
    [
      'one is not healthy',
      {},
      async (rig: FleetRig) => {
        rig.found.set(rig.replica('S1').instance!.endpoint!.port, NOT_READY);
      },
    ],
    [
      'a deploy is under way',
      {},
      async (rig: FleetRig) => {
        await rig.deploys.start({ ...DEPLOY_DEFAULTS, kind: 'restart', watchMs: 200_000 });
      },
    ],
    [
      'one is in its slow start',
      { slowStartMs: 200_000 },
      async (rig: FleetRig) => {
        rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
        await live(rig, 1);
      },
    ],
  ] as const) {
    it(`removes none while ${title}`, async () => {
      const rig = await rigOf(3, { health: { replaceAfterMs: 1_000_000 }, ...options });
      await unsettle(rig);
      await live(rig, 110);
      assert.deepEqual(names(rig), ['S1', 'S2', 'S3']);
    });
  }

  it('never removes a name that was given by hand', async () => {
    const rig = await rigOf(1);
    const adding = rig.view.add(2, ['web', 'api']);
    await live(rig, 1);
    await adding;
    await live(rig, 400);
    assert.deepEqual(names(rig), ['web', 'api']);
    assert.equal(rig.autoscaler.view().decision?.limitedBy, 'given-names');
  });

  it('is not misled by twenty kills', async () => {
    const rig = await rigOf(3, { scale: { min: 3 } });
    for (const name of names(rig)) rig.load(name, 4);
    await live(rig, 15);
    for (let kill = 0; kill < 20; kill++) {
      const name = names(rig)[kill % 3]!;
      rig.driver.die(rig.instanceOf(name), 'SIGKILL');
      const served = wait(rig);
      await live(rig, 1);
      served();
      await live(rig, 9);
    }
    assert.deepEqual([names(rig).length, kinds(rig, 'scaled')], [3, []]);
  });

  it('adds at once while requests wait', async () => {
    const rig = await rigOf(2, { scale: { target: 100 } });
    await live(rig, 3);
    wait(rig);
    await live(rig, 1);
    assert.equal(rig.decisions.at(-1)?.reason, 'waiting');
    await live(rig, 1);
    assert.ok(names(rig).length > 2);
  });

  it('adds at once when the queue was full', async () => {
    const rig = await rigOf(2, { scale: { target: 100 } });
    await live(rig, 3);
    rig.queueing = { longWaits: 0, refused: 1 };
    await live(rig, 1);
    assert.equal(rig.decisions.at(-1)?.to, 3);
  });

  it('stops adding after three failures, and says so', async () => {
    const rig = await rigOf(1);
    for (let number = 2; number < 30; number++) rig.driver.stillborn.add(`S${number}`);
    rig.load('S1', 40);
    await live(rig, 50);
    const starts = rig.driver.of('start').length;
    const [event, ...more] = kinds(rig, 'scale-blocked');
    assert.match(event?.cause ?? '', /^3 additions in a row /);
    assert.deepEqual(more, []);
    assert.equal(rig.autoscaler.view().state, 'blocked');
    await live(rig, 5);
    assert.equal(rig.driver.of('start').length, starts);
  });

  it('tries again when an operator changes its settings', async () => {
    const rig = await rigOf(1);
    for (let number = 2; number < 30; number++) rig.driver.stillborn.add(`S${number}`);
    rig.load('S1', 40);
    await live(rig, 50);
    rig.driver.stillborn.clear();
    rig.bounds.change({ target: 5 }, false);
    assert.equal(rig.autoscaler.view().state, 'on');
    await live(rig, 10);
    assert.ok(names(rig).length > 1);
  });

  it('tries again when an operator makes a size', async () => {
    const rig = await rigOf(1);
    for (let number = 2; number < 30; number++) rig.driver.stillborn.add(`S${number}`);
    rig.load('S1', 40);
    await live(rig, 50);
    assert.equal(rig.autoscaler.view().state, 'blocked');
    rig.bounds.admit(1);
    assert.equal(rig.autoscaler.view().state, 'on');
  });

  it('is not held back by a replica that was unhealthy, as by one that has just been healed', async () => {
    const rig = await rigOf(2, { scale: { target: 100 } });
    await live(rig, 3);
    for (const state of ['unhealthy', 'healthy'] as const)
      rig.registry.states.set(rig.replica('S1'), state, 'a pause');
    wait(rig);
    await live(rig, 1);
    assert.equal(rig.decisions.at(-1)?.reason, 'waiting');
  });

  it('ends with the balancer', async () => {
    const rig = await rigOf(1);
    await live(rig, 2);
    assert.equal(rig.autoscaler.isScaling, true);
    rig.autoscaler.close();
    assert.equal(rig.autoscaler.isScaling, false);
    const before = rig.decisions.length;
    rig.load('S1', 40);
    await live(rig, 20);
    assert.deepEqual([names(rig), rig.decisions.length], [['S1'], before]);
  });

  it('tells a hot key from a full fleet, once', async () => {
    const rig = await rigOf(3);
    await live(rig, 12);
    rig.load('S1', 40);
    await live(rig, 30);
    assert.deepEqual([names(rig).length, kinds(rig, 'hot-key').map(({ replica }) => replica)], [3, ['S1']]);
    assert.equal(rig.autoscaler.view().decision?.limitedBy, 'hot-key');
  });

  it('tells each hot key after three seconds without its hash', async () => {
    const rig = await rigOf(3);
    await live(rig, 12);
    for (const [index, name] of ['S1', 'S2'].entries()) {
      const end = rig.load(name, 40);
      await live(rig, 2);
      assert.equal(kinds(rig, 'hot-key').length, index);
      await live(rig, 1);
      assert.deepEqual(kinds(rig, 'hot-key')[index]?.replica, name);
      for (let count = 0; count < 40; count++) end();
      await live(rig, 2);
    }
  });

  it('names a hot key by the hash that a data thread has found', async () => {
    const rig = await rigOf(3);
    await live(rig, 12);
    rig.load('S1', 40);
    await live(rig, 1);
    assert.equal(rig.threadTable.watched, rig.replica('S1').ordinal);
    rig.threadTable.setCommonKey(0xcafe, 40);
    await live(rig, 1);
    const [event] = kinds(rig, 'hot-key');
    assert.match(event?.cause ?? '', /is on S1, most of it of the key with the hash 0000cafe;/);
  });

  it('does nothing while it is off', async () => {
    const rig = await rigOf(1, { scale: { max: 0 } });
    rig.load('S1', 100);
    const before = rig.clock.pending;
    await live(rig, 60);
    assert.deepEqual([names(rig), rig.decisions, rig.clock.pending], [['S1'], [], before]);
    assert.equal(rig.autoscaler.view().state, 'off');
  });

  it('goes by other options from a reload on', async () => {
    const rig = await rigOf(1, { scale: { max: 0 } });
    rig.load('S1', 40);
    rig.autoscaler.configure({ ...rig.autoscaler.settings, max: 2 });
    await live(rig, 20);
    assert.equal(names(rig).length, 2);
  });

  it('keeps what an operator set where a reload changes nothing', async () => {
    const rig = await rigOf(1);
    const { settings } = rig.autoscaler;
    rig.bounds.change({ max: 3, paused: true }, false);
    rig.autoscaler.configure(settings);
    const { max, state } = rig.autoscaler.view();
    assert.deepEqual([max, state], [3, 'paused']);
  });

  it('goes by the options again where a reload changes them, but stays paused', async () => {
    const rig = await rigOf(1);
    const options = { ...rig.autoscaler.settings, max: 6 };
    rig.bounds.change({ max: 3, paused: true }, false);
    rig.autoscaler.configure(options);
    assert.deepEqual([rig.autoscaler.view().max, rig.autoscaler.view().state], [6, 'paused']);
    rig.bounds.change({ max: 4 }, false);
    rig.autoscaler.configure({ ...options });
    assert.equal(rig.autoscaler.view().max, 4);
  });

  it('shows no decision once it is off', async () => {
    const rig = await rigOf(1);
    await live(rig, 2);
    assert.notEqual(rig.autoscaler.view().decision, null);
    rig.autoscaler.configure({ ...rig.autoscaler.settings, max: 0 });
    const { state, decision, why } = rig.autoscaler.view();
    assert.deepEqual([state, decision, why], ['off', null, 'autoscaling is off; --scale-max turns it on']);
  });
});

describe('a fleet that may go to zero', () => {
  const zero = { min: 0, idleMs: 30_000 };

  it('goes there when no request has come for the idle time', async () => {
    const rig = await rigOf(1, { scale: zero });
    for (let second = 0; second < 60; second++) {
      // requests that are over before a sample sees them
      rig.requests++;
      await live(rig, 1);
    }
    assert.deepEqual(names(rig), ['S1']);
    await live(rig, 31);
    assert.deepEqual([names(rig), kinds(rig, 'scaled').at(-1)?.scale?.reason], [[], 'idle']);
  });

  it('goes there by the time since the last request, whatever is set meanwhile', async () => {
    const rig = await rigOf(1, { scale: zero });
    await live(rig, 20);
    rig.bounds.change({ target: 5 }, false);
    await live(rig, 12);
    assert.deepEqual(names(rig), []);
  });

  it('goes there only once autoscaling has been on for that time', async () => {
    const rig = await rigOf(1, { scale: { ...zero, max: 0 } });
    await live(rig, 60);
    rig.autoscaler.configure({ ...rig.autoscaler.settings, max: 8 });
    await live(rig, 20);
    assert.deepEqual(names(rig), ['S1']);
    await live(rig, 12);
    assert.deepEqual(names(rig), []);
  });

  it('is decided on once a second there too, and after other settings', async () => {
    const rig = await rigOf(1, { scale: zero });
    await live(rig, 40);
    rig.bounds.change({ target: 5 }, false);
    const before = rig.decisions.length;
    await live(rig, 5);
    assert.deepEqual([names(rig), rig.decisions.length - before], [[], 5]);
  });

  it('is ready all the same', async () => {
    const rig = await rigOf(1, { scale: zero });
    await live(rig, 40);
    const { ready, reason } = rig.view.readiness();
    assert.deepEqual([ready, reason], [true, 'No replica runs; the next request starts one']);
  });

  for (const [title, scale] of [
    ['autoscaling is off', { ...zero, max: 0 }],
    ['there is a minimum', { ...zero, min: 1 }],
  ] as const) {
    it(`is not ready where ${title}`, async () => {
      const rig = await rigOf(0, { scale });
      assert.equal(rig.view.readiness().ready, false);
    });
  }

  it('is not ready before it is known what there is', async () => {
    const rig = new FleetRig({ scale: { ...SCALE, ...zero } });
    rig.view.open();
    assert.equal(rig.view.readiness().ready, false);
    rig.autoscaler.open();
    assert.equal(rig.view.readiness().ready, true);
  });

  it('starts a replica for the first request at the next sample', async () => {
    const rig = await rigOf(1, { scale: zero });
    await live(rig, 40);
    wait(rig);
    await rig.advance(STEP_MS, STEP_MS);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    await live(rig, 1);
    assert.deepEqual(names(rig), ['S1']);
  });
});

describe('a size that is changed by hand while autoscaling is on', () => {
  it('stands for the down window', async () => {
    const rig = await rigOf(1);
    const scaling = rig.view.scale(4);
    await live(rig, 1);
    await scaling;
    await live(rig, 58);
    assert.equal(names(rig).length, 4);
    await live(rig, 150);
    assert.equal(names(rig).length, 1);
  });

  it('must not be outside of the bounds, which are named', async () => {
    const rig = await rigOf(1);
    await assert.rejects(rig.view.add(8, []), {
      code: 'bad-request',
      message:
        'that would make 9 replicas, above the maximum of 8 of autoscaling; change that by PUT /scale, or send "force":true, which moves it',
    });
    await assert.rejects(rig.view.remove(1, []), /that would make 0 replicas, below the minimum of 1/);
    await assert.rejects(rig.view.previewScale(9), /above the maximum of 8/);
    assert.deepEqual([names(rig), rig.driver.calls], [['S1'], []]);
  });

  it('may be each of the bounds, and anything while autoscaling is off', async () => {
    const on = await rigOf(1);
    for (const size of [1, 8]) on.bounds.check(size, false);
    const off = await rigOf(1, { scale: { max: 0 } });
    off.bounds.check(9, false);
  });

  it('moves the bound where it is forced', async () => {
    const rig = await rigOf(2, { scale: { min: 2, max: 3 } });
    await rig.view.remove(1, [], true);
    assert.equal(rig.autoscaler.view().min, 1);
    const adding = rig.view.add(4, [], undefined, true);
    await live(rig, 1);
    await adding;
    assert.deepEqual([rig.autoscaler.view().max, names(rig).length], [5, 5]);
  });

  it('leaves everything as it was where it fails', async () => {
    const rig = await rigOf(1, { scale: { max: 2 } });
    rig.driver.stillborn.add('web');
    const adding = rig.view.add(4, ['web'], undefined, true);
    await Promise.all([assert.rejects(adding, { code: 'start-failed' }), live(rig, 2)]);
    await live(rig, 5);
    assert.deepEqual([rig.autoscaler.view().max, names(rig)], [2, ['S1']]);
    const undo = rig.bounds.admit(0);
    assert.equal(rig.autoscaler.view().min, 0);
    undo();
    assert.equal(rig.autoscaler.view().min, 1);
  });
});

describe('settings of autoscaling', () => {
  for (const [change, message] of [
    [{ min: 5, max: 4 }, 'min must be at most max, but min is 5 and max is 4'],
    [{ min: 9 }, 'min must be at most max, but min is 9 and max is 8'],
    [{ max: 17 }, 'max is 17, but max-replicas is 16'],
    [{ min: 0 }, 'min 0 needs --scale-idle above 0'],
  ] as const) {
    it(`are refused as ${JSON.stringify(change)}, and nothing changes`, async () => {
      const rig = await rigOf(1);
      const before = rig.autoscaler.view();
      assert.throws(() => rig.bounds.change(change, false), { code: 'bad-request', message });
      assert.deepEqual(rig.autoscaler.view(), before);
    });
  }

  it('may be as far as the options allow', async () => {
    const rig = await rigOf(1);
    assert.equal(rig.bounds.change({ max: 16 }, false).max, 16);
    assert.equal(rig.bounds.change({ min: 16 }, false).min, 16);
  });

  it('are refused over servers that others run', () => {
    const rig = new FleetRig({ driver: new FakeDriver(false), scale: SCALE });
    assert.throws(() => rig.bounds.change({ max: 3 }, false), {
      code: 'bad-request',
      message: /run by others/,
    });
  });

  it('need a maximum to turn it on', async () => {
    const rig = await rigOf(1, { scale: { max: 0 } });
    assert.throws(() => rig.bounds.change({ target: 3 }, false), /autoscaling is off; a max turns it on/);
    assert.equal(rig.bounds.change({ max: 3 }, false).state, 'on');
  });

  it('show what they would decide, and change nothing in a dry run', async () => {
    const rig = await rigOf(1);
    rig.load('S1', 4);
    await live(rig, 12);
    const { dryRun, desired, target } = rig.bounds.change({ target: 1 }, true);
    assert.deepEqual([dryRun, desired, target], [true, 4, 1]);
    await live(rig, 10);
    assert.deepEqual([names(rig), rig.autoscaler.view().target], [['S1'], 4]);
  });

  it('are shown with the last decision in numbers', async () => {
    const rig = await rigOf(1);
    rig.load('S1', 4);
    await live(rig, 12);
    const { why, n, ready, desired } = rig.autoscaler.view();
    assert.deepEqual([n, ready, desired], [1, 1, 1]);
    assert.equal(
      why,
      '1: 4 requests in flight or waiting over 10 s need 1 at 4 a replica, 4 over 6 s need 1; that is within 10 % of the target',
    );
  });
});
