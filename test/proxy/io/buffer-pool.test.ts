/** Memory for copies is bounded, and what gets none of it passes all the same. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { bufferPool, type PooledBuffer } from '../../../lib/proxy/io/buffer-pool.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
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
  assert.ok(taken.length * bufferPool.bufferBytes <= 24 * MIB);
  taken.pop()!.release();
  const again = bufferPool.acquire();
  assert.ok(again);
  taken.push(again);
  assert.equal(bufferPool.acquire(), undefined);
});

test('a large response over TLS arrives whole without a pooled buffer', async (t) => {
  takeAll(t);
  const rig = await Rig.open(t, { tls: testMaterial() });
  const body = randomBytes(3 * MIB).toString('latin1');
  rig.replica.serve(() => ok(body));
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal((await client.response()).body, body);
});

test('a response over TLS arrives whole when buffers run out within it', async (t) => {
  const rig = await Rig.open(t, { tls: testMaterial() });
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
