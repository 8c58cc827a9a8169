/** Memory for copies is bounded, and what gets none of it passes all the same. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  type BufferPool,
  bufferPool,
  largeBufferPool,
  type PooledBuffer,
} from '../../../lib/proxy/io/buffer-pool.ts';
import { eventually } from '../../helpers/eventually.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
import { ok } from '../../helpers/proxy/message.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

const MIB = 1 << 20;
const POOLS = { small: bufferPool, large: largeBufferPool };

/** Takes all that a pool has, until the test is over. */
function takeAll(t: TestContext, pool: BufferPool): PooledBuffer[] {
  const taken: PooledBuffer[] = [];
  for (let block = pool.acquire(); block !== undefined; block = pool.acquire()) taken.push(block);
  t.after(() => {
    for (const block of taken) block.release();
  });
  return taken;
}

function takeEverything(t: TestContext): void {
  for (const pool of Object.values(POOLS)) takeAll(t, pool);
}

for (const [name, pool] of Object.entries(POOLS))
  test(`${name} buffers are bounded, and a released one can be acquired again`, (t) => {
    const taken = takeAll(t, pool);
    assert.ok(taken.length * pool.bufferBytes <= 24 * MIB);
    taken.pop()!.release();
    const again = pool.acquire();
    assert.ok(again);
    taken.push(again);
    assert.equal(pool.acquire(), undefined);
  });

/** How many buffers are free. */
function countFree(pool: BufferPool): number {
  const taken: PooledBuffer[] = [];
  for (let one = pool.acquire(); one !== undefined; one = pool.acquire()) taken.push(one);
  for (const one of taken) one.release();
  return taken.length;
}

test('an upload holds a buffer no longer than it may be sent again', async (t) => {
  const all = countFree(bufferPool);
  const rig = await Rig.open(t);
  const begin = async () => {
    const client = await rig.client();
    client.send('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n');
    client.send('x'.repeat(30_000));
    const replica = await rig.replica.next();
    await replica.until('30,000 bytes', () => replica.received.length > 30_000);
    return { client, replica };
  };
  const isFree = (count: number) => () => countFree(bufferPool) === count;
  const [whole, cut, reset, refused] = [await begin(), await begin(), await begin(), await begin()];
  assert.equal(countFree(bufferPool), all - 4);
  whole.client.send('x'.repeat(70_000));
  await eventually('the buffer of a longer body is free', isFree(all - 3));
  whole.replica.send(ok('whole'));
  assert.equal((await whole.client.response()).body, 'whole');
  cut.client.close();
  await eventually('the buffer of a client that has gone is free', isFree(all - 2));
  reset.client.socket.resetAndDestroy();
  await eventually('the buffer of a connection that was reset is free', isFree(all - 1));
  refused.replica.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  refused.replica.close();
  await refused.client.response();
  await eventually('the buffer of a refused upload is free', isFree(all));
});

test('a body that may be kept whole takes no pooled buffer', async (t) => {
  const all = countFree(bufferPool);
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(50_000)}`);
  const replica = await rig.replica.next();
  await replica.request();
  assert.equal(countFree(bufferPool), all);
});

for (const isTls of [false, true]) {
  const how = isTls ? ' over TLS' : '';
  const open = (t: TestContext): Promise<Rig> => Rig.open(t, isTls ? { tls: testMaterial() } : {});

  test(`a large upload${how} arrives whole without a pooled buffer`, async (t) => {
    takeEverything(t);
    const rig = await open(t);
    rig.replica.serve(({ body }) =>
      ok(createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex')),
    );
    const client = await rig.client();
    const body = randomBytes(3 * MIB);
    client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n`);
    client.send(body);
    assert.equal((await client.response()).body, createHash('sha256').update(body).digest('hex'));
  });

  test(`a large response${how} arrives whole without a pooled buffer`, async (t) => {
    takeEverything(t);
    const rig = await open(t);
    const body = randomBytes(3 * MIB).toString('latin1');
    rig.replica.serve(() => ok(body));
    const client = await rig.client();
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal((await client.response()).body, body);
  });

  test(`a response${how} arrives whole when buffers run out within it`, async (t) => {
    const rig = await open(t);
    const client = await rig.client();
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const replica = await rig.replica.next();
    const body = randomBytes(8 * MIB).toString('latin1');
    replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, MIB)}`);
    await client.until('the first of it', () => client.received.length > MIB);
    takeEverything(t);
    replica.send(body.slice(MIB));
    assert.equal((await client.response()).body, body);
  });
}
