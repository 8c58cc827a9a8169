/** Memory for large bodies is bounded, and bodies that get none pass all the same. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { bufferPool, type PooledBuffer } from '../../../lib/proxy/io/buffer-pool.ts';
import { ok } from '../../helpers/proxy/message.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

const MIB = 1 << 20;

/** Takes all that there are, until the test is over. */
function takeAll(t: TestContext): PooledBuffer[] {
  const taken: PooledBuffer[] = [];
  for (let block = bufferPool.acquire(); block !== undefined; block = bufferPool.acquire()) taken.push(block);
  t.after(() => {
    for (const block of taken) block.release();
  });
  return taken;
}

test('buffers are bounded, and a released one can be acquired again', (t) => {
  const taken = takeAll(t);
  assert.ok(taken.length * taken[0]!.bytes.length <= 64 * MIB);
  taken.pop()!.release();
  const again = bufferPool.acquire();
  assert.ok(again);
  taken.push(again);
  assert.equal(bufferPool.acquire(), undefined);
});

test('a large upload arrives whole without a pooled buffer', async (t) => {
  takeAll(t);
  const rig = await Rig.open(t);
  rig.replica.serve(({ body }) => ok(createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex')));
  const client = await rig.client();
  const body = randomBytes(3 * MIB);
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n`);
  client.send(body);
  assert.equal((await client.response()).body, createHash('sha256').update(body).digest('hex'));
});

test('a large response arrives whole without a pooled buffer', async (t) => {
  takeAll(t);
  const rig = await Rig.open(t);
  const body = randomBytes(3 * MIB).toString('latin1');
  rig.replica.serve(() => ok(body));
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal((await client.response()).body, body);
});

test('a response arrives whole when pooled buffers run out within it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
  const replica = await rig.replica.next();
  const body = randomBytes(8 * MIB).toString('latin1');
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, MIB)}`);
  await client.until('the first of it', () => client.received.length > MIB);
  takeAll(t);
  replica.send(body.slice(MIB));
  assert.equal((await client.response()).body, body);
});
