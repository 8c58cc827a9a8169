import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ok, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const REFUSED = 'HTTP/1.1 413 Too Large\r\nConnection: close\r\n';
const PIECE = 'x'.repeat(60_000);

/** How a body goes on after its head: pieces in the form that the head announced. */
const FRAMINGS = {
  'a body with a length': { head: 'Content-Length: 20971520\r\n', piece: PIECE },
  'a chunked body': {
    head: 'Transfer-Encoding: chunked\r\n',
    piece: `${PIECE.length.toString(16)}\r\n${PIECE}\r\n`,
  },
};

/** How a replica closes behind its response: what it has not read makes each of the first two a reset. */
const ENDS: Readonly<Record<string, (peer: Peer) => void>> = {
  'closes on what it has not read': (peer) => peer.close(),
  resets: (peer) => peer.reset(),
  'ends its side': (peer) => peer.end(),
};

/** More than a replica that was paused still takes in. */
const UNREAD_PIECES = 4;

/** An upload that is under way: its head and one piece have been read, more lies unread at the replica. */
async function upload(rig: Rig, head: string, piece: string) {
  const client = await rig.client();
  client.send(`POST /up HTTP/1.1\r\nHost: a\r\n${head}\r\n${piece}`);
  const replica = await rig.replica.next();
  await replica.take('x');
  replica.pause();
  for (let sent = 0; sent < UNREAD_PIECES; sent++) client.send(piece);
  await rounds();
  return { client, replica };
}

/** Lets what was sent be passed on. */
async function rounds(): Promise<void> {
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
}

for (const [framing, { head, piece }] of Object.entries(FRAMINGS)) {
  for (const [way, end] of Object.entries(ENDS)) {
    test(`response to ${framing} is delivered ${way} although the next write fails`, async (t) => {
      const rig = await Rig.open(t);
      const { client, replica } = await upload(rig, head, piece);
      // in one turn, so that the balancer reads the client, and writes, before it reads the replica
      client.send(piece);
      replica.send(`${REFUSED}Content-Length: 3\r\n\r\nbig`);
      end(replica);
      const response = await client.response();
      assert.equal(statusOf(response), 413);
      assert.equal(response.body, 'big');
      await rig.settled();
      assert.deepEqual(rig.reports, []);
      assert.equal(rig.counts().replicas[0]?.failedAttempts, 0);
      assert.equal(rig.replica.connections.length, 1);
    });
  }
}

test('a chunked early response longer than one read is delivered whole', async (t) => {
  const rig = await Rig.open(t);
  const { client, replica } = await upload(rig, 'Content-Length: 20971520\r\n', PIECE);
  client.send(PIECE);
  const half = 'y'.repeat(25_000);
  replica.send(`${REFUSED}Transfer-Encoding: chunked\r\n\r\n`);
  for (let chunk = 0; chunk < 2; chunk++) replica.send(`${half.length.toString(16)}\r\n${half}\r\n`);
  replica.send('0\r\n\r\n');
  replica.close();
  const response = await client.response();
  assert.equal(statusOf(response), 413);
  assert.equal(response.body, half + half);
  await rig.settled();
});

test('interim and final responses are delivered after a write has failed', async (t) => {
  const rig = await Rig.open(t);
  const { client, replica } = await upload(rig, 'Content-Length: 20971520\r\n', PIECE);
  client.send(PIECE);
  replica.send(`HTTP/1.1 102 Processing\r\n\r\n${REFUSED}Content-Length: 3\r\n\r\nbig`);
  replica.reset();
  assert.equal(statusOf(await client.response()), 102);
  assert.equal((await client.response()).body, 'big');
});

test('an HTTP/1.0 client gets a close-delimited response after a failed write', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`POST /up HTTP/1.0\r\nContent-Length: 20971520\r\n\r\n${PIECE}`);
  const replica = await rig.replica.next();
  await replica.take('x');
  replica.pause();
  client.send(PIECE);
  replica.send('HTTP/1.0 501 Unsupported\r\n\r\nno such method');
  replica.end();
  await client.until('the whole response', () => client.received.endsWith('no such method'));
  assert.match(client.received, /^HTTP\/1\.1 501 /);
});

test('early response reaches a client that first sends all its body', async (t) => {
  const rig = await Rig.open(t);
  const { client, replica } = await upload(rig, 'Content-Length: 20971520\r\n', PIECE);
  client.pause();
  client.send(PIECE);
  replica.send(`${REFUSED}Content-Length: 3\r\n\r\nbig`);
  replica.close();
  await new Promise((resolve) =>
    client.socket.write(Buffer.alloc(20_971_520 - (UNREAD_PIECES + 2) * PIECE.length), resolve),
  );
  client.resume();
  assert.equal(statusOf(await client.response()), 413);
});

test('body is sent on to replica that responds early and reads', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n');
  const replica = await rig.replica.next();
  await replica.take('one');
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n');
  await client.take('3\r\none\r\n');
  client.send('3\r\ntwo\r\n0\r\n\r\n');
  await replica.take('two');
  replica.send('3\r\ntwo\r\n0\r\n\r\n');
  await client.take('3\r\ntwo\r\n0\r\n\r\n');
});

test('upload closed without a response is retried where that is safe', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.replicas[1]!.serve(({ body }) => ok(String(body.length)));
  const client = await rig.client();
  const body = 'z'.repeat(50_000);
  client.send(`PUT /up HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: 60000\r\n\r\n${body}`);
  const replica = await rig.replicas[0]!.next();
  await replica.take('z');
  replica.pause();
  client.send('z'.repeat(10_000));
  replica.reset();
  const response = await client.response();
  assert.equal(statusOf(response), 200);
  assert.equal(response.body, '60000');
});
