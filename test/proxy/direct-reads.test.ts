/** Large uploads, whose bodies are read past Node's parser. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { DirectReads, LEAST_DIRECT_BYTES } from '../../lib/proxy/direct-reads.ts';
import { eventually } from '../helpers/eventually.ts';
import { Flood } from '../helpers/proxy-flood.ts';
import { failureOf, get, type Message, ok, statusOf } from '../helpers/proxy-message.ts';
import { Rig } from '../helpers/proxy-rig.ts';

const MIB = 1 << 20;

const digest = (bytes: string | Buffer) =>
  createHash('sha256')
    .update(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    .digest('hex');

const head = (bytes: number) =>
  `POST /up HTTP/1.1\r\nHost: h\r\nX-Request-Id: up\r\nContent-Length: ${bytes}\r\n\r\n`;

/** Answers every request with the digest of its body. */
const answerDigest = ({ body }: Message) => ok(digest(body));

test('Node lets a socket be read past its parser, which sees the end and what follows', async (t) => {
  const body = randomBytes(3 * LEAST_DIRECT_BYTES);
  const pieces: Buffer[] = [];
  let parsedBytes = 0;
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    request.on('data', (chunk: Buffer) => {
      parsedBytes += chunk.length;
      pieces.push(Buffer.from(chunk));
      const direct = DirectReads.begin(request.socket, body.length - parsedBytes, (piece) => {
        pieces.push(Buffer.from(piece));
        return true;
      });
      assert.ok(direct, 'reads directly');
    });
    request.on('end', () => response.end('done'));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => client.destroy());
  client.write(head(body.length));
  client.write(body.subarray(0, 1000));
  await eventually('the first piece', () => pieces.length === 1);
  client.write(Buffer.concat([body.subarray(1000), Buffer.from('GET /next HTTP/1.1\r\nHost: h\r\n\r\n')]));
  await eventually('both requests', () => paths.length === 2);
  assert.deepEqual(paths, ['/up', '/next']);
  assert.equal(parsedBytes, 1000);
  assert.equal(digest(Buffer.concat(pieces)), digest(body));
});

test('many uploads on one connection arrive byte for byte, with small requests between them', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(answerDigest);
  const client = await rig.client();
  for (const bytes of [MIB, 300_000, 5 * MIB, LEAST_DIRECT_BYTES + 65_536, MIB + 1]) {
    const body = randomBytes(bytes);
    client.send(head(bytes));
    client.send(body);
    assert.equal((await client.response()).body, digest(body));
    client.send(get('/'));
    assert.equal((await client.response()).body, digest(''));
  }
  await rig.settled();
});

test('uploads that are pipelined arrive in their order', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(answerDigest);
  const client = await rig.client();
  const bodies = [MIB, 10, MIB, 700_000].map((bytes) => randomBytes(bytes));
  client.send(Buffer.concat(bodies.flatMap((body) => [Buffer.from(head(body.length)), body])));
  for (const body of bodies) assert.equal((await client.response()).body, digest(body));
});

test('an upload in pieces of odd sizes arrives byte for byte', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(answerDigest);
  const client = await rig.client();
  const body = randomBytes(2 * MIB);
  client.send(head(body.length));
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7 + 13) % 99_991) {
    client.send(body.subarray(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await client.response()).body, digest(body));
});

test('what is not HTTP behind an upload is refused after its answer', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(answerDigest);
  const client = await rig.client();
  const body = randomBytes(MIB);
  client.send(Buffer.concat([Buffer.from(head(body.length)), body, Buffer.from('garbage\r\n\r\n')]));
  assert.equal((await client.response()).body, digest(body));
  assert.equal(statusOf(await client.response()), 400);
  await client.over();
});

test('a client that goes in the middle of an upload takes the request to the replica with it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(head(4 * MIB));
  client.send(randomBytes(MIB));
  const replica = await rig.replica.next();
  await replica.until('most of what was sent', () => replica.bytes > MIB);
  client.reset();
  await replica.over();
  await rig.settled();
});

test('a client that ends in the middle of an upload is told, and so is the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(head(4 * MIB));
  client.send(randomBytes(MIB));
  const replica = await rig.replica.next();
  await replica.until('most of what was sent', () => replica.bytes > MIB);
  client.end();
  assert.equal(statusOf(await client.response()), 400);
  await replica.over();
  await rig.settled();
});

test('a replica that answers before the end of an upload is heard, and the rest is thrown away', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(head(8 * MIB));
  client.send(randomBytes(MIB));
  const replica = await rig.replica.next();
  await replica.until('most of what was sent', () => replica.bytes > MIB);
  replica.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge');
  const answer = await client.response();
  assert.equal(statusOf(answer), 413);
  assert.equal(answer.body, 'large');
  await rig.elapse(client.over());
  await rig.settled();
});

test('a replica that dies in the middle of an upload is a 502, and the rest is thrown away', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(head(8 * MIB));
  client.send(randomBytes(MIB));
  const replica = await rig.replica.next();
  await replica.until('most of what was sent', () => replica.bytes > MIB);
  replica.reset();
  const answer = await client.response();
  assert.equal(statusOf(answer), 502);
  assert.match(failureOf(answer), /^<Error>/);
  client.send(randomBytes(MIB));
  await rig.elapse(client.over());
  await rig.settled();
});

test('an upload that the replica does not read is held back, and goes on when it does', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const bytes = 48 * MIB;
  client.send(head(bytes));
  const replica = await rig.replica.next();
  replica.isKept = false;
  replica.pause();
  const before = process.memoryUsage().arrayBuffers;
  const taken = await new Flood(client, bytes).stalled();
  assert.ok(taken > MIB && taken < 24 * MIB, `${taken} bytes were taken from the client`);
  assert.ok(process.memoryUsage().arrayBuffers - before < 12 * MIB);
  replica.resume();
  await replica.until('all of it', () => replica.bytes > bytes);
  replica.send(ok('read'));
  assert.equal((await client.response()).body, 'read');
  await rig.settled();
});

for (const [kind, framing] of [
  ['of known length', `Content-Length: ${64 * MIB}`],
  ['in chunks', 'Transfer-Encoding: chunked'],
] as const) {
  test(`a client that goes while its upload ${kind} is held back is noticed within a second`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`POST /up HTTP/1.1\r\nHost: h\r\n${framing}\r\n\r\n`);
    if (framing.startsWith('T')) client.send(`${(64 * MIB).toString(16)}\r\n`);
    const replica = await rig.replica.next();
    replica.isKept = false;
    replica.pause();
    await new Flood(client, 64 * MIB).stalled();
    client.reset();
    // the reset has arrived before the clock is moved
    await eventually('the reset', () => client.isClosed);
    rig.advance(1000);
    await eventually('the end of the request', () => rig.inFlight === 0);
    replica.resume();
    await replica.over();
  });
}

test('looking for a client does not put off the end of an upload that the replica never takes', async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: 5000 });
  const client = await rig.client();
  client.send(head(64 * MIB));
  const replica = await rig.replica.next();
  replica.isKept = false;
  replica.pause();
  await new Flood(client, 64 * MIB).stalled();
  for (let second = 0; second < 6; second++) {
    rig.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(statusOf(await client.response()), 504);
});
