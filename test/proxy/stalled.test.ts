/** Clients and replicas that take nothing of large bodies: what is held for them, and who is served beside them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { largeReadBudget } from '../../lib/proxy/io/large-reads.ts';
import { eventually } from '../helpers/eventually.ts';
import { testMaterial } from '../helpers/proxy/certificates.ts';
import { Flood } from '../helpers/proxy/flood.ts';
import { get, ok } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig, type RigSettings } from '../helpers/proxy/rig.ts';

const STALLED = 12;
/** Far more than the kernel's buffers of two connections. */
const LARGE = 24 << 20;
/** The bound for all together, and one short read for each. */
const MAX_HELD = (4 << 20) + (1 << 19) + STALLED * 65_536;

async function stalledDownloads(t: TestContext, settings: RigSettings = {}): Promise<[Rig, Peer[]]> {
  const rig = await Rig.open(t, settings);
  const clients: Peer[] = [];
  const floods: Flood[] = [];
  for (let count = 0; count < STALLED; count++) {
    const client = await rig.client();
    client.isKept = false;
    client.pause();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
    clients.push(client);
    floods.push(new Flood(replica, LARGE));
  }
  for (const flood of floods) await flood.stalled();
  return [rig, clients];
}

test('stalled downloads hold little, and arrive whole in the end', async (t) => {
  const [rig, clients] = await stalledDownloads(t);
  assert.ok(largeReadBudget.heldBytes <= MAX_HELD, `${largeReadBudget.heldBytes} bytes are held`);
  for (const client of clients) {
    client.resume();
    await client.until('all of it', () => client.bytes > LARGE);
  }
  await rig.settled();
  await eventually('nothing is held', () => largeReadBudget.heldBytes === 0);
});

test('stalled downloads over TLS hold less than 100 KiB each', async (t) => {
  await stalledDownloads(t, { tls: testMaterial() });
  const each = largeReadBudget.heldBytes / STALLED;
  assert.ok(each > 0 && each <= 102_400, `${each} bytes are held for each`);
});

test('stalled uploads hold little, and arrive whole in the end', async (t) => {
  const rig = await Rig.open(t);
  const replicas: Peer[] = [];
  const floods: Flood[] = [];
  for (let count = 0; count < STALLED; count++) {
    const client = await rig.client();
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
    const replica = await rig.replica.next();
    await replica.head();
    replica.pause();
    replica.isKept = false;
    replicas.push(replica);
    floods.push(new Flood(client, LARGE));
  }
  for (const flood of floods) await flood.stalled();
  assert.ok(largeReadBudget.heldBytes <= MAX_HELD, `${largeReadBudget.heldBytes} bytes are held`);
  for (const replica of replicas) {
    const before = replica.bytes;
    replica.resume();
    await replica.until('all of it', () => replica.bytes - before >= LARGE);
  }
});

test('what was held for a stalled client that closes is let go', async (t) => {
  const [rig, clients] = await stalledDownloads(t);
  for (const client of clients) client.close();
  await rig.settled();
  await eventually('nothing is held', () => largeReadBudget.heldBytes === 0);
});

test('a request beside stalled downloads gets its response', async (t) => {
  const [rig] = await stalledDownloads(t);
  const client = await rig.client();
  client.send(get('/beside'));
  (await rig.replica.next()).send(ok('beside'));
  assert.equal((await client.response()).body, 'beside');
});
