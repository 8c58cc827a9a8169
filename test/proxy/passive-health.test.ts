/** What a worker reports to the control plane of a replica, and what it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CounterSums } from '../../lib/metrics/counter-sums.ts';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import { REFUSING, Rig } from '../helpers/proxy/rig.ts';

test('a refused connection counts against the replica', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  const word = rig.table.stateWord(0);
  rig.place(0, REFUSING);
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  assert.deepEqual(
    rig.reports.map(({ ordinal, word: at, code }) => ({ ordinal, at, code })),
    [{ ordinal: 0, at: word, code: 'connect-refused' }],
  );
});

/** Asks `count` times for what the replica of ordinal 0 owns, each on a connection and with an id of its own. */
async function askAll(rig: Rig, count: number, method = 'POST'): Promise<void> {
  for (const id of rig.idsFor(0, count)) {
    const client = await rig.client();
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\nContent-Length: 0\r\n\r\n`);
    await client.response();
    client.close();
  }
}

const codes = (rig: Rig, ordinal = 0): readonly string[] =>
  rig.reports.filter((report) => report.ordinal === ordinal).map(({ code }) => code);

/** Makes the replica reset the connection of every request. */
function resetAll(rig: Rig, ordinal: number): void {
  const replica = rig.replicas[ordinal]!;
  replica.serve(() => {
    for (const connection of replica.connections) connection.reset();
    return undefined;
  });
}

test('one reset before the response is a hint, not a failure', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  resetAll(rig, 0);
  await askAll(rig, 2);
  assert.deepEqual(codes(rig), ['upstream-reset'], 'one in a second is enough');
  assert.equal(rig.replica.requests.length, 2);
});

test('five requests in a row that were reset count against replica', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  resetAll(rig, 0);
  await askAll(rig, 4);
  assert.ok(!codes(rig).includes('failures-in-a-row'));
  await askAll(rig, 1);
  assert.ok(codes(rig).includes('failures-in-a-row'));
});

test('a request that every replica resets counts against none', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, retries: 2, retryBudget: 1 });
  for (const ordinal of [0, 1, 2]) resetAll(rig, ordinal);
  await askAll(rig, 20, 'GET');
  assert.equal(rig.reports.filter(({ code }) => code === 'failures-in-a-row').length, 0);
  assert.equal(
    rig.counts().replicas[0]!.failedAttempts,
    20,
    'they are counted as failed attempts all the same',
  );
});

test('requests that one replica resets and another serves count against it', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, retries: 2, retryBudget: 1 });
  resetAll(rig, 0);
  for (const ordinal of [1, 2]) rig.replicas[ordinal]!.serve(() => ok('x'));
  await askAll(rig, 5, 'GET');
  assert.ok(codes(rig).includes('failures-in-a-row'));
  assert.deepEqual([...codes(rig, 1), ...codes(rig, 2)], []);
});

test('repeated connection failures count in a row despite passing probes', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  rig.place(0, REFUSING);
  for (let count = 1; count <= 5; count++) {
    await askAll(rig, 1);
    assert.equal(codes(rig).includes('failures-in-a-row'), count === 5);
    rig.setState(0, 'unhealthy');
    rig.setState(0, 'healthy');
  }
  assert.deepEqual(codes(rig).slice(-2), ['failures-in-a-row', 'connect-refused']);
});

test('failures that several threads saw in a row count together', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, threads: 4 });
  rig.replicas[0]!.serve(() => 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
  for (let count = 0; count < 5; count++) {
    assert.deepEqual(codes(rig), []);
    const client = await rig.client(count % 4);
    client.send(get('/', rig.ownedBy(0)));
    await client.response();
  }
  assert.deepEqual(codes(rig), ['failures-in-a-row']);
});

test('failures of requests sent under an earlier state do not count', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000 });
  rig.replicas[0]!.serve(() => undefined);
  rig.replicas[1]!.serve();
  for (const id of rig.idsFor(0, 6)) {
    const client = await rig.client();
    client.send(get('/', `X-Request-Id: ${id}\r\n`));
  }
  await eventually('all are there', () => rig.replicas[0]!.requests.length === 6);
  rig.setState(0, 'unhealthy');
  rig.setState(0, 'healthy');
  rig.advance(1100);
  await rig.settled();
  assert.deepEqual(rig.reports, []);
});

test('that an instance was replaced is never held against the replica', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => undefined);
  const client = await rig.client();
  client.send(get('/'));
  await eventually('it is there', () => rig.replica.requests.length === 1);
  rig.vacate(0);
  rig.advance(6000);
  await rig.settled();
  assert.deepEqual(rig.reports, []);
});

test('a reset within a response counts against the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  await client.take('half');
  replica.reset();
  await client.over();
  await eventually('a report', () => rig.reports.length === 1);
});

test('every read of a response counts as a sign of life', async (t) => {
  const rig = await Rig.open(t);
  const counts = new CounterSums(rig.metrics.memory, rig.table.shape);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  let before = counts.reads(0);
  assert.equal(before, 0);
  for (const part of ['HTTP/1.1 102 P\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n', 'half']) {
    replica.send(part);
    await eventually('a sign of life', () => counts.reads(0) > before);
    before = counts.reads(0);
  }
});

test('a client that disconnects never counts against the replica', async (t) => {
  const rig = await Rig.open(t);
  for (let count = 0; count < 20; count++) {
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    if (count % 2 === 0) replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    if (count % 3 === 0) client.reset();
    else client.close();
    await replica.over();
  }
  await rig.settled();
  assert.deepEqual(rig.reports, []);
});

test('an idle connection that the replica closes never counts against it', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => ok('x'));
  const client = await rig.client();
  for (let count = 0; count < 5; count++) {
    client.send(get('/'));
    assert.equal((await client.response()).body, 'x');
    rig.replica.connections.at(-1)!.close();
    await rig.replica.connections.at(-1)!.closed();
  }
  assert.deepEqual(rig.reports, []);
});

test('a worker avoids a replica that refused until its state changes', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.place(0, REFUSING);
  rig.replicas[1]!.serve(() => ok('second'));
  const client = await rig.client();
  for (let count = 0; count < 5; count++) {
    client.send(get('/', rig.ownedBy(0)));
    assert.equal((await client.response()).body, 'second');
  }
  assert.equal(rig.reports.length, 1, 'it was asked once');
  rig.place(0, { host: '127.0.0.1', port: rig.replicas[0]!.port });
  rig.replicas[0]!.serve(() => ok('first'));
  rig.setState(0, 'healthy');
  client.send(get('/', rig.ownedBy(0)));
  assert.equal((await client.response()).body, 'first');
});

test('a 500 of the application is no gateway failure', async (t) => {
  const rig = await Rig.open(t, { replicas: 5 });
  for (const replica of rig.replicas) replica.serve(() => 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n');
  const client = await rig.client();
  for (let count = 0; count < 12; count++) {
    client.send(get('/'));
    await client.response();
  }
  assert.deepEqual(rig.reports, []);
});

for (const status of [502, 503, 504]) {
  test(`five ${status} in a row count against replica, four do not`, async (t) => {
    const rig = await Rig.open(t, { replicas: 5 });
    for (const replica of rig.replicas)
      replica.serve(() => `HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    const client = await rig.client();
    const ask = async (): Promise<void> => {
      client.send(get('/', rig.ownedBy(0)));
      assert.equal(statusOf(await client.response()), status);
    };
    for (let count = 0; count < 4; count++) await ask();
    assert.deepEqual(rig.reports, []);
    await ask();
    assert.deepEqual(
      rig.reports.map(({ ordinal }) => ordinal),
      [0],
    );
  });
}

test('one good response between gateway failures restarts the count', async (t) => {
  const rig = await Rig.open(t, { replicas: 5 });
  let count = 0;
  for (const replica of rig.replicas)
    replica.serve(() => (++count % 5 === 0 ? ok('') : 'HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n'));
  const client = await rig.client();
  for (let asked = 0; asked < 20; asked++) {
    client.send(get('/', rig.ownedBy(0)));
    await client.response();
  }
  assert.deepEqual(rig.reports, []);
});

test('five response timeouts in a row count against the replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 5, responseTimeoutMs: 1000 });
  rig.replicas[0]!.serve(() => undefined);
  for (let ordinal = 1; ordinal < 5; ordinal++) rig.replicas[ordinal]!.serve();
  const client = await rig.client();
  for (let count = 1; count <= 5; count++) {
    client.send(get('/', rig.ownedBy(0)));
    await eventually('it is there', () => rig.replicas[0]!.requests.length === count);
    assert.deepEqual(rig.reports, []);
    rig.advance(1100);
    assert.equal(statusOf(await client.response()), 200);
  }
  assert.deepEqual(
    rig.reports.map(({ ordinal }) => ordinal),
    [0],
  );
});

test('a request to which no replica responds in time counts against none', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, responseTimeoutMs: 1000, ejectAfter: 1 });
  for (const replica of rig.replicas) replica.serve(() => undefined);
  const client = await rig.client();
  client.send(get('/'));
  const seen = (): number => rig.replicas.reduce((sum, { requests }) => sum + requests.length, 0);
  for (const attempt of [1, 2, 3]) {
    await eventually('the next attempt', () => seen() === attempt);
    rig.advance(1100);
  }
  assert.equal(statusOf(await client.response()), 504);
  assert.deepEqual(rig.reports, []);
});
