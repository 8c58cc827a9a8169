/**
 * Malformed responses: the client gets 502 or sees a cut, and their connection is never reused.
 * RFC 9112 sections 2.2, 4, 5, 6.3 and 7.1, RFC 9110 section 15.2.2.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failureOf, get, headersOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

/** The client gets 502 and may go on; nothing of `bytes` is ever taken for a response. */
async function refused(t: TestContext, bytes: string): Promise<void> {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(bytes);
  let response = await client.response();
  while (statusOf(response) < 200) response = await client.response();
  assert.equal(statusOf(response), 502, response.startLine);
  assert.match(failureOf(response), /^<Error> /);
  await replica.over();
  assert.equal(rig.inFlight, 0);
  rig.replica.serve(() => ok('next'));
  client.send(get('/second'));
  assert.equal((await client.response()).body, 'next');
}

const HEADS = [
  'Content-Length: 5\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 5, 6',
  'Content-Length: -1',
  'Content-Length: +5',
  'Content-Length: 0x5',
  'Content-Length: 5a',
  'Content-Length: ',
  'Content-Length: 99999999999999999999',
  'Content-Length: 18446744073709551621',
  'Content-Length : 5',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\x0bchunked',
  'X: a\r\n b',
  'X: a\rSet-Cookie: b',
  'X: a\nSet-Cookie: b',
  'X: a\x00b',
  'X\x00: a',
  'X Y: a',
  'Foo',
  ': a',
  ' X: a',
];
for (const head of HEADS)
  test(`502: ${JSON.stringify(head)}`, (t) => refused(t, `${OK}${head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`));

const STATUS_LINES = [
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1 099 OK',
  'HTTP/1.1 2x0 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1\t200 OK',
  'HTTP/2 200 OK',
  'HTTP/2.0 200 OK',
  'HTTP/0.9 200 OK',
  'ICY 200 OK',
  ' HTTP/1.1 200 OK',
  'http/1.1 200 OK',
  'HTTP/1.1 200 O\x00K',
  'HTTP/1.1 200 O\rK',
  'HTTP/1.1 -200 OK',
  'GET / HTTP/1.1',
  'hello',
];
for (const line of STATUS_LINES)
  test(`502: the status line ${JSON.stringify(line)}`, (t) =>
    refused(t, `${line}\r\nContent-Length: 2\r\n\r\nok`));

test('502: a 101 without an upgrade request', (t) =>
  refused(t, 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'));

test('502: two megabytes of 1xx responses and no other', (t) =>
  refused(t, `HTTP/1.1 103 X\r\nA: ${'x'.repeat(60_000)}\r\n\r\n`.repeat(40)));

test('502: a body without a head', (t) => refused(t, '{"no":"head"}\r\n\r\n'));

test('502: a thousand headers', (t) =>
  refused(
    t,
    `${OK}${Array.from({ length: 5000 }, (_, i) => `X-${i}: 1\r\n`).join('')}Content-Length: 0\r\n\r\n`,
  ));

test('an endless head is cut off', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(OK);
  let written = 0;
  while (!replica.isClosed && written < 4 << 20) {
    replica.send(`X: ${'y'.repeat(16_000)}\r\n`);
    written += 16_000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(replica.isClosed || replica.isEnded, `${written} bytes`);
  assert.equal(statusOf(await client.response()), 502);
});

test('equal Content-Length values are refused, or go on as one', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send(`${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`);
  const response = await client.response();
  if (statusOf(response) !== 502) {
    assert.deepEqual(headersOf(response, 'content-length'), ['5']);
    assert.equal(response.body, 'hello');
  }
});

test('a second response behind the first serves no other request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(ok('first') + ok('poison'));
  assert.equal((await client.response()).body, 'first');
  rig.replica.serve(() => ok('second'));
  client.send(get('/second'));
  assert.equal((await client.response()).body, 'second');
});

test('a response on an idle connection serves no request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(ok('first'));
  await client.response();
  replica.send(ok('poison'));
  await replica.over();
  rig.replica.serve(() => ok('second'));
  client.send(get('/second'));
  assert.equal((await client.response()).body, 'second');
});

test('more body than Content-Length serves no other request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(`${OK}Content-Length: 5\r\n\r\nfirst${ok('poison')}`);
  assert.equal((await client.response()).body, 'first');
  rig.replica.serve(() => ok('second'));
  client.send(get('/second'));
  assert.equal((await client.response()).body, 'second');
});

const CHUNKS = [
  '0x5\r\nhello\r\n0\r\n\r\n',
  '-5\r\nhello\r\n0\r\n\r\n',
  '\r\nhello\r\n0\r\n\r\n',
  '10000000000000005\r\nhello\r\n0\r\n\r\n',
  '5\nhello\r\n0\r\n\r\n',
  '5\r\nhello0\r\n\r\n',
  '4\r\nhello\r\n0\r\n\r\n',
  '5;a\nb\r\nhello\r\n0\r\n\r\n',
  `5;${'x'.repeat(100_000)}\r\nhello\r\n0\r\n\r\n`,
  '0\r\nX : a\r\n\r\n',
  '0\r\nfoo\r\n\r\n',
  `0\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
];
for (const chunks of CHUNKS) {
  test(`a chunked body ${JSON.stringify(chunks.slice(0, 40))} is cut, or gets 502`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n`);
    await client.take('begin\r\n');
    replica.send(chunks);
    await client.over();
    assert.doesNotMatch(client.received, /(^|\n)0\r\n/, 'no last chunk');
    await replica.over();
    await rig.settled();
  });
}

test('a 101 that names no protocol gets 502', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  (await rig.replica.next()).send('HTTP/1.1 101 Switching\r\n\r\nraw bytes');
  assert.equal(statusOf(await client.response()), 502);
  await rig.settled();
});

test('a replica that ends within its head gets 502', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nX-Half');
  replica.end();
  assert.equal(statusOf(await client.response()), 502);
  await rig.settled();
});

test("a broken chunk in the head's packet gets a whole 502", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\nzz\r\n`);
  const response = await client.response();
  assert.equal(statusOf(response), 502);
  assert.match(failureOf(response), /^<Error> /);
  await rig.settled();
});
