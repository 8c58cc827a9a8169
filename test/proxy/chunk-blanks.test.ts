/** Blanks in the size lines of chunks, which everybody must take. RFC 9110 section 5.6.3, RFC 9112 section 7.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, statusOf } from '../helpers/proxy-message.ts';
import { Rig } from '../helpers/proxy-rig.ts';

/** Size lines of a chunk with five bytes. */
const SIZE_LINES = ['5   ', '5\t', '5 ;a=b', '5; a=b', '5;a = b', '5 ; a = "b c" ; d ', '0005 ', '5;a=b  '];

for (const line of SIZE_LINES) {
  test(`an answer in chunks reaches its client, with a size line ${JSON.stringify(line)}`, async (t) => {
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

test('an answer in chunks with blanks reaches an HTTP/1.0 client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\n\r\n');
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = b\r\nhello\r\n0 \r\n\r\n');
  assert.equal((await client.response()).body, 'hello');
});
