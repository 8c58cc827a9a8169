/** Limits of one client: its requests in a time, and its connections at once. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, headerOf, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig, type RigSettings } from '../helpers/proxy/rig.ts';

const RATE: RigSettings = { rateLimit: 2, rateBurst: 2 };

async function served(t: TestContext, settings: RigSettings): Promise<Rig> {
  const rig = await Rig.open(t, settings);
  for (const replica of rig.replicas) replica.serve();
  return rig;
}

async function statuses(rig: Rig, requests: readonly string[]): Promise<number[]> {
  const client = await rig.client();
  const found: number[] = [];
  for (const request of requests) {
    client.send(request);
    found.push(statusOf(await client.response()));
  }
  return found;
}

test('answers 429 beyond the burst, and keeps the connection', async (t) => {
  const rig = await served(t, RATE);
  assert.deepEqual(await statuses(rig, [get('/'), get('/'), get('/'), get('/')]), [200, 200, 429, 429]);
  assert.equal(rig.replica.requests.length, 2);
});

test('tells a limited client when to come back', async (t) => {
  const rig = await served(t, { rateLimit: 0.1, rateBurst: 1 });
  const client = await rig.client();
  client.send(get('/') + get('/'));
  assert.equal(statusOf(await client.response()), 200);
  const refused = await client.response();
  assert.equal(statusOf(refused), 429);
  assert.equal(headerOf(refused, 'retry-after'), '10');
  assert.match(failureOf(refused), /^<Error> Too many requests/);
  rig.advance(10_000);
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
});

test('limits a client over its connections to all threads', async (t) => {
  const rig = await served(t, { ...RATE, threads: 2 });
  const found: number[] = [];
  for (const worker of [0, 1, 0, 1]) {
    const client = await rig.client(worker);
    client.send(get('/'));
    found.push(statusOf(await client.response()));
  }
  assert.deepEqual(found, [200, 200, 429, 429]);
});

test('tells clients apart by a header, and without it by address', async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1, rateKey: 'x-user' });
  const by = (user: string): string => get('/', `X-User: ${user}\r\n`);
  const requests = [by('a'), by('a'), by('b'), get('/'), get('/'), by('127.0.0.1')];
  assert.deepEqual(await statuses(rig, requests), [200, 429, 200, 200, 429, 200]);
});

test('limits the client that a trusted proxy names', async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1, trustedProxies: ['127.0.0.1'] });
  const from = (address: string): string => get('/', `X-Forwarded-For: ${address}\r\n`);
  const requests = [from('192.0.2.1'), from('192.0.2.1'), from('192.0.2.2')];
  assert.deepEqual(await statuses(rig, requests), [200, 429, 200]);
});

test('limits the addresses of one IPv6 network together', async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1, trustedProxies: ['127.0.0.1'] });
  const from = (address: string): string => get('/', `X-Forwarded-For: ${address}\r\n`);
  const requests = [from('2001:db8::1'), from('2001:db8::2'), from('2001:db8:0:1::1')];
  assert.deepEqual(await statuses(rig, requests), [200, 429, 200]);
});

test('does not limit requests to the control plane', async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1 });
  rig.admin.serve();
  assert.deepEqual(await statuses(rig, [get('/'), get('/rep'), get('/rep'), get('/')]), [200, 200, 200, 429]);
});

test('refuses a limited request before it waits for a replica', async (t) => {
  const rig = await Rig.open(t, { rateLimit: 1, rateBurst: 1, maxInFlight: 1 });
  const [first, second] = [await rig.client(), await rig.client()];
  first.send(get('/'));
  await eventually('the first is in flight', () => rig.inFlight === 1);
  second.send(get('/'));
  assert.equal(statusOf(await second.response()), 429);
  assert.equal(rig.waiting, 0);
});

test('closes behind a limited request whose body is still to come', async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1 });
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
  client.send(post('/', 'x'.repeat(100)).slice(0, -50));
  const refused = await client.response();
  assert.equal(statusOf(refused), 429);
  assert.equal(headerOf(refused, 'connection'), 'close');
  await client.over();
});

test('counts limited requests, and names them in the access log', async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1, accessLog: 'json' });
  await statuses(rig, [get('/a'), get('/b')]);
  rig.tick();
  assert.equal(rig.counts().threads.failuresByCode.get('rate-limited'), 1);
  const line = rig.logged.split('\n').find((text) => text.includes('"path":"/b"')) ?? '';
  const { status, error, client, replica } = JSON.parse(line);
  assert.deepEqual(
    { status, error, client, replica },
    { status: 429, error: 'rate-limited', client: '127.0.0.1', replica: null },
  );
});

test('refuses a connection beyond the limit of its client, over threads', async (t) => {
  const rig = await served(t, { maxConnectionsPerClient: 2, threads: 2 });
  const [first, second] = [await rig.client(0), await rig.client(1)];
  for (const client of [first, second]) {
    client.send(get('/'));
    assert.equal(statusOf(await client.response()), 200);
  }
  const third = await rig.client(0);
  const refused = await third.response();
  assert.equal(statusOf(refused), 429);
  assert.match(failureOf(refused), /connections/);
  await third.over();
  assert.equal(rig.counts().threads.failuresByCode.get('too-many-of-client'), 1);
  first.close();
  await eventually('a connection is taken again', async () => {
    const client = await rig.client(0);
    client.send(get('/'));
    return statusOf(await client.response()) === 200;
  });
});

test('does not limit the connections of a trusted proxy', async (t) => {
  const rig = await served(t, { maxConnectionsPerClient: 1, trustedProxies: ['127.0.0.1'] });
  assert.deepEqual(await statuses(rig, [get('/')]), [200]);
  assert.deepEqual(await statuses(rig, [get('/')]), [200]);
});
