/** Peers so slow that the kernel's buffers hide what they read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnsentBytes } from '../../../lib/proxy/io/unsent-bytes.ts';
import { eventually } from '../../helpers/eventually.ts';
import { Flood } from '../../helpers/proxy/flood.ts';
import { get, statusOf } from '../../helpers/proxy/message.ts';
import type { Peer } from '../../helpers/proxy/peer.ts';
import { Rig } from '../../helpers/proxy/rig.ts';
import { deafHttp2 } from '../../helpers/proxy/scenes.ts';
import { skipWithoutProc } from '../../helpers/skip.ts';

const LARGE = 64 << 20;
/** Enough to make the kernel let more come, and far less than would make room for a write. */
const SIP = 300_000;
const LIMIT_MS = 40_000;
const linux = { skip: skipWithoutProc };

/** Reads a little, and waits until the other side's kernel has been told. */
async function sip(peer: Peer): Promise<void> {
  const before = peer.bytes;
  peer.resume();
  await peer.until('a little', () => peer.bytes - before >= SIP);
  peer.pause();
  await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Lets twice the time limit go by, in which the peer reads a little now and then: the request stays in flight. */
async function assertKept(rig: Rig, peer: Peer): Promise<void> {
  for (let round = 0; round < 6; round++) {
    rig.advance(LIMIT_MS / 3);
    await sip(peer);
    assert.equal(rig.inFlight, 1, `in flight after ${round + 1} thirds of its time`);
  }
}

/** Lets time go by until the request in flight is given up; what the kernels still move may put that off. */
async function end(rig: Rig): Promise<void> {
  await eventually('the end of the request', () => {
    rig.advance(LIMIT_MS / 4);
    return rig.inFlight === 0;
  });
}

test('unsent bytes are what the peer has not read', linux, async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  let nowMs = 0;
  const queues = new UnsentBytes(() => nowMs);
  assert.equal(queues.bytesOf(client.socket), 0);
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${LARGE}\r\n\r\n`);
  (await rig.replica.next()).pause();
  await new Flood(client, LARGE).stalled();
  nowMs += 10_000;
  const full = queues.bytesOf(client.socket);
  assert.ok(full > 65_536, `${full} bytes are not taken`);
  client.close();
  nowMs += 10_000;
  assert.equal(queues.bytesOf(client.socket), 0);
});

test('client that reads slowly is kept, one that reads nothing closed', linux, async (t) => {
  const rig = await Rig.open(t, { sendTimeoutMs: LIMIT_MS });
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  await new Flood(replica, LARGE).stalled();
  await assertKept(rig, client);
  await end(rig);
});

test('HTTP/2 client that reads slowly is kept, one that reads nothing closed', linux, async (t) => {
  const settings = { sendTimeoutMs: LIMIT_MS, idleTimeoutMs: 10 * LIMIT_MS };
  const { rig, client, replica } = await deafHttp2(t, settings);
  client.isKept = false;
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  await new Flood(replica, LARGE).stalled();
  await assertKept(rig, client);
  await end(rig);
});

test('replica that reads upload slowly is kept, an idle one closed', linux, async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: LIMIT_MS });
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const replica = await rig.replica.next();
  replica.isKept = false;
  replica.pause();
  await new Flood(client, LARGE).stalled();
  await assertKept(rig, replica);
  await end(rig);
  assert.equal(statusOf(await client.response()), 504);
});
