/** What the data thread tells the control plane of a replica, and what it keeps to itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy-message.ts';
import { REFUSING, Rig } from '../helpers/proxy-rig.ts';

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

test('a reset before the answer counts against the replica', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.reset();
  assert.equal(statusOf(await client.response()), 502);
  assert.equal(rig.reports.length, 1);
});

test('a reset in mid-answer counts against the replica', async (t) => {
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

test('a client that leaves never counts against the replica', async (t) => {
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

test('a thread turns away from a replica that refused it until the control plane says something new', async (t) => {
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

test('a 500 of the application does not count as a gateway failure', async (t) => {
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
  test(`five answers ${status} in a row count against the replica, four do not`, async (t) => {
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

test('one good answer between gateway failures starts the count again', async (t) => {
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

test('five answers too late in a row count against the replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 5, responseTimeoutMs: 1000 });
  rig.replicas[0]!.serve(() => undefined);
  const client = await rig.client();
  for (let count = 1; count <= 5; count++) {
    client.send(get('/', rig.ownedBy(0)));
    await eventually('it is there', () => rig.replicas[0]!.requests.length === count);
    assert.deepEqual(rig.reports, []);
    rig.advance(1100);
    assert.equal(statusOf(await client.response()), 504);
  }
  assert.deepEqual(
    rig.reports.map(({ ordinal }) => ordinal),
    [0],
  );
});
