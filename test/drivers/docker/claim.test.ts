/** Balancers that contend for one pool before an engine in memory; a real one is in test/docker. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PoolClaim } from '../../../lib/drivers/docker/claim.ts';
import type { ContainerJson } from '../../../lib/drivers/docker/mapper.ts';
import { type Owner, parseOwner } from '../../../lib/drivers/docker/owner.ts';
import { MemoryEngine } from '../../helpers/drivers/memory-engine.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';

describe('the claim on a pool', { skip: process.platform !== 'linux', timeout: 300_000 }, () => {
  let engine: MemoryEngine;
  let claims: PoolClaim[];

  beforeEach(() => {
    engine = new MemoryEngine();
    claims = [];
  });
  afterEach(async () => {
    engine.isAway = false;
    for (const claim of claims) await claim.release();
  });

  function balancer(clock = new FakeClock(), admin = '') {
    const claim = new PoolClaim({ engine, pool: 'p', admin, clock, log: silentLogger });
    claims.push(claim);
    return { claim, clock };
  }

  /** One that has the pool. */
  async function owner(admin = '') {
    const one = balancer(new FakeClock(), admin);
    await one.claim.take();
    return one;
  }

  /** Puts another owner in place of the one whose claim there is. */
  function disguise(change: Partial<Owner>): void {
    const [name, labels] = [...engine.volumes][0]!;
    const claim = JSON.stringify({ ...parseOwner(labels['ringlb.claim'])!, ...change });
    engine.volumes.set(name, { ...labels, 'ringlb.claim': claim });
  }

  const only = () => {
    assert.equal(engine.volumes.size, 1);
    return [...engine.volumes.keys()][0];
  };

  it('is one volume with the label of the pool', async () => {
    await owner();
    assert.equal(only(), 'ringlb-claim-p-1');
    assert.equal(engine.volumes.get('ringlb-claim-p-1')?.['ringlb.pool'], 'p');
  });

  it('is renewed every three seconds under the next number', async () => {
    const { clock } = await owner();
    await pass(clock, 6_000);
    assert.equal(only(), 'ringlb-claim-p-3');
  });

  it('is gone once released, and the pool is free', async () => {
    const { claim } = await owner();
    await claim.release();
    assert.equal(engine.volumes.size, 0);
    await owner();
  });

  it('is left to its owner until it is to be taken', async () => {
    const { claim: first } = await owner();
    const second = balancer().claim;
    second.leaveToOther();
    await assert.rejects(second.ensureHeld(), { code: 'engine-unreachable' });
    assert.deepEqual([second.isOthers, second.isHeld, only()], [true, false, 'ringlb-claim-p-1']);
    await first.release();
    await second.take();
    await second.ensureHeld();
    assert.deepEqual([second.isOthers, second.isHeld], [false, true]);
  });

  it('is refused with the owner named while the owner renews it', async () => {
    const first = await owner('127.0.0.1:5001');
    const second = balancer();
    const refused = assert.rejects(second.claim.take(), {
      code: 'pool-taken',
      message: `The pool p belongs to another balancer (process ${process.pid} on ${hostname()}, admin port 127.0.0.1:5001, since 1970-01-01T00:00:00.000Z): stop that one, or give this one a pool of its own with --pool NAME`,
    });
    await pass(second.clock, 2_000);
    await pass(first.clock, 3_000);
    await pass(second.clock, 1_000);
    await refused;
    await second.claim.release();
    assert.equal(only(), 'ringlb-claim-p-2');
    await first.claim.ensureHeld();
  });

  it('is waited for while its owner, which is to give it up, renews it', async () => {
    const { claim: first, clock: firstClock } = await owner();
    const { claim, clock } = balancer();
    claim.leaveToOther();
    const taken = claim.take();
    await pass(clock, 1_000);
    for (let renewal = 0; renewal < 5; renewal++) {
      await pass(firstClock, 3_000);
      await pass(clock, 3_000);
    }
    assert.equal(claim.isHeld, false);
    await first.release();
    await pass(clock, 1_000);
    await taken;
    assert.equal(claim.isHeld, true);
  });

  it('goes to one of two that ask concurrently', async () => {
    const both = [balancer(), balancer()];
    const asked = both.map(({ claim }) => claim.take());
    const ends = Promise.allSettled(asked);
    for (let second = 0; second < 5; second++) await Promise.all(both.map(({ clock }) => pass(clock, 1_000)));
    const outcomes = (await ends).map(({ status }) => status);
    assert.deepEqual(outcomes.sort(), ['fulfilled', 'rejected']);
    assert.deepEqual(both.filter(({ claim }) => claim.isHeld).length, 1);
  });

  describe('expires at once', () => {
    for (const [title, change] of [
      ['when its process has ended', { pid: 2 ** 22 }],
      ['when another process has its process id', { started: '1' }],
      ['when its container is gone', { container: containerOf('gone') }],
      ['when its container does not run any more', { container: containerOf('ended') }],
      ['when its container was started again', { container: containerOf('running', 'before') }],
      ['when its container waits to be started again', { container: containerOf('waiting') }],
    ] as const) {
      it(title, async () => {
        await owner();
        disguise(change);
        engine.containers.set('ended', inspected({ Running: false }));
        engine.containers.set('running', inspected({}));
        engine.containers.set('waiting', inspected({ Restarting: true }));
        await owner();
        assert.equal(only(), 'ringlb-claim-p-2');
      });
    }
  });

  describe('expires without renewal for ten seconds', () => {
    for (const [title, change] of [
      ['when its process hangs', {}],
      ['when its process is on another host', { boot: 'other', pid: 2 ** 22 }],
      ['when its process is in another namespace', { pidNamespace: 'pid:[1]', pid: 2 ** 22 }],
      ['when its container is paused', { container: containerOf('running') }],
    ] as const) {
      it(title, async () => {
        await owner();
        disguise(change);
        engine.containers.set('running', inspected({}));
        const { claim, clock } = balancer();
        const taken = claim.take();
        await pass(clock, 9_000);
        assert.equal(claim.isHeld, false);
        await pass(clock, 1_000);
        await taken;
        assert.equal(claim.isHeld, true);
      });
    }

    it('when its owner cannot be parsed', async () => {
      engine.volumes.set('ringlb-claim-p-7', { 'ringlb.pool': 'p', 'ringlb.claim': '{"pid":1}' });
      const { claim, clock } = balancer();
      const taken = claim.take();
      await pass(clock, 10_000);
      await taken;
      assert.equal(only(), 'ringlb-claim-p-8');
    });
  });

  it('does not expire while the engine is slow', async () => {
    await owner();
    const { claim, clock } = balancer();
    const taken = claim.take();
    await settled();
    engine.onList = () => clock.advance(9_000);
    await pass(clock, 1_000);
    engine.onList = () => {};
    await pass(clock, 7_000);
    assert.equal(claim.isHeld, false);
    await pass(clock, 1_000);
    await taken;
  });

  it('is lost by an owner that hung, which does nothing more', async () => {
    const first = await owner();
    const second = balancer(new FakeClock(), '127.0.0.1:5002');
    const taken = second.claim.take();
    await pass(second.clock, 10_000);
    await taken;
    await pass(second.clock, 3_000);
    await pass(first.clock, 13_000);
    const { code, message } = await first.claim.lost;
    assert.equal(code, 'pool-taken');
    assert.match(message, /admin port 127\.0\.0\.1:5002/);
    await assert.rejects(first.claim.ensureHeld(), { code: 'pool-taken' });
    await first.claim.release();
    await second.claim.ensureHeld();
    assert.equal(only(), 'ringlb-claim-p-3');
  });

  it('is renewed before its owner acts after a pause', async () => {
    const first = await owner();
    const second = balancer();
    const taken = second.claim.take();
    await pass(second.clock, 10_000);
    await taken;
    // it acts before its timer for the renewal has run
    const clock = first.clock as unknown as { nowMs(): number };
    clock.nowMs = () => 13_000;
    await assert.rejects(first.claim.ensureHeld(), { code: 'pool-taken' });
  });

  it('survives an outage of the engine', async () => {
    const { claim, clock } = await owner();
    engine.isAway = true;
    await pass(clock, 60_000);
    await assert.rejects(claim.ensureHeld(), { code: 'engine-unreachable' });
    engine.isAway = false;
    await claim.ensureHeld();
    await pass(clock, 3_000);
    assert.equal(claim.isHeld, true);
    assert.equal(engine.volumes.size, 1);
  });

  it('survives the removal of its volume', async () => {
    const { claim, clock } = await owner();
    engine.volumes.clear();
    await pass(clock, 3_000);
    assert.equal(only(), 'ringlb-claim-p-2');
    // between the making and the list
    engine.onList = () => engine.volumes.clear();
    await pass(clock, 3_000);
    engine.onList = () => {};
    await claim.ensureHeld();
    assert.equal(claim.isHeld, true);
  });

  it('leaves other volumes alone', async () => {
    engine.volumes.set('ringlb-claim-p-x-1', { 'ringlb.pool': 'p-x' });
    engine.volumes.set('data', { 'ringlb.pool': 'p' });
    const { claim, clock } = await owner();
    await pass(clock, 3_000);
    await claim.release();
    assert.deepEqual([...engine.volumes.keys()], ['ringlb-claim-p-x-1', 'data']);
  });
});

function containerOf(id: string, startedAt = 'now') {
  return { id, name: 'lb', startedAt };
}

function inspected(state: Partial<ContainerJson['State']>): ContainerJson {
  const State = { Running: true, StartedAt: 'now', ExitCode: 0, OOMKilled: false, Error: '', ...state };
  const Config = { Image: 'i', Labels: null };
  return { Id: 'id', Name: '/lb', State, Config, NetworkSettings: { Networks: {} } };
}

/** Lets the time pass second by second, and what happens in each come to its end. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    await settled();
    clock.advance(1_000);
  }
  await settled();
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}
