/** A pool that belongs to one balancer or to several, before an engine in memory; a real one is in test/docker. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { parseOwner, thisOwner } from '../../../lib/drivers/docker/owner.ts';
import { Membership } from '../../../lib/drivers/members/membership.ts';
import { OwnedPool, refuseOwner } from '../../../lib/drivers/members/pool-mode.ts';
import { parseRecord, textOf } from '../../../lib/drivers/members/record.ts';
import { volumeStore } from '../../../lib/drivers/members/volume-store.ts';
import { MemoryEngine } from '../../helpers/drivers/memory-engine.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';

const ENDED = { pid: 2 ** 22 };

describe('a pool', { skip: process.platform !== 'linux' }, () => {
  let engine: MemoryEngine;
  let clock: FakeClock;
  beforeEach(() => {
    engine = new MemoryEngine();
    clock = new FakeClock();
  });

  /** Of a clock of its own it renews nothing, as one that hangs. */
  function owner(own = clock): OwnedPool {
    return new OwnedPool({ engine, pool: 'p', admin: '', clock: own, log: silentLogger });
  }

  async function join(own = clock): Promise<Membership> {
    const member = new Membership({
      store: volumeStore(engine, 'p'),
      owner: thisOwner('', 0, undefined),
      isGone: async () => false,
      clock: own,
      log: silentLogger,
    });
    await member.join();
    return member;
  }

  /** Gives the outcome of the promise, as time goes by, and how long that took. */
  async function elapse(promise: Promise<unknown>) {
    let outcome: string | undefined;
    promise.then(
      () => {
        outcome = '';
      },
      (error: Error) => {
        outcome = error.message;
      },
    );
    const sinceMs = clock.nowMs();
    for (;;) {
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
      if (outcome !== undefined) return { outcome, ms: clock.nowMs() - sinceMs };
      clock.advance(100);
    }
  }

  const volumes = (label: string): readonly string[] =>
    [...engine.volumes].filter(([, labels]) => label in labels).map(([name]) => name);
  const claims = () => volumes('ringlb.claim');

  it('is refused to several where one owns it', async () => {
    await owner().take();
    const { outcome } = await elapse(refuseOwner(engine, 'p', clock));
    assert.match(outcome, /^The pool p belongs to one balancer \(process \d+ on .*\): start that one with/);
  });

  it('is refused to an owner where several share it', async () => {
    await join();
    const { outcome } = await elapse(owner().take());
    assert.match(outcome, /^The pool p is shared by several balancers \(process \d+ on .*\): start this one/);
    assert.deepEqual(claims(), []);
  });

  it('is refused to an owner where another joins in the moment of its claim', async () => {
    engine.onList = () => {
      if (claims().length === 0) return;
      engine.onList = () => {};
      void join();
    };
    const { outcome } = await elapse(owner().take());
    assert.match(outcome, /^The pool p is shared by several balancers/);
    assert.deepEqual(claims(), []);
  });

  for (const [kind, begin, ask] of [
    ['owner', (own: FakeClock) => owner(own).take(), () => refuseOwner(engine, 'p', clock)],
    ['member', join, () => owner().take()],
  ] as const) {
    it(`is free once its ${kind} has renewed nothing for ten seconds`, async () => {
      await begin(new FakeClock());
      assert.deepEqual(await elapse(ask()), { outcome: '', ms: 10_000 });
    });

    it(`is free at once where its ${kind} has ended`, async () => {
      await begin(new FakeClock());
      const [[name, labels]] = [...engine.volumes] as [[string, Record<string, string>]];
      const record = parseRecord(labels['ringlb.member']);
      const claim = parseOwner(labels['ringlb.claim']);
      const ended = record
        ? { 'ringlb.member': textOf({ ...record, owner: { ...record.owner, ...ENDED } }) }
        : { 'ringlb.claim': JSON.stringify({ ...claim, ...ENDED }) };
      engine.volumes.set(name, { ...labels, ...ended });
      assert.deepEqual(await elapse(ask()), { outcome: '', ms: 0 });
    });
  }

  it('with another name is another', async () => {
    await new OwnedPool({ engine, pool: 'q', admin: '', clock, log: silentLogger }).take();
    assert.deepEqual(await elapse(refuseOwner(engine, 'p', clock)), { outcome: '', ms: 0 });
  });

  it('has one volume for each member, a new one for each renewal', async () => {
    const [a, b] = [await join(), await join()];
    const first = volumes('ringlb.member');
    assert.equal(first.length, 2);
    clock.advance(1000);
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    const second = volumes('ringlb.member');
    assert.deepEqual([second.length, second.some((name) => first.includes(name))], [2, false]);
    await a.close();
    await b.close();
    assert.equal(engine.volumes.size, 0);
  });

  it('has a turn of each kind that belongs to the first who takes it', async () => {
    const store = volumeStore(engine, 'p');
    await store.putTurn('size', 7, 'a');
    await store.putTurn('size', 7, 'b');
    await store.putTurn('deploy', 7, 'c');
    await volumeStore(engine, 'q').putTurn('size', 8, 'd');
    const [turn, ...others] = await store.turns('size');
    assert.deepEqual([turn?.number, turn?.token, others], [7, 'a', []]);
    assert.deepEqual(
      (await store.turns('deploy')).map(({ token }) => token),
      ['c'],
    );
    await store.remove(turn!.key);
    assert.deepEqual(await store.turns('size'), []);
  });
});
