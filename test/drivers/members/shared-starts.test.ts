import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Peer, Start } from '../../../lib/drivers/driver.ts';
import { SharedStarts } from '../../../lib/drivers/members/shared-docker.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { settle } from '../../helpers/fleet/rig.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const PLACE = { name: 'S1', id: 1, mayAdopt: true };
const BEING_STARTED = { status: 'dead', isStarting: true, endpoint: undefined } as const;

/** A pool of several balancers, of which another acts. */
function pool({ balancers = 2, isActing = false, isDeploying = false } = {}) {
  const inner = new FakeDriver();
  const clock = new FakeClock();
  const peers = Array.from({ length: balancers }, (): Peer => ({ isSelf: false }) as Peer);
  const deploying = { by: peers[0]!, deploy: { id: 'x-1', generation: 2, title: 'v2' } };
  const hold = { members: { isActing, peers, deploying: isDeploying ? deploying : undefined } };
  const starts = new SharedStarts({ inner, hold, clock });
  const advance = async (ms: number): Promise<void> => {
    for (let atMs = 0; atMs < ms; atMs += 100) {
      clock.advance(100);
      await settle();
    }
  };
  return { inner, advance, start: (place: Start = PLACE) => starts.start(place, specWith()) };
}

describe('a start in a shared pool', () => {
  it('takes what the balancer that acts has started', async () => {
    const { inner, advance, start } = pool();
    const started = start();
    await advance(1000);
    const { instanceId } = inner.leave('S1', 1);
    await advance(200);
    assert.equal((await started).instanceId, instanceId);
    assert.deepEqual(inner.calls, []);
  });

  it('does not wait for long where nobody starts anything', async () => {
    const { inner, advance, start } = pool();
    const started = start();
    await advance(4000);
    assert.equal((await started).instanceId, inner.in('S1')!.instanceId);
    assert.deepEqual(inner.calls, ['start S1']);
  });

  it('waits longer for a balancer that deploys, since that one knows the version', async () => {
    const { inner, advance, start } = pool({ isDeploying: true });
    const started = start();
    await advance(9000);
    assert.deepEqual(inner.calls, []);
    await advance(2000);
    await started;
    assert.deepEqual(inner.calls, ['start S1']);
  });

  it('takes nothing for the next version of what runs', async () => {
    const { inner, start } = pool();
    const { instanceId } = inner.leave('S1', 1);
    const next = await start({ ...PLACE, isNext: true });
    assert.deepEqual([next.instanceId === instanceId, next.role], [false, 'next']);
  });

  it('takes nothing for a replica that is being added', async () => {
    const { inner, start } = pool();
    inner.leave('S1', 1);
    await assert.rejects(start({ name: 'S1', id: 1 }), { code: 'name-held' });
  });

  it('takes nothing that was removed', async () => {
    const { inner, advance, start } = pool();
    const { instanceId } = inner.leave('S1', 1, { role: 'removed' });
    const started = start();
    await advance(4000);
    assert.notEqual((await started).instanceId, instanceId);
  });

  it('fails at once where the engine does not respond', async () => {
    const { inner, start } = pool({ isActing: true });
    inner.failNext('start', 'engine-unreachable');
    await assert.rejects(start(), { code: 'engine-unreachable' });
  });

  it('leaves what runs under the name and cannot be reached', async () => {
    const { inner, advance, start } = pool();
    inner.leave('S1', 1, { endpoint: undefined });
    const failed = assert.rejects(start(), { code: 'name-held' });
    await advance(15_000);
    await failed;
    assert.deepEqual([inner.of('retire'), inner.of('remove')], [[], []]);
  });

  for (const isActing of [true, false])
    it(`waits for an engine that is slow to start what another created${isActing ? ', also where it acts' : ''}`, async () => {
      const { inner, advance, start } = pool({ isActing });
      const created = inner.leave('S1', 1, BEING_STARTED);
      const started = start();
      await advance(60_000);
      Object.assign(created, { status: 'running', endpoint: { host: '127.0.0.1', port: 1 } });
      await advance(200);
      assert.equal((await started).instanceId, created.instanceId);
      assert.deepEqual(inner.of('retire'), []);
    });

  for (const [what, balancers, ms] of [
    ['by a balancer that has ended', 1, 15_000],
    ['for longer than the engine gives a start', 2, 160_000],
  ] as const)
    it(`makes room where something was being started ${what}`, async () => {
      const { inner, advance, start } = pool({ balancers });
      const { instanceId } = inner.leave('S1', 1, BEING_STARTED);
      const failed = assert.rejects(start(), { code: 'name-held' });
      await advance(ms);
      await failed;
      assert.deepEqual(inner.of('retire'), [`${instanceId} replaced`]);
      assert.equal(inner.instances.size, 0);
    });
});
