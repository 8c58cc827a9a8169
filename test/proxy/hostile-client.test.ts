/**
 * Requests that two readers could read differently: refused, with the connection closed, and never forwarded.
 * RFC 9112 sections 2.2, 3, 5, 6.3, 7.1 and 11.2.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failureOf, get, headersOf, ok, statusOf } from '../helpers/proxy-message.ts';
import type { Peer } from '../helpers/proxy-peer.ts';
import { Rig } from '../helpers/proxy-rig.ts';

const SMUGGLED = get('/smuggled');
const POST = 'POST /p HTTP/1.1\r\nHost: a\r\n';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

async function sent(t: TestContext, bytes: string): Promise<{ rig: Rig; client: Peer }> {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(bytes);
  return { rig, client };
}

/** What the replica got from all connections, taken or not. */
function seenBy(rig: Rig): string {
  const { connections, requests } = rig.replica;
  return (
    requests.map(({ head, rawBody }) => head + rawBody).join('') +
    connections.map(({ received }) => received).join('')
  );
}

/** Neither this request nor what follows it may reach a replica, and the connection ends after one JSON failure. */
async function refused(t: TestContext, bytes: string): Promise<void> {
  const { rig, client } = await sent(t, bytes + SMUGGLED);
  const response = await client.response();
  assert.ok([400, 408, 413, 414, 417, 431, 501, 505].includes(statusOf(response)), response.startLine);
  assert.deepEqual(headersOf(response, 'connection'), ['close']);
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(await client.over(), '', 'nothing after the failure');
  await rig.settled();
  assert.equal(seenBy(rig), '');
}

const BOTH: readonly (readonly [string, string])[] = [
  [
    'Content-Length before Transfer-Encoding',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
  [
    'Transfer-Encoding before Content-Length',
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKS}`,
  ],
  [
    'Content-Length: 0 and Transfer-Encoding',
    `${POST}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
  [
    'Content-Length on both sides of Transfer-Encoding',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKS}`,
  ],
  [
    'a GET with both',
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
];
for (const [name, bytes] of BOTH) test(`refused: ${name}`, (t) => refused(t, bytes));

const CODINGS = [
  'chunked, chunked',
  'chunked, identity',
  'identity',
  'identity, chunked',
  'gzip, chunked',
  'gzip',
  'xchunked',
  'chunkedx',
  'chunked\x0b',
  '\x0bchunked',
  '\x0cchunked',
  'chunked;q=1',
  '"chunked"',
  'chun ked',
  ', chunked',
  'chunked,',
  'chunked\x00',
  '\x00chunked',
  'chunked\r\nTransfer-Encoding: chunked',
  'chunked\r\nTransfer-Encoding: identity',
  'identity\r\nTransfer-Encoding: chunked',
  'chunked\r\nTransfer-Encoding: x',
  '\r\n chunked',
  'x\r\n chunked',
  'chunked\r\n x',
  '\xa0chunked',
  'chunked\xa0',
];
for (const coding of CODINGS) {
  test(`refused: Transfer-Encoding ${JSON.stringify(coding)}`, (t) =>
    refused(t, `${POST}Transfer-Encoding: ${coding}\r\n\r\n${CHUNKS}`));
  test(`refused: Transfer-Encoding ${JSON.stringify(coding)} with Content-Length`, (t) =>
    refused(t, `${POST}Content-Length: 15\r\nTransfer-Encoding: ${coding}\r\n\r\n${CHUNKS}`));
}

const NAMES = [
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding\x0b: chunked',
  'Transfer-Encoding\x00: chunked',
  'Transfer\x00-Encoding: chunked',
  'X: y\r\n Transfer-Encoding: chunked',
  'X: y\r\n\tTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\n\rTransfer-Encoding: chunked',
  'X: y\r\r\nTransfer-Encoding: chunked',
  'Foo\r\nTransfer-Encoding: chunked',
  ': x\r\nTransfer-Encoding: chunked',
  'Content-Length : 15',
  'Content-Length\x00: 15',
  'Content Length: 15',
  'X Y: 1',
  'X(: 1',
  'X\xe4: 1',
  'X: a\x00b',
  'X: a\x01b',
  'X: a\x7fb',
  'X: a\rb',
  'X: a\nb',
  'Foo',
];
for (const line of NAMES)
  test(`refused: the line ${JSON.stringify(line)}`, (t) => refused(t, `${POST}${line}\r\n\r\n${CHUNKS}`));

const LENGTHS = [
  '+15',
  '-1',
  '-15',
  '0x0f',
  '15 15',
  '15, 16',
  '15, 15',
  '15,',
  ',15',
  '',
  '15a',
  'a15',
  '1e1',
  '15.0',
  '1_5',
  '"15"',
  '15;',
  '\x0b15',
  '15\x00',
  '99999999999999999999',
  '18446744073709551631',
  '9223372036854775808',
  '15\r\nContent-Length: 16',
  '16\r\nContent-Length: 15',
  '15\r\n 0',
];
for (const length of LENGTHS)
  test(`refused: Content-Length ${JSON.stringify(length)}`, (t) =>
    refused(t, `${POST}Content-Length: ${length}\r\n\r\n${CHUNKS}`));

test('equal Content-Length lines are refused, or go on as one', async (t) => {
  const { rig, client } = await sent(t, `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`);
  const response = await client.response();
  if (statusOf(response) === 400) return assert.equal(seenBy(rig), '');
  for (const request of rig.replica.requests) assert.equal(headersOf(request, 'content-length').length, 1);
});

const LINES = [
  'GET / a HTTP/1.1',
  'GET /\tHTTP/1.1',
  ' GET / HTTP/1.1',
  'GET / HTTP/1.1 ',
  'GET /\x00 HTTP/1.1',
  'GET /\r HTTP/1.1',
  'GET\t/ HTTP/1.1',
  'GET /\x0b HTTP/1.1',
  'GET /\x7f HTTP/1.1',
  'GET\x00 / HTTP/1.1',
  'G(T / HTTP/1.1',
  '/ HTTP/1.1',
  'GET HTTP/1.1',
  'GET',
  'HTTP/1.1 200 OK',
  'GET / HTTP/1.1\rX: y',
];
for (const line of LINES)
  test(`refused: the request line ${JSON.stringify(line)}`, (t) => refused(t, `${line}\r\nHost: a\r\n\r\n`));

const HOSTS = [
  '',
  'Host: a\r\nHost: a\r\n',
  'Host: a\r\nHost: b\r\n',
  'Host: a\r\nhost: b\r\n',
  'Host: a, b\r\n',
  'Host: a b\r\n',
  'Host: a/b\r\n',
  'Host: a@b\r\n',
  'Host: a?b\r\n',
  'Host: a#b\r\n',
  'Host: a\\b\r\n',
  'Host : a\r\n',
  'X-Host: a\r\n',
];
for (const host of HOSTS)
  test(`refused: ${JSON.stringify(host)} for Host`, (t) => refused(t, `GET / HTTP/1.1\r\n${host}\r\n`));

test('refused: two Host headers of an HTTP/1.0 request', (t) =>
  refused(t, 'GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n'));

test('refused: two Host headers beside an absolute form', (t) =>
  refused(t, 'GET http://c/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'));

test('refused: an absolute form without Host', (t) => refused(t, 'GET http://c/ HTTP/1.1\r\n\r\n'));

test('lines that end in a bare LF are refused, or repaired', async (t) => {
  const { rig, client } = await sent(t, 'GET / HTTP/1.1\nHost: a\nX: y\n\n');
  const response = await client.response();
  if (statusOf(response) !== 200) await client.over();
  assert.doesNotMatch(seenBy(rig), /[^\r]\n/);
});

test('two blanks in a request line are refused, or repaired', async (t) => {
  const { rig, client } = await sent(t, 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n');
  if (statusOf(await client.response()) === 200) assert.match(seenBy(rig), /^GET \/ HTTP/);
  else await client.over();
});

test('an HTTP/2 preface is refused, and the connection closed', async (t) => {
  const { rig, client } = await sent(
    t,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00',
  );
  assert.ok([400, 405, 501, 505].includes(statusOf(await client.response())));
  await client.over();
  assert.equal(seenBy(rig), '');
});

test('a TLS handshake is refused, and the connection closed', async (t) => {
  const { rig, client } = await sent(t, '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03');
  assert.equal(statusOf(await client.response()), 400);
  await client.over();
  assert.equal(seenBy(rig), '');
});

test('empty lines before a request are passed over', async (t) => {
  const { client } = await sent(t, `\r\n\r\n${get('/')}`);
  assert.equal((await client.response()).body, 'hello');
});

test('bytes behind a request that said Connection: close are never taken for a request', async (t) => {
  const { rig, client } = await sent(t, get('/first', 'Connection: close\r\n') + SMUGGLED);
  assert.equal((await client.response()).body, 'hello');
  assert.equal(await client.over(), '');
  assert.doesNotMatch(seenBy(rig), /smuggled/);
});

test('a body of a GET is read as its body', async (t) => {
  const { rig, client } = await sent(
    t,
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}${get('/next')}`,
  );
  assert.equal((await client.response()).body, 'hello');
  assert.equal((await client.response()).body, 'hello');
  assert.deepEqual(rig.replica.requests.map(({ body }) => body).sort(), ['', SMUGGLED]);
});

test('what is wrong behind a good request does not take its answer away', async (t) => {
  const { rig, client } = await sent(t, `${get('/first')}BAD\r\n\r\n${SMUGGLED}`);
  assert.equal((await client.response()).body, 'hello');
  assert.ok([400, 501].includes(statusOf(await client.response())));
  assert.equal(await client.over(), '');
  assert.doesNotMatch(seenBy(rig), /smuggled/);
});

test('what is wrong behind a request that waits for its answer does not take the answer away', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  client.send('BAD\r\n\r\n');
  client.send(SMUGGLED);
  client.end();
  replica.send(ok('hello'));
  assert.equal((await client.response()).body, 'hello');
  await client.over();
  assert.equal(replica.received, '');
});

test('bytes behind the end of a body are no part of it', async (t) => {
  const { rig, client } = await sent(t, `${POST}Content-Length: 5\r\n\r\nhelloEXTRA\r\n\r\n`);
  assert.equal((await client.response()).body, 'hello');
  await client.over();
  assert.deepEqual(
    rig.replica.requests.map(({ body }) => body),
    ['hello'],
  );
  assert.doesNotMatch(seenBy(rig), /EXTRA/);
});

const CHUNK_TRICKS: readonly (readonly [string, string])[] = [
  ['0x5', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a plus', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a minus', '-5\r\nhello\r\n0\r\n\r\n'],
  ['no size', '\r\nhello\r\n0\r\n\r\n'],
  ['a blank before the size', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['a size of 2^64+5', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['a size of 2^32+5 that is cut short by nothing', '100000005g\r\nhello\r\n0\r\n\r\n'],
  ['an underscore', '5_0\r\nhello\r\n0\r\n\r\n'],
  ['a size with g', '5g\r\nhello\r\n0\r\n\r\n'],
  ['LF after the size', '5\nhello\r\n0\r\n\r\n'],
  ['CR after the size', '5\rhello\r\n0\r\n\r\n'],
  ['LF after the data', '5\r\nhello\n0\r\n\r\n'],
  ['nothing after the data', '5\r\nhello0\r\n\r\n'],
  ['more data than the size says', '4\r\nhello\r\n0\r\n\r\n'],
  ['LF in an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
  ['CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['NUL in an extension', '5;a\x00b\r\nhello\r\n0\r\n\r\n'],
  ['LF at the end', '5\r\nhello\r\n0\r\n\n'],
  ['LF after the last size', '5\r\nhello\r\n0\n\r\n'],
  ['NUL in a trailer', '5\r\nhello\r\n0\r\nX: a\x00\r\n\r\n'],
  ['a trailer without a colon', '5\r\nhello\r\n0\r\nfoo\r\n\r\n'],
  ['a folded trailer', '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n'],
  ['a blank before the colon of a trailer', '5\r\nhello\r\n0\r\nX : a\r\n\r\n'],
];
for (const [name, chunks] of CHUNK_TRICKS) {
  test(`a chunked body with ${name} never reaches a replica whole`, async (t) => {
    const { rig, client } = await sent(t, `${POST}Transfer-Encoding: chunked\r\n\r\n${chunks}${SMUGGLED}`);
    await client.over();
    assert.match(client.received, /^(HTTP\/1\.1 400 [^\0]*)?$/, 'a 400 or nothing');
    await rig.settled();
    assert.deepEqual(rig.replica.requests, []);
    assert.doesNotMatch(seenBy(rig), /smuggled/);
    for (const connection of rig.replica.connections) if (connection.bytes > 0) await connection.over();
  });
}

test('a malformed chunk is answered 400 as JSON, and the connection closed', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  client.send('zz\r\n');
  const response = await client.response();
  assert.equal(statusOf(response), 400);
  assert.match(failureOf(response), /^<Error> /);
  await client.over();
  await replica.over();
  assert.doesNotMatch(replica.received, /\r\n0\r\n\r\n/);
  await rig.settled();
});

test('chunk extensions without end are not read without end', async (t) => {
  const { rig, client } = await sent(t, `${POST}Transfer-Encoding: chunked\r\n\r\n5;${'x'.repeat(200_000)}`);
  const response = await client.response();
  assert.ok([400, 413, 431].includes(statusOf(response)), response.startLine);
  await client.over();
  assert.deepEqual(rig.replica.requests, []);
});

test('trailers without end are not read without end', async (t) => {
  const { rig, client } = await sent(
    t,
    `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\n${'X: y\r\n'.repeat(40_000)}`,
  );
  const response = await client.response();
  assert.ok([400, 413, 431].includes(statusOf(response)), response.startLine);
  await client.over();
  assert.deepEqual(rig.replica.requests, []);
});

test('a method that nobody registered passes, or is answered 501', async (t) => {
  const { rig, client } = await sent(t, 'FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n');
  const status = statusOf(await client.response());
  assert.ok([200, 501].includes(status), String(status));
  if (status === 200) assert.match(rig.replica.requests[0]!.head, /^FROBNICATE \/ /);
});
