/** What a replica is told of the client, and the id of the request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, ok } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const CLAIMS =
  'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.2.3.4\r\n';

test("a replica gets the client's address, protocol and host", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const request = await (await rig.replica.next()).request();
  assert.deepEqual(headersOf(request, 'x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(headersOf(request, 'x-forwarded-proto'), ['http']);
  assert.deepEqual(headersOf(request, 'x-forwarded-host'), ['a.example']);
});

test('forwarded headers of an untrusted client are ignored', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', CLAIMS));
  const request = await (await rig.replica.next()).request();
  assert.deepEqual(headersOf(request, 'x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(headersOf(request, 'x-forwarded-proto'), ['http']);
  assert.deepEqual(headersOf(request, 'x-forwarded-host'), ['a.example']);
  assert.ok(!headersOf(request, 'forwarded').some((value) => value.includes('1.2.3.4')));
});

test('forwarded headers of a trusted proxy are kept, its address appended', async (t) => {
  const rig = await Rig.open(t, { trustedProxies: ['127.0.0.0/8'] });
  const client = await rig.client();
  client.send(get('/', `${CLAIMS}X-Forwarded-For: 5.6.7.8\r\n`));
  const request = await (await rig.replica.next()).request();
  assert.deepEqual(headersOf(request, 'x-forwarded-for'), ['1.2.3.4, 5.6.7.8, 127.0.0.1']);
  assert.deepEqual(headersOf(request, 'x-forwarded-proto'), ['https']);
  assert.deepEqual(headersOf(request, 'x-forwarded-host'), ['evil']);
});

test('an address outside the trusted ranges is not believed', async (t) => {
  const rig = await Rig.open(t, { trustedProxies: ['10.0.0.0/8', '::1'] });
  const client = await rig.client();
  client.send(get('/', CLAIMS));
  assert.deepEqual(headersOf(await (await rig.replica.next()).request(), 'x-forwarded-for'), ['127.0.0.1']);
});

for (const spelling of ['x_forwarded_for', 'X-Forwarded-For ', 'X-FORWARDED-FOR']) {
  test(`a claim spelt ${JSON.stringify(spelling)} does not pass for the real header`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    rig.replica.serve();
    client.send(get('/', `${spelling}: 6.6.6.6\r\n`));
    await client.response();
    for (const request of rig.replica.requests)
      assert.deepEqual(headersOf(request, 'x-forwarded-for'), ['127.0.0.1']);
  });
}

test('request without an id gets one, which replica and client see', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  const id = headerOf(await replica.request(), 'x-request-id');
  assert.ok(id !== undefined && id !== '');
  replica.send(ok(''));
  assert.deepEqual(headersOf(await client.response(), 'x-request-id'), [id]);
});

test('two requests without an id get different ones', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  const first = headerOf(await client.response(), 'x-request-id');
  client.send(get('/'));
  assert.notEqual(headerOf(await client.response(), 'x-request-id'), first);
});

test("a client's own request id is kept, and sent back", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'x-request-ID: abc-123\r\n'));
  const replica = await rig.replica.next();
  assert.deepEqual(headersOf(await replica.request(), 'x-request-id'), ['abc-123']);
  replica.send(ok(''));
  assert.deepEqual(headersOf(await client.response(), 'x-request-id'), ['abc-123']);
});

test('one request id is sent on where a client sends two', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'X-Request-Id: one\r\nX-Request-Id: two\r\n'));
  assert.deepEqual(headersOf(await (await rig.replica.next()).request(), 'x-request-id'), ['one']);
});

test("a replica's own request id in its response is not doubled", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send(ok('', 'X-Request-Id: theirs\r\n'));
  assert.equal(headersOf(await client.response(), 'x-request-id').length, 1);
});

test("the balancer's own failures carry the request id too", async (t) => {
  const rig = await Rig.open(t, { replicas: 1, retries: 0 });
  rig.place(0, { host: '127.0.0.1', port: 1 });
  const client = await rig.client();
  client.send(get('/', 'X-Request-Id: lost-1\r\n'));
  assert.deepEqual(headersOf(await client.response(), 'x-request-id'), ['lost-1']);
});

test('Forwarded, if on, has client and nothing an untrusted one claims', async (t) => {
  const rig = await Rig.open(t, { forwarded: true });
  const client = await rig.client();
  client.send(get('/', CLAIMS));
  const request = await (await rig.replica.next()).request();
  assert.deepEqual(headersOf(request, 'forwarded'), ['for=127.0.0.1;host="a.example";proto=http']);
});

test("a trusted proxy's Forwarded is kept, ours appended", async (t) => {
  const rig = await Rig.open(t, { forwarded: true, trustedProxies: ['127.0.0.1'] });
  const client = await rig.client();
  client.send(get('/', CLAIMS));
  const values = headersOf(await (await rig.replica.next()).request(), 'forwarded').join(', ');
  assert.match(values, /^for=1\.2\.3\.4, for=127\.0\.0\.1;/);
});

test('Forwarded and Via are off by default', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  const request = await replica.request();
  assert.deepEqual(headersOf(request, 'forwarded'), []);
  assert.deepEqual(headersOf(request, 'via'), []);
  replica.send(ok(''));
  assert.deepEqual(headersOf(await client.response(), 'via'), []);
});

test('Via, if on, is appended both ways', async (t) => {
  const rig = await Rig.open(t, { via: true });
  const client = await rig.client();
  client.send(get('/', 'Via: 1.0 before\r\n'));
  const replica = await rig.replica.next();
  assert.match(headersOf(await replica.request(), 'via').join(', '), /^1\.0 before, 1\.1 \S+$/);
  replica.send(ok('', 'Via: 1.1 behind\r\n'));
  assert.match(headersOf(await client.response(), 'via').join(', '), /^1\.1 behind, 1\.1 \S+$/);
});

for (const id of ['with blank', '\xe4', 'x'.repeat(4000)]) {
  test(`the request id ${JSON.stringify(id.slice(0, 12))} reaches replica and client unchanged`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/', `X-Request-Id: ${id}\r\n`));
    const replica = await rig.replica.next();
    const sent = headersOf(await replica.request(), 'x-request-id');
    assert.equal(sent.length, 1);
    replica.send(ok(''));
    assert.deepEqual(headersOf(await client.response(), 'x-request-id'), sent);
  });
}
