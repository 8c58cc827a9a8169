/** Request lines and hosts that are none, and what comes behind an error. RFC 9112 sections 2.2, 3 and 9.6. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import { POST, refused, SMUGGLED } from '../helpers/proxy/refused.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { seenBy, sent } from '../helpers/proxy/scenes.ts';

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

test('bytes after Connection: close are never parsed as a request', async (t) => {
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

test('malformed bytes behind a request do not cost its response', async (t) => {
  const { rig, client } = await sent(t, `${get('/first')}BAD\r\n\r\n${SMUGGLED}`);
  assert.equal((await client.response()).body, 'hello');
  assert.ok([400, 501].includes(statusOf(await client.response())));
  assert.equal(await client.over(), '');
  assert.doesNotMatch(seenBy(rig), /smuggled/);
});

test('malformed bytes behind a queued request do not cost its response', async (t) => {
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

test('bytes behind a body are no part of it', async (t) => {
  const { rig, client } = await sent(t, `${POST}Content-Length: 5\r\n\r\nhelloEXTRA\r\n\r\n`);
  assert.equal((await client.response()).body, 'hello');
  await client.over();
  assert.deepEqual(
    rig.replica.requests.map(({ body }) => body),
    ['hello'],
  );
  assert.doesNotMatch(seenBy(rig), /EXTRA/);
});

test('an unregistered method passes, or gets 501', async (t) => {
  const { rig, client } = await sent(t, 'FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n');
  const status = statusOf(await client.response());
  assert.ok([200, 501].includes(status), String(status));
  if (status === 200) assert.match(rig.replica.requests[0]!.head, /^FROBNICATE \/ /);
});
