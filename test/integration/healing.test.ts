import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

const OPTIONS = '--hash-key header:x-user --probe-interval 200ms --probe-timeout 1s';
const USERS = Array.from({ length: 24 }, (_, index) => `user-${index}`);

/** The replica of each user. */
async function homes(balancer: Balancer): Promise<readonly string[]> {
  const names: string[] = [];
  for (const user of USERS) names.push(await balancer.home({ 'x-user': user }));
  return names;
}

describe('a balancer whose replicas die', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready(OPTIONS);
  });
  afterEach(() => balancer.untilHealthy(3));
  after(() => balancer.stop());

  /** Sends the signal to a replica under load; resolves once another instance is healthy in its place. */
  async function endUnderLoad(name: string, signal: NodeJS.Signals): Promise<void> {
    const before = await balancer.replica(name);
    const load = new SteadyLoad(balancer.publicPort);
    await load.more(100);
    process.kill(Number.parseInt(before.instance!, 10), signal);
    await eventually('another healthy instance', async () => {
      const { state, instance } = await balancer.replica(name);
      return state === 'healthy' && instance !== before.instance;
    });
    await load.more(100);
    await load.end();
    assert.deepEqual(load.failures, []);
    assert.equal((await balancer.replica(name)).restarts, before.restarts + 1);
  }

  it('replaces a killed replica without a failed request', async () => {
    await endUnderLoad('S1', 'SIGKILL');
  });

  it('replaces one that was healed before, and no request fails', async () => {
    await endUnderLoad('S1', 'SIGKILL');
  });

  it('replaces one that was added later, and no request fails', async () => {
    await balancer.ask('POST', '/add', { body: { n: 1, hostnames: ['late'] } });
    await endUnderLoad('late', 'SIGKILL');
    await balancer.ask('DELETE', '/rm', { body: { n: 1, hostnames: ['late'] } });
  });

  it('replaces one that hangs, and no request fails', async () => {
    await endUnderLoad('S2', 'SIGSTOP');
    assert.ok(balancer.transitions.includes('S2 healthy→unhealthy: probes failed: no response in 1000 ms'));
  });

  it('moves no hash key by healing', async () => {
    const before = await homes(balancer);
    assert.deepEqual([...new Set(before)].sort(), ['S1', 'S2', 'S3']);
    const { instance } = await balancer.replica(before[0]!);
    process.kill(Number.parseInt(instance!, 10), 'SIGKILL');
    // while it is gone its keys are elsewhere, and all others where they were
    await balancer.home({ 'x-user': USERS[0]! });
    await eventually('its healing', async () => {
      const healed = await balancer.replica(before[0]!);
      return healed.state === 'healthy' && healed.instance !== instance;
    });
    assert.deepEqual(await homes(balancer), before);
  });

  it('sends a hash key to the same replica after a restart', async () => {
    const before = await homes(balancer);
    const other = await Balancer.ready(OPTIONS);
    try {
      assert.deepEqual(await homes(other), before);
    } finally {
      await other.stop();
    }
  });

  it('logs one line of JSON for every change of state', async () => {
    const { instance } = await balancer.replica('S3');
    const { length } = balancer.lines;
    process.kill(Number.parseInt(instance!, 10), 'SIGKILL');
    const [died, healed] = await eventually('two changes', () => {
      const changes = balancer.lines
        .slice(length)
        .filter(({ replica, to }) => replica === 'S3' && to !== undefined);
      return changes.some(({ to }) => to === 'healthy') && changes;
    });
    const { ms: diedMs, instance: _, ...diedRest } = { ...died!, time: undefined };
    assert.deepEqual(diedRest, {
      level: 'warn',
      time: undefined,
      component: 'fleet',
      replica: 'S3',
      from: 'healthy',
      to: 'starting',
      cause: 'SIGKILL',
      msg: 'S3 died (SIGKILL), starting another',
    });
    assert.equal(typeof diedMs, 'number');
    const { component, level, from, to, cause, ms } = healed!;
    assert.deepEqual(
      [component, level, from, to, cause, typeof ms],
      ['fleet', 'info', 'starting', 'healthy', 'probe passed: 200', 'number'],
    );
  });
});
