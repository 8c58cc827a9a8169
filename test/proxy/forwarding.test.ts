/** What of a request and of a response passes, byte for byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const TARGETS = [
  '/',
  '//',
  '//a//b//',
  '/a/../b/./c/..',
  '/a?',
  '/?',
  '/?a=1&b=2&&c',
  '/?a=?b?',
  '/%2e%2e/%2F%00%ff%',
  '/a;p=1/b;q',
  '/a%20b+c',
  "/!$&'()*,:@~-._",
  '/|^`{}"<>\\',
  '/rep/',
  '/repx',
  '/add%20',
];

for (const target of TARGETS) {
  test(`the target ${target} reaches the replica as it is`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get(target));
    const replica = await rig.replica.next();
    assert.equal((await replica.request()).startLine, `GET ${target} HTTP/1.1`);
    replica.send(ok(''));
    assert.equal(statusOf(await client.response()), 200);
  });
}

test('a target of 8 KiB reaches the replica as it is', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const target = `/${'a%2F/'.repeat(1638)}`;
  client.send(get(target));
  const replica = await rig.replica.next();
  assert.equal((await replica.request()).startLine, `GET ${target} HTTP/1.1`);
});

for (const method of [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'PURGE',
  'QUERY',
]) {
  test(`the method ${method} passes`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`${method} /m HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n`);
    const replica = await rig.replica.next();
    assert.equal((await replica.request()).startLine, `${method} /m HTTP/1.1`);
    replica.send(ok('x'));
    assert.equal((await client.response()).body, 'x');
  });
}

test('repeated request headers keep their order and case', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(
    get('/', 'X-b: 1\r\nx-A: 2\r\nX-B: 3\r\nCookie: a=1\r\nCookie: b=2\r\nAccept: x, y\r\nX-Empty:\r\n'),
  );
  const { pairs } = await (await rig.replica.next()).request();
  const names = new Set(['x-b', 'x-a', 'cookie', 'accept', 'x-empty']);
  assert.deepEqual(
    pairs.filter(([name]) => names.has(name.toLowerCase())),
    [
      ['X-b', '1'],
      ['x-A', '2'],
      ['X-B', '3'],
      ['Cookie', 'a=1'],
      ['Cookie', 'b=2'],
      ['Accept', 'x, y'],
      ['X-Empty', ''],
    ],
  );
});

test('repeated response headers keep their order and case', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send(
    ok('', 'sEt-cookie: a=1\r\nX-Q: 1\r\nSet-Cookie: b=2\r\nx-q: 2\r\nX-Empty:\r\n'),
  );
  const { pairs } = await client.response();
  assert.deepEqual(
    pairs.filter(([name]) => /^(set-cookie|x-q|x-empty)$/i.test(name)),
    [
      ['sEt-cookie', 'a=1'],
      ['X-Q', '1'],
      ['Set-Cookie', 'b=2'],
      ['x-q', '2'],
      ['X-Empty', ''],
    ],
  );
});

test('bytes above 0x7F in header values are kept both ways', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const bytes = '\x80\xc3\xa4 \xff';
  client.send(get('/', `X-Bytes: ${bytes}\r\n`));
  const replica = await rig.replica.next();
  assert.equal(headerOf(await replica.request(), 'x-bytes'), bytes);
  replica.send(ok('', `X-Bytes: ${bytes}\r\n`));
  assert.equal(headerOf(await client.response(), 'x-bytes'), bytes);
});

test('a request header of 16 KiB passes', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', `X-Long: ${'v'.repeat(16_384)}\r\n`));
  assert.equal(headerOf(await (await rig.replica.next()).request(), 'x-long')?.length, 16_384);
});

test('a hundred request headers pass', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', Array.from({ length: 100 }, (_, i) => `X-${i}: ${i}\r\n`).join('')));
  const { pairs } = await (await rig.replica.next()).request();
  assert.equal(pairs.filter(([name]) => /^X-\d/.test(name)).length, 100);
});

test('the reason phrase and an unregistered status pass', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send('HTTP/1.1 299 All Sorts \xe4\r\nContent-Length: 2\r\n\r\nok');
  const response = await client.response();
  assert.equal(response.startLine, 'HTTP/1.1 299 All Sorts \xe4');
  assert.equal(response.body, 'ok');
});

test('a body of every byte value passes both ways', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const body = Buffer.from(Array.from({ length: 1024 }, (_, i) => i & 255)).toString('latin1');
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n${body}`);
  const replica = await rig.replica.next();
  assert.equal((await replica.request()).body, body);
  replica.send(ok(body));
  assert.equal((await client.response()).body, body);
});

test('Host is kept, and sent once', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nhOsT: b.example:8080\r\n\r\n');
  assert.deepEqual(headersOf(await (await rig.replica.next()).request(), 'host'), ['b.example:8080']);
});

test('an empty Host is kept', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost:\r\n\r\n');
  assert.deepEqual(headersOf(await (await rig.replica.next()).request(), 'host'), ['']);
});

test('response without Date gets one, and one with Date keeps it', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) =>
    ok('', request.startLine.includes('/with') ? 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n' : ''),
  );
  const client = await rig.client();
  client.send(get('/bare'));
  assert.equal(headersOf(await client.response(), 'date').length, 1);
  client.send(get('/with'));
  assert.deepEqual(headersOf(await client.response(), 'date'), ['Thu, 01 Jan 1970 00:00:00 GMT']);
});

test('a Server header is neither added nor changed', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) => ok('', request.startLine.includes('/with') ? 'Server: mine\r\n' : ''));
  const client = await rig.client();
  client.send(get('/bare'));
  assert.deepEqual(headersOf(await client.response(), 'server'), []);
  client.send(get('/with'));
  assert.deepEqual(headersOf(await client.response(), 'server'), ['mine']);
});
