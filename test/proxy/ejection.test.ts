/** Replicas that accept connections and fail requests: ejected for a while, in a fleet of any size, never the last. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { ok, statusOf } from '../helpers/proxy/message.ts';
import { askOnce, type Balancer, startBalancer } from '../helpers/proxy/process.ts';
import { FakeReplica } from '../helpers/proxy/replica.ts';

const BAD = 'HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n';

/** A balancer of one thread over fake replicas, of which the first `bad` answer 502 to all but probes. */
async function fleet(
  t: TestContext,
  count: number,
  bad: number,
  flags: readonly string[] = [],
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
  const balancer = await startBalancer(t, { replicas, flags: ['--probe-interval', '1s', ...flags] });
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

function isEjection(cause = ''): boolean {
  return cause.startsWith('ejected');
}

/** Causes for which replicas were ejected. */
function ejections({ lines }: Balancer): string[] {
  return lines()
    .filter(({ to }) => to === 'unhealthy')
    .map(({ cause = '' }) => cause)
    .filter(isEjection);
}

for (const count of [2, 3, 5]) {
  test(`of ${count} replicas one failing five requests is ejected despite probes`, async (t) => {
    const { balancer, seen } = await fleet(t, count, 1);
    await eventually('an ejection', async () => {
      await statuses(balancer, 5);
      return ejections(balancer).length > 0;
    });
    assert.match(ejections(balancer)[0]!, /for 10 s: requests failed in a row/);
    assert.ok(seen()[0]! >= 5);
  });
}

test('of five failing replicas only two are ejected', async (t) => {
  const { balancer } = await fleet(t, 5, 5);
  const got = await statuses(balancer, 120);
  assert.deepEqual(new Set(got), new Set([502]));
  // once the first is back another may be
  const changes = balancer.lines().filter(({ from, cause }) => from === 'unhealthy' || isEjection(cause));
  const end = changes.findIndex(({ from }) => from === 'unhealthy');
  assert.equal((end < 0 ? changes : changes.slice(0, end)).length, 2);
});

test('none is ejected with --eject-after 0 and --eject-outliers off', async (t) => {
  const { balancer } = await fleet(t, 3, 1, ['--eject-after', '0', '--eject-outliers', 'off']);
  await statuses(balancer, 60);
  assert.deepEqual(ejections(balancer), []);
});

/** A balancer over three servers, the first of which does `first` with each request. */
async function over(
  t: TestContext,
  first: (connection: { reset(): void }, count: number) => string | undefined,
  flags: readonly string[],
): Promise<Balancer> {
  const replicas = await Promise.all([0, 1, 2].map(() => FakeReplica.open()));
  let count = 0;
  for (const [index, replica] of replicas.entries()) {
    t.after(() => replica.close());
    replica.serve((request, connection) => {
      if (request.startLine.includes('/heartbeat') || index > 0) return ok('');
      return first(connection, ++count);
    });
  }
  return startBalancer(t, { replicas, flags: ['--probe-interval', '1s', ...flags] });
}

test('of three replicas an unresponsive one is ejected after five requests', async (t) => {
  let sent = 0;
  const neverRespond = (_connection: unknown, count: number): undefined => {
    sent = count;
  };
  const balancer = await over(t, neverRespond, ['--response-timeout', '1s']);
  const got: number[] = [];
  while (ejections(balancer).length === 0 && got.length < 300) got.push(...(await statuses(balancer, 1)));
  assert.deepEqual(new Set(got), new Set([200]));
  assert.ok(sent >= 5 && sent <= 10, `${sent} were sent to it`);
});

test('a replica that resets every second request is ejected without flapping', async (t) => {
  const balancer = await over(
    t,
    (connection, count) => {
      if (count % 2 === 0) return ok('');
      connection.reset();
      return undefined;
    },
    ['--retries', '0', '--eject-after', '1'],
  );
  await statuses(balancer, 300);
  const changes = balancer.lines().filter(({ to }) => to === 'unhealthy' || to === 'healthy');
  assert.ok(ejections(balancer).length >= 1);
  assert.ok(changes.length <= 12, `${changes.length} changes of state`);
});
