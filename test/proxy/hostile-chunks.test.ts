/** Chunked request bodies that two readers could read differently. RFC 9112 section 7.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, statusOf } from '../helpers/proxy/message.ts';
import { POST, SMUGGLED } from '../helpers/proxy/refused.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { seenBy, sent } from '../helpers/proxy/scenes.ts';

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

test('a malformed chunk gets 400 as JSON, and its connection closes', async (t) => {
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
