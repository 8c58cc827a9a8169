/** Debug headers: what they say, which clients get them, and that no replica sees the request for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DebugFor, debugLines, mayDebug } from '../../../lib/proxy/headers/debug-headers.ts';
import { get, headerOf, type Message, ok, statusOf } from '../../helpers/proxy/message.ts';
import { REFUSING, Rig } from '../../helpers/proxy/rig.ts';

const DEBUG = 'X-Ringlb-Debug: 1\r\n';

/** The names of the headers that tell of it. */
function toldBy(message: Message): readonly string[] {
  return message.pairs.map(([name]) => name).filter((name) => name.startsWith('x-ringlb-'));
}

test('a debug response has its replica, attempts and times', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.replicas[1]!.serve(() => ok('hello'));
  const client = await rig.client();
  client.send(get('/', `${DEBUG}${rig.ownedBy(1)}`));
  const response = await client.response();
  assert.equal(response.body, 'hello');
  assert.equal(headerOf(response, 'x-ringlb-replica'), 'S2');
  assert.equal(headerOf(response, 'x-ringlb-attempts'), '1');
  for (const name of ['queue', 'connect', 'first-byte'])
    assert.match(headerOf(response, `x-ringlb-${name}-ms`) ?? '', /^\d+\.\d$/);
});

test('a debug response counts attempts and names the last replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.place(0, REFUSING);
  rig.replicas[1]!.serve(() => ok('second'));
  const client = await rig.client();
  client.send(get('/', `${DEBUG}${rig.ownedBy(0)}`));
  const response = await client.response();
  assert.equal(headerOf(response, 'x-ringlb-replica'), 'S2');
  assert.equal(headerOf(response, 'x-ringlb-attempts'), '2');
});

test('a balancer failure has debug headers without a first-byte time', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  rig.place(0, REFUSING);
  const client = await rig.client();
  client.send(get('/', DEBUG));
  const response = await rig.elapse(client.response());
  assert.equal(statusOf(response), 502);
  assert.equal(headerOf(response, 'x-ringlb-replica'), 'S1');
  assert.deepEqual(toldBy(response), [
    'x-ringlb-replica',
    'x-ringlb-attempts',
    'x-ringlb-queue-ms',
    'x-ringlb-connect-ms',
  ]);
});

test('a failure after queueing has its wait and no replica', async (t) => {
  const rig = await Rig.open(t, { queueTimeoutMs: 1000 });
  rig.setState(0, 'unhealthy');
  const client = await rig.client();
  client.send(get('/', DEBUG));
  const response = await rig.elapse(client.response());
  assert.equal(statusOf(response), 503);
  assert.equal(headerOf(response, 'x-ringlb-attempts'), '0');
  assert.equal(headerOf(response, 'x-ringlb-replica'), undefined);
  assert.ok(Number(headerOf(response, 'x-ringlb-queue-ms')) > 0);
});

for (const value of ['1', '0', 'secret']) {
  test(`a replica never sees X-Ringlb-Debug: ${value}`, async (t) => {
    const rig = await Rig.open(t, { debugFor: 'nobody' });
    const client = await rig.client();
    client.send(get('/', `x-ringlb-DEBUG: ${value}\r\n`));
    const replica = await rig.replica.next();
    assert.equal(headerOf(await replica.request(), 'x-ringlb-debug'), undefined);
    replica.send(ok(''));
    assert.deepEqual(toldBy(await client.response()), []);
  });
}

for (const [title, header] of [
  ['nothing', ''],
  ['a debug header with another value', 'X-Ringlb-Debug: yes\r\n'],
] as const) {
  test(`a response to ${title} has no debug headers`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve(() => ok(''));
    const client = await rig.client();
    client.send(get('/', DEBUG));
    assert.equal(toldBy(await client.response()).length, 5);
    client.send(get('/', header));
    assert.deepEqual(toldBy(await client.response()), []);
  });
}

for (const [ip, trusted, debugFor, isTold] of [
  ['127.0.0.1', false, 'private', true],
  ['10.1.2.3', false, 'private', true],
  ['::1', false, 'private', true],
  ['203.0.113.9', false, 'private', false],
  ['2001:db8::1', false, 'private', false],
  ['127.0.0.1', false, 'loopback', true],
  ['10.1.2.3', false, 'loopback', false],
  ['127.0.0.1', false, 'nobody', false],
  ['127.0.0.1', true, 'private', false],
] as const satisfies readonly (readonly [string, boolean, DebugFor, boolean])[]) {
  const who = trusted ? `the trusted proxy ${ip}` : ip;
  test(`${who} ${isTold ? 'gets' : 'does not get'} debug headers with ${debugFor}`, () => {
    assert.equal(mayDebug({ ip, trusted }, debugFor), isTold);
  });
}

test('times are given to a tenth of a millisecond', () => {
  const facts = { replica: 'S1', attempts: 2, queueMs: 0, connectMs: 1.26, firstByteMs: 1234.5 };
  assert.equal(
    debugLines(facts),
    'x-ringlb-replica: S1\r\nx-ringlb-attempts: 2\r\nx-ringlb-queue-ms: 0.0\r\nx-ringlb-connect-ms: 1.3\r\nx-ringlb-first-byte-ms: 1234.5\r\n',
  );
});
