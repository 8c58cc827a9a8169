import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Peer } from '../../../lib/drivers/driver.ts';
import { SharedStarts } from '../../../lib/drivers/members/shared-docker.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { settle } from '../../helpers/fleet/rig.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const PLACE = { name: 'S1', id: 1, mayAdopt: true };
const BEING_STARTED = { status: 'dead', isStarting: true, endpoint: undefined } as const;

/** A pool of several balancers, of which another acts. */
function pool({ balancers = 2, isActing = false } = {}) {
  const inner = new FakeDriver();
  const clock = new FakeClock();
  const peers = Array.from({ length: balancers }, (): Peer => ({ isSelf: false }) as Peer);
  const hold = { members: { isActing, peers, deploying: undefined } };
  const starts = new SharedStarts({ inner, hold, clock });
  const advance = async (ms: number): Promise<void> => {
    for (let atMs = 0; atMs < ms; atMs += 100) {
      clock.advance(100);
      await settle();
    }
  };
  return { inner, advance, start: () => starts.start(PLACE, specWith()) };
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
