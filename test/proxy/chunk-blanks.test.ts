/** Blanks in the size lines of chunks, which every recipient must accept. RFC 9110 section 5.6.3, RFC 9112 section 7.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flood } from '../helpers/proxy/flood.ts';
import { get, headerOf, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** Size lines of a chunk with five bytes. */
const SIZE_LINES = ['5   ', '5\t', '5 ;a=b', '5; a=b', '5;a = b', '5 ; a = "b c" ; d ', '0005 ', '5;a=b  '];

for (const line of SIZE_LINES) {
  test(`a chunked response with size line ${JSON.stringify(line)} reaches the client`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${line}\r\nhello\r\n0 \r\n\r\n`);
    const response = await client.response();
    assert.equal(statusOf(response), 200);
    assert.equal(response.rawBody, '5\r\nhello\r\n0\r\n\r\n');
    // its connection is used again
    client.send(get('/next'));
    assert.match((await replica.request()).startLine, /next/);
  });
}

test('a chunked response with blanks reaches an HTTP/1.0 client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\n\r\n');
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = b\r\nhello\r\n0 \r\n\r\n');
  assert.equal((await client.response()).body, 'hello');
});

const HEAD = 'POST /up HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n';

for (const line of [...SIZE_LINES, `5;a="${'x'.repeat(16_000)}"`, `${'0'.repeat(1000)}5`]) {
  const title = JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line);
  test(`a chunked request with size line ${title} reaches the replica`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve(({ body }) => ok(body));
    const client = await rig.client();
    client.send(`${HEAD}\r\n${line}\r\nhello\r\n0 ; a\r\n\r\n`);
    assert.equal((await client.response()).body, 'hello');
    assert.equal(rig.replica.requests[0]!.rawBody, '5\r\nhello\r\n0\r\n\r\n');
    client.send(get('/next'));
    await client.response();
    assert.match(rig.replica.requests[1]!.startLine, /next/);
  });
}

/** After nothing, after an upload of either kind, and behind a request that is being answered. */
const BEFORE: Readonly<Record<string, string>> = {
  'the first': '',
  'after an upload': post('/up', 'body'),
  'after a large upload': post('/up', 'x'.repeat(200_000)),
  'after an upload in chunks': `${HEAD}\r\n4\r\nbody\r\n0\r\n\r\n`,
};
for (const [place, before] of Object.entries(BEFORE))
  for (const isPipelined of before === '' ? [false] : [false, true])
    test(`a chunked request with blanks may be cut anywhere: ${place}, ${isPipelined ? 'pipelined' : 'alone'}`, async (t) => {
      const rig = await Rig.open(t);
      rig.replica.serve(({ body }) => ok(String(body.length)));
      const wire = `${HEAD}X: 1\r\n\r\n5 ; a = b \r\nhello\r\n1\t\r\n!\r\n0 \r\nX-T: 1\r\n\r\n`;
      const step = before.length > 1000 ? 11 : 1;
      for (let cut = 1; cut < wire.length; cut += step) {
        const client = await rig.client();
        if (before !== '') client.send(isPipelined ? before + wire.slice(0, cut) : before);
        if (before !== '') await client.response();
        if (!isPipelined) client.send(wire.slice(0, cut));
        await new Promise(setImmediate);
        client.send(`${wire.slice(cut)}${get('/next')}`);
        assert.equal((await client.response()).body, '6', `cut at ${cut}`);
        assert.equal((await client.response()).body, '0', `cut at ${cut}`);
        client.close();
      }
      const bodies = rig.replica.requests.filter(({ head }) => /\r\nX: 1\r\n/.test(head));
      for (const { body, trailers } of bodies) assert.deepEqual([body, trailers], ['hello!', [['X-T', '1']]]);
    });

test('a request in chunks with blanks may wait for 100', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${HEAD}Expect: 100-continue\r\n\r\n`);
  const replica = await rig.replica.next();
  assert.equal(headerOf(await replica.head(), 'expect'), '100-continue');
  replica.send('HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(statusOf(await client.response()), 100);
  client.send('5 \r\nhello\r\n0 \r\n\r\n');
  assert.equal(await replica.take('0\r\n\r\n'), '5\r\nhello\r\n0\r\n\r\n');
  replica.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
});

test('chunked upload is read no faster than the replica reads it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${HEAD}\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.pause();
  const bytes = 64 << 20;
  client.send(`${bytes.toString(16)} \r\n`);
  const taken = await new Flood(client, bytes).stalled();
  assert.ok(taken < 32 << 20, `${taken} bytes`);
  replica.resume();
  replica.isKept = false;
  await replica.until('all but the end', () => replica.bytes > bytes);
  client.send('\r\n0 \r\n\r\n');
  replica.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
});

test('client that ends within a chunk gets 400, replica an abort', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${HEAD}\r\n5 \r\nhel`);
  const replica = await rig.replica.next();
  await replica.take('hel');
  client.end();
  assert.equal(statusOf(await client.response()), 400);
  await client.over();
  await replica.over();
  await rig.settled();
});
