/** Tunnels to a replica that goes away. RFC 6455 sections 5.5.1 and 7.4.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flood } from '../helpers/proxy/flood.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { SWITCHED, tunnel, UPGRADE } from '../helpers/proxy/scenes.ts';

/** Status 1001, without a mask. */
const GOING_AWAY = '\x88\x02\x03\xe9';
/** What a client responds to it: the same, masked. */
const ECHO = '\x88\x82\x01\x02\x03\x04\x02\xeb';
/** A text frame of five bytes. */
const HELLO = '\x81\x05hello';

/** Closes the tunnels to the first replica, all of them at once. */
const goAway = (rig: Rig, withinMs = 0): void =>
  rig.thread.active.tunnels.goAway(0, rig.thread.nowMs, withinMs);

/** Sends bytes of the replica, and waits until the client has them. */
async function pass(replica: Peer, client: Peer, bytes: string): Promise<void> {
  replica.send(bytes);
  assert.equal(await client.takeBytes(bytes.length), bytes);
}

test('a WebSocket between two frames is closed with 1001', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  await pass(replica, client, HELLO);
  goAway(rig);
  assert.equal(await client.over(), GOING_AWAY);
});

test('a WebSocket on which nothing was sent is closed with 1001', async (t) => {
  const { rig, client } = await tunnel(t);
  goAway(rig);
  assert.equal(await client.over(), GOING_AWAY);
});

test("a closed WebSocket's client still reaches the replica with its close frame", async (t) => {
  const { rig, client, replica } = await tunnel(t);
  goAway(rig);
  assert.equal(await client.takeBytes(4), GOING_AWAY);
  client.send(ECHO);
  assert.equal(await replica.takeBytes(ECHO.length), ECHO);
  client.end();
  await replica.over();
  replica.end();
  await rig.settled();
});

test('a WebSocket in the middle of a frame is closed after it', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  await pass(replica, client, `${HELLO}\x82\x7e\x01`);
  goAway(rig);
  await pass(replica, client, '\x00');
  await pass(replica, client, 'a'.repeat(255));
  replica.send(`z${HELLO}`);
  assert.equal(await client.over(), `z${GOING_AWAY}`);
});

test('a frame that came with the head of 101 counts', async (t) => {
  const { rig, client, replica } = await tunnelWith(t, SWITCHED + HELLO.slice(0, 3));
  await client.takeBytes(3);
  goAway(rig);
  replica.send(HELLO.slice(3));
  assert.equal(await client.over(), HELLO.slice(3) + GOING_AWAY);
});

test('a large frame is finished for a client that reads slowly', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  await pass(replica, client, '\x82\x7f\x00\x00\x00\x00\x02\x00\x00\x00');
  client.pause();
  client.isKept = false;
  const before = client.bytes;
  const flood = new Flood(replica, 32 << 20);
  await flood.stalled();
  goAway(rig);
  client.resume();
  await client.until('the frame and the close frame', () => client.bytes - before === (32 << 20) + 4);
});

test('a WebSocket that its replica has closed gets no second close frame', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  await pass(replica, client, '\x88\x02\x03\xe8');
  goAway(rig);
  replica.end();
  assert.equal(await client.over(), '');
});

test('a tunnel of another protocol is just closed', async (t) => {
  const switched = SWITCHED.replace('websocket', 'chat/1');
  const { rig, client, replica } = await tunnelWith(t, switched);
  await pass(replica, client, HELLO);
  goAway(rig);
  assert.equal(await client.over(), '');
  await rig.settled();
});

test('tunnels to another replica stay', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  rig.thread.active.tunnels.goAway(1, rig.thread.nowMs, 0);
  await pass(replica, client, HELLO);
});

test('tunnels close within the time that is given', async (t) => {
  const { rig, client } = await tunnel(t);
  goAway(rig, 5000);
  rig.advance(5100);
  assert.equal(await client.over(), GOING_AWAY);
});

/** As `tunnel`, with another response of the replica. */
async function tunnelWith(t: Parameters<typeof tunnel>[0], switched: string) {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(switched);
  await client.response();
  return { rig, client, replica };
}
