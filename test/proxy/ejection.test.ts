/** Replicas that take connections and fail requests: ejected for a while, never the last, never in a small fleet. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { FleetRig } from '../helpers/fleet-rig.ts';
import { ok, statusOf } from '../helpers/proxy-message.ts';
import { askOnce, type Balancer, startBalancer } from '../helpers/proxy-process.ts';
import { FakeReplica } from '../helpers/proxy-replica.ts';

const BAD = 'HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n';

/** A balancer of one thread over fake replicas, of which the first `bad` answer 502 to all but probes. */
async function fleet(
  t: TestContext,
  count: number,
  bad: number,
): Promise<{ balancer: Balancer; seen: () => number[] }> {
  const replicas: FakeReplica[] = [];
  const seen = Array.from({ length: count }, () => 0);
  for (let index = 0; index < count; index++) {
    const replica = await FakeReplica.open();
    t.after(() => replica.close());
    replica.serve((request) => {
      if (request.startLine.includes('/heartbeat')) return ok('');
      seen[index] = seen[index]! + 1;
      return index < bad ? BAD : ok('fine');
    });
    replicas.push(replica);
  }
  const balancer = await startBalancer(t, { replicas, flags: ['--probe-interval', '100ms'] });
  return { balancer, seen: () => [...seen] };
}

async function statuses({ port }: Balancer, count: number): Promise<number[]> {
  const got: number[] = [];
  for (let asked = 0; asked < count; asked++) {
    const { client, answer } = await askOnce(port);
    client.close();
    got.push(answer === undefined ? 0 : statusOf(answer));
  }
  return got;
}

/** Causes for which replicas were ejected. */
function ejections({ lines }: Balancer): string[] {
  return lines()
    .filter(({ to }) => to === 'unhealthy')
    .map(({ cause = '' }) => cause)
    .filter((cause) => cause.startsWith('ejected'));
}

test('of five replicas one that fails five requests in a row is ejected, though its probes pass', async (t) => {
  const { balancer, seen } = await fleet(t, 5, 1);
  await eventually('an ejection', async () => {
    await statuses(balancer, 5);
    return ejections(balancer).length > 0;
  });
  assert.match(ejections(balancer)[0]!, /for 10 s/);
  assert.ok(seen()[0]! >= 5);
  const before = seen()[0];
  assert.deepEqual(new Set(await statuses(balancer, 30)), new Set([200]));
  assert.equal(seen()[0], before);
});

test('of four replicas none is ejected for what it answers', async (t) => {
  const { balancer } = await fleet(t, 4, 1);
  await statuses(balancer, 60);
  assert.deepEqual(ejections(balancer), []);
});

test('the last eligible replica is never ejected: its answers are passed on', async (t) => {
  const { balancer } = await fleet(t, 5, 5);
  const got = await statuses(balancer, 120);
  assert.deepEqual(new Set(got), new Set([502]));
  assert.equal(ejections(balancer).length, 4);
});

test('an ejection lasts 10 s, the next 20 s, and a passed probe ends it', async () => {
  const rig = await FleetRig.of(5);
  const replica = rig.replica('S1');
  for (const seconds of [10, 20, 30]) {
    rig.checker.eject(replica);
    assert.equal(replica.state, 'unhealthy');
    await rig.advance(seconds * 1000 - 200, 100);
    assert.equal(replica.state, 'unhealthy', `within ${seconds} s`);
    await rig.advance(400, 100);
    assert.equal(replica.state, 'healthy', `after ${seconds} s`);
  }
});

test('a replica that is ejected again and again stays out for 300 s, and no longer', async () => {
  const rig = await FleetRig.of(5);
  const replica = rig.replica('S1');
  for (let count = 1; count <= 33; count++) {
    const seconds = Math.min(300, 10 * count);
    rig.checker.eject(replica);
    await rig.advance(seconds * 1000 - 1000, 10_000);
    assert.equal(replica.state, 'unhealthy', `ejection ${count} lasts ${seconds} s`);
    // it serves for a few seconds before it fails again
    await rig.advance(5000, 500);
    assert.equal(replica.state, 'healthy', `ejection ${count} lasts ${seconds} s`);
  }
});

test('an ejected replica whose probe fails is not readmitted', async () => {
  const rig = await FleetRig.of(5);
  const replica = rig.replica('S1');
  const before = rig.instanceOf('S1');
  rig.checker.eject(replica);
  rig.hang('S1');
  await rig.advance(10_500, 100);
  // by then another instance may be in its place
  assert.ok(replica.state !== 'healthy' || rig.instanceOf('S1') !== before);
});
