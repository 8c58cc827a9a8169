/** `--sticky`: a cookie keeps a client on the replica that served it first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, headerOf, headersOf, type Message, ok, statusOf } from '../helpers/proxy/message.ts';
import { REFUSING, Rig, type RigSettings } from '../helpers/proxy/rig.ts';
import { SWITCHED, UPGRADE } from '../helpers/proxy/scenes.ts';

type TestContext = { after(run: () => unknown): void };

/** Replicas that respond with their name and the Cookie header that they were sent. */
async function rigWith(t: TestContext, settings: RigSettings = {}): Promise<Rig> {
  const rig = await Rig.open(t, { replicas: 3, sticky: 'lb', ...settings });
  for (const [ordinal, replica] of rig.replicas.entries())
    replica.serve((request) => ok(`S${ordinal + 1} ${headersOf(request, 'cookie').join('|')}`));
  return rig;
}

async function ask(rig: Rig, headers = ''): Promise<Message> {
  const client = await rig.client();
  client.send(get('/', headers));
  return client.response();
}

const cookieFor = (rig: Rig, ordinal: number): string => `Cookie: lb=${rig.tokenOf(ordinal)}\r\n`;
const setFor = (rig: Rig, ordinal: number): string =>
  `lb=${rig.tokenOf(ordinal)}; Path=/; HttpOnly; SameSite=Lax`;

test('a client without the cookie is sent that of its replica', async (t) => {
  const rig = await rigWith(t);
  const response = await ask(rig, rig.ownedBy(1));
  assert.equal(response.body, 'S2 ');
  assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
  assert.deepEqual(headersOf(response, 'cache-control'), ['private']);
});

test('the cookie beats the key, is not set again and not passed on', async (t) => {
  const rig = await rigWith(t);
  const headers = `Cookie: a=b; lb=${rig.tokenOf(2)}; c=d\r\n${rig.ownedBy(0)}`;
  const response = await ask(rig, headers);
  assert.equal(response.body, 'S3 a=b; c=d');
  assert.equal(headerOf(response, 'set-cookie'), undefined);
  assert.equal(headerOf(response, 'cache-control'), undefined);
});

test('without --sticky a cookie of that name passes, and none is set', async (t) => {
  const rig = await rigWith(t, { sticky: '' });
  const response = await ask(rig, `${cookieFor(rig, 2)}${rig.ownedBy(0)}`);
  assert.equal(response.body, `S1 lb=${rig.tokenOf(2)}`);
  assert.equal(headerOf(response, 'set-cookie'), undefined);
});

for (const [title, value] of [
  ['unknown', 'x'.repeat(22)],
  ['too long', 'x'.repeat(65)],
  ['empty', ''],
] as const)
  test(`a cookie that is ${title} is as none`, async (t) => {
    const rig = await rigWith(t);
    const response = await ask(rig, `Cookie: lb=${value}\r\n${rig.ownedBy(1)}`);
    assert.equal(response.body, 'S2 ');
    assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
  });

test('a cookie that comes twice is as none', async (t) => {
  const rig = await rigWith(t);
  const headers = `Cookie: lb=${rig.tokenOf(2)}; lb=${rig.tokenOf(0)}\r\n${rig.ownedBy(1)}`;
  const response = await ask(rig, headers);
  assert.equal(response.body, 'S2 ');
  assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
});

test('the cookie has a Max-Age with --sticky-ttl', async (t) => {
  const rig = await rigWith(t, { stickyTtlMs: 90_000 });
  const response = await ask(rig, rig.ownedBy(0));
  assert.deepEqual(headersOf(response, 'set-cookie'), [`${setFor(rig, 0)}; Max-Age=90`]);
});

test('the cookie is Secure where a trusted proxy speaks https', async (t) => {
  const rig = await rigWith(t, { trustedProxies: ['127.0.0.1'] });
  const response = await ask(rig, `X-Forwarded-Proto: https\r\n${rig.ownedBy(0)}`);
  assert.deepEqual(headersOf(response, 'set-cookie'), [`${setFor(rig, 0)}; Secure`]);
});

test('a client that only says that it speaks https is not believed', async (t) => {
  const rig = await rigWith(t);
  const response = await ask(rig, `X-Forwarded-Proto: https\r\n${rig.ownedBy(0)}`);
  const isTls = process.env.RINGLB_TEST_TLS === '1';
  assert.deepEqual(headersOf(response, 'set-cookie'), [`${setFor(rig, 0)}${isTls ? '; Secure' : ''}`]);
});

test('a Cache-Control of the replica is left as it is', async (t) => {
  const rig = await rigWith(t);
  rig.replica.serve(() => ok('S1', 'cache-control: no-store\r\n'));
  const response = await ask(rig, rig.ownedBy(0));
  assert.deepEqual(headersOf(response, 'cache-control'), ['no-store']);
});

test('the load bound is not for clients with the cookie', async (t) => {
  const rig = await rigWith(t, { loadFactor: 1, loadFloor: 0 });
  for (let request = 0; request < 20; request++) rig.thread.table.acquire(2, 99);
  t.after(() => {
    for (let request = 0; request < 20; request++) rig.thread.table.release(2);
  });
  assert.equal((await ask(rig, cookieFor(rig, 2))).body, 'S3 ');
  assert.notEqual((await ask(rig, rig.ownedBy(2))).body, 'S3 ');
});

test('a client whose replica is full goes to another and gets its cookie', async (t) => {
  const rig = await rigWith(t, { maxInFlight: 1 });
  rig.thread.table.acquire(2, 1);
  t.after(() => rig.thread.table.release(2));
  const response = await ask(rig, `${cookieFor(rig, 2)}${rig.ownedBy(1)}`);
  assert.equal(response.body, 'S2 ');
  assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
});

test('a client whose replica is down gets the cookie of another', async (t) => {
  const rig = await rigWith(t);
  rig.setState(2, 'unhealthy');
  const response = await ask(rig, `${cookieFor(rig, 2)}${rig.ownedBy(1)}`);
  assert.equal(response.body, 'S2 ');
  assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
});

test('with keep a client whose replica is down keeps its cookie', async (t) => {
  const rig = await rigWith(t, { stickyOnOutage: 'keep' });
  rig.vacate(2);
  rig.restore(2);
  rig.setState(2, 'starting');
  const response = await ask(rig, `${cookieFor(rig, 2)}${rig.ownedBy(1)}`);
  assert.equal(response.body, 'S2 ');
  assert.equal(headerOf(response, 'set-cookie'), undefined);
  rig.setState(2, 'healthy');
  assert.equal((await ask(rig, cookieFor(rig, 2))).body, 'S3 ');
});

test('with keep a client whose replica was removed gets another cookie', async (t) => {
  const rig = await rigWith(t, { stickyOnOutage: 'keep' });
  rig.setState(2, 'draining');
  const response = await ask(rig, `${cookieFor(rig, 2)}${rig.ownedBy(1)}`);
  assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
});

test('a drained replica serves its own clients, and no new ones', async (t) => {
  const rig = await rigWith(t);
  rig.setState(2, 'sessions-only');
  const own = await ask(rig, cookieFor(rig, 2));
  assert.equal(own.body, 'S3 ');
  assert.equal(headerOf(own, 'set-cookie'), undefined);
  assert.notEqual((await ask(rig, rig.ownedBy(2))).body, 'S3 ');
});

test('a retry that ends elsewhere sets the cookie of that replica', async (t) => {
  const rig = await rigWith(t);
  rig.place(2, REFUSING);
  const response = await ask(rig, `${cookieFor(rig, 2)}${rig.ownedBy(1)}`);
  assert.equal(response.body, 'S2 ');
  assert.deepEqual(headersOf(response, 'set-cookie'), [setFor(rig, 1)]);
});

test('a client that waits for its full replica is its first', async (t) => {
  const rig = await rigWith(t, { replicas: 1, maxInFlight: 1 });
  rig.thread.table.acquire(0, 1);
  const client = await rig.client();
  client.send(get('/', cookieFor(rig, 0)));
  await eventually('the client waits', () => rig.waiting === 1);
  rig.thread.table.release(0);
  rig.table.wakeAll();
  assert.equal((await client.response()).body, 'S1 ');
});

test('a failure of the balancer sets no cookie', async (t) => {
  const rig = await rigWith(t, { replicas: 1, retries: 0 });
  rig.place(0, REFUSING);
  const response = await ask(rig);
  assert.equal(statusOf(response), 502);
  assert.equal(headerOf(response, 'set-cookie'), undefined);
});

test('an upgrade follows the cookie, and sets it', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, sticky: 'lb' });
  for (const [headers, setCookies] of [
    [rig.ownedBy(1), [setFor(rig, 1)]],
    [`${cookieFor(rig, 1)}${rig.ownedBy(0)}`, []],
  ] as const) {
    const client = await rig.client();
    client.send(UPGRADE.replace('\r\n\r\n', `\r\n${headers}\r\n`));
    const held = await rig.replicas[1]!.next();
    assert.equal(headerOf(await held.request(), 'cookie'), undefined);
    held.send(SWITCHED);
    const head = await client.response();
    assert.deepEqual(headersOf(head, 'set-cookie'), setCookies);
    client.close();
    held.close();
  }
  await rig.settled();
});
