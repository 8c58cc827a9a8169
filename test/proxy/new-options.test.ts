/** Options that change while the threads run: what the next request finds, and what stays as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import { WorkerPoolRig } from './worker-pool-rig.ts';

/** A client with a connection that has carried a request. */
async function usedClient(rig: WorkerPoolRig) {
  const client = await rig.client();
  client.send(get('/first'));
  assert.equal(statusOf(await client.response()), 200);
  return client;
}

test("a new time limit holds for an open connection's next request", async (t) => {
  const rig = await WorkerPoolRig.open(t, { responseTimeoutMs: 60_000 });
  rig.replicas[0]!.serve((request) => (request.startLine.includes('/first') ? ok('hello') : undefined));
  const client = await usedClient(rig);
  await rig.configure({ responseTimeoutMs: 100 });
  client.send(get('/silent'));
  assert.equal(statusOf(await client.response()), 504);
});

test('a request under way survives new options', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replicas[0]!.next();
  await replica.request();
  await rig.configure({ maxInFlight: 1, retries: 0, hashKey: [{ kind: 'path' }], accessLog: 'json' });
  replica.send(ok('hello'));
  assert.equal((await client.response()).body, 'hello');
  await eventually('its line in the log', () => rig.logged === 1);
});

test('a new hash key places the next request', async (t) => {
  const rig = await WorkerPoolRig.open(t, { replicas: 2, hashKey: [{ kind: 'path' }] });
  for (const [ordinal, replica] of rig.replicas.entries()) replica.serve(() => ok(`S${ordinal}`));
  const client = await rig.client();
  const served = async (headers: string): Promise<string> => {
    client.send(get('/same', headers));
    return (await client.response()).body;
  };
  const before = new Set<string>();
  for (let user = 0; user < 50; user++) before.add(await served(`X-User: ${user}\r\n`));
  assert.equal(before.size, 1);
  await rig.configure({ hashKey: [{ kind: 'header', name: 'x-user' }] });
  const later = new Set<string>();
  for (let user = 0; user < 50; user++) later.add(await served(`X-User: ${user}\r\n`));
  assert.equal(later.size, 2);
});

test('a smaller limit of a request head refuses the next one', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  rig.replicas[0]!.serve();
  const client = await usedClient(rig);
  await rig.configure({ maxTargetBytes: 256 });
  client.send(get(`/${'x'.repeat(400)}`));
  assert.equal(statusOf(await client.response()), 414);
});

/** A request whose head is not plain, so that it is scanned field by field: blanks in front of a value. */
const scanned = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost:   a\r\n${fields}\r\n`;

test('a larger limit of a head holds for a connection that is open', async (t) => {
  const rig = await WorkerPoolRig.open(t, { maxHeadBytes: 1024 });
  rig.replicas[0]!.serve();
  const client = await rig.client();
  client.send(scanned('/first'));
  assert.equal(statusOf(await client.response()), 200);
  await rig.configure({ maxHeadBytes: 8192 });
  client.send(scanned('/', `X-Long: ${'x'.repeat(2000)}\r\n`));
  assert.equal(statusOf(await client.response()), 200);
});

test('a smaller limit of a head holds for a connection that is open', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  rig.replicas[0]!.serve();
  const client = await rig.client();
  client.send(scanned('/first'));
  assert.equal(statusOf(await client.response()), 200);
  await rig.configure({ maxHeadBytes: 1024 });
  client.send(scanned('/', `X-Long: ${'x'.repeat(2000)}\r\n`));
  assert.equal(statusOf(await client.response()), 431);
});

test("with Node's parser a larger limit of a head holds for new connections", async (t) => {
  const rig = await WorkerPoolRig.open(t, { parser: 'node', maxHeadBytes: 1024 });
  rig.replicas[0]!.serve();
  await rig.configure({ maxHeadBytes: 8192 });
  const client = await rig.client();
  client.send(get('/', `X-Long: ${'x'.repeat(2000)}\r\n`));
  assert.equal(statusOf(await client.response()), 200);
});

test('a larger number of trailers holds for a connection that is open', async (t) => {
  const rig = await WorkerPoolRig.open(t, { maxHeaders: 8 });
  rig.replicas[0]!.serve();
  const client = await rig.client();
  const post = (trailers: string): string =>
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n${trailers}\r\n`;
  client.send(post(''));
  assert.equal(statusOf(await client.response()), 200);
  await rig.configure({ maxHeaders: 100 });
  client.send(post('X-A: b\r\n'.repeat(20)));
  assert.equal(statusOf(await client.response()), 200);
});

test('a rate limit that is switched on counts over all threads', async (t) => {
  const rig = await WorkerPoolRig.open(t, { threads: 2 });
  rig.replicas[0]!.serve();
  const client = await usedClient(rig);
  await rig.configure({ rateLimit: 1 / 3600, rateBurst: 1 });
  client.send(get('/allowed'));
  assert.equal(statusOf(await client.response()), 200);
  const other = await rig.client();
  other.send(get('/one-too-many'));
  assert.equal(statusOf(await other.response()), 429);
});

test('a client keeps what it has used when another option changes', async (t) => {
  const rig = await WorkerPoolRig.open(t, { rateLimit: 1 / 3600, rateBurst: 1 });
  rig.replicas[0]!.serve();
  const client = await usedClient(rig);
  await rig.configure({ retries: 0 });
  client.send(get('/again'));
  assert.equal(statusOf(await client.response()), 429);
});

test('a lower rate limit blocks nobody for what came before', async (t) => {
  const rig = await WorkerPoolRig.open(t, { rateLimit: 1000, rateBurst: 1000 });
  rig.replicas[0]!.serve();
  const client = await usedClient(rig);
  await rig.configure({ rateLimit: 1, rateBurst: 1 });
  client.send(get('/again'));
  assert.equal(statusOf(await client.response()), 200);
});

test('the access log can be switched on and off', async (t) => {
  const rig = await WorkerPoolRig.open(t, { accessLog: 'off' });
  rig.replicas[0]!.serve();
  const client = await usedClient(rig);
  await rig.configure({ accessLog: 'json' });
  client.send(get('/logged'));
  await client.response();
  await rig.configure({ accessLog: 'off' });
  await eventually('a line', () => rig.logged === 1);
  client.send(get('/not-logged'));
  await client.response();
  await rig.configure({ accessLog: 'combined' });
  client.send(get('/logged'));
  await client.response();
  await eventually('a second line', () => rig.logged === 2);
});

test('a thread that is started again runs with the new options', async (t) => {
  const rig = await WorkerPoolRig.open(t, { forwarded: false });
  rig.replicas[0]!.serve();
  await rig.configure({ forwarded: true });
  await rig.workers[0]!.terminate();
  await eventually('another thread', () => rig.workers.length === 2);
  await eventually('a request that is served', async () => {
    const client = await rig.client().catch(() => undefined);
    client?.send(get('/'));
    return (await client?.response().catch(() => undefined)) !== undefined;
  });
  assert.match(rig.replicas[0]!.requests.at(-1)!.head, /^forwarded: /im);
});
