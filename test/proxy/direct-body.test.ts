/** Bodies that the parser fills in place of a stream. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { DirectBody } from '../../lib/proxy/direct-body.ts';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, ok, post, statusOf } from '../helpers/proxy-message.ts';
import { Rig } from '../helpers/proxy-rig.ts';

/** A body, what it tells, and how often its socket was told to read on. */
function stage(length = Number.NaN) {
  const told: string[] = [];
  const socket = { _paused: false, resumed: 0, resume: () => socket.resumed++ };
  const body = new DirectBody(socket as unknown as Socket, length);
  body.listen(
    (piece) => told.push(piece.toString()),
    () => told.push('END'),
  );
  const push = (text: string) => body.push(Buffer.from(text));
  return { body, socket, told, push };
}

test('nothing is told before it is asked for, then all in its order, and the end last', () => {
  const { body, told, push } = stage();
  push('a');
  push('b');
  assert.deepEqual([told, body.heldBytes], [[], 2]);
  body.resume();
  push('c');
  assert.deepEqual([told, body.heldBytes], [['a', 'b', 'c'], 0]);
  body.push(null);
  assert.deepEqual(told, ['a', 'b', 'c', 'END']);
});

test('the end is told once, however often it is paused and resumed', () => {
  const { body, told, push } = stage();
  push('a');
  body.push(null);
  for (let count = 0; count < 3; count++) {
    body.resume();
    body.pause();
  }
  body.resume();
  assert.deepEqual(told, ['a', 'END']);
});

test('a pause in the middle of what was held keeps the rest, and the end behind it', () => {
  const told: string[] = [];
  const socket = { _paused: false, resume: () => {} };
  const body = new DirectBody(socket as unknown as Socket, 3);
  body.listen(
    (piece) => {
      told.push(piece.toString());
      body.pause();
    },
    () => told.push('END'),
  );
  for (const text of ['a', 'b', 'c']) body.push(Buffer.from(text));
  body.push(null);
  for (const [count, heldBytes] of [2, 1, 0].entries()) {
    body.resume();
    assert.deepEqual([told.length, body.heldBytes], [count + 1, heldBytes]);
  }
  body.resume();
  assert.deepEqual(told, ['a', 'b', 'c', 'END']);
});

test('64 KiB that nobody takes stop the reading, and taking them begins it again', () => {
  const { body, socket, told, push } = stage();
  assert.equal(push('x'.repeat(65_535)), true);
  assert.equal(push('y'), false);
  body.resume();
  assert.deepEqual([socket.resumed, told.length], [1, 2]);
  body.resume();
  assert.equal(socket.resumed, 1, 'told once');
});

test('a pause while what was held is told leaves the reading stopped until it is resumed', () => {
  const socket = { _paused: false, resumed: 0, resume: () => socket.resumed++ };
  const body = new DirectBody(socket as unknown as Socket, Number.NaN);
  let takes = false;
  body.listen(
    () => takes || body.pause(),
    () => {},
  );
  assert.equal(body.push(Buffer.alloc(65_536)), false);
  body.resume();
  assert.deepEqual([body.heldBytes, socket.resumed], [0, 0]);
  takes = true;
  body.resume();
  assert.equal(socket.resumed, 1);
});

test('a socket that is not read for another reason is left to that', () => {
  const { body, socket, push } = stage();
  push('x'.repeat(65_536));
  socket._paused = true;
  body.resume();
  assert.equal(socket.resumed, 0);
});

test('with nobody who listens it is thrown away', () => {
  const socket = { _paused: false, resume: () => {} };
  const body = new DirectBody(socket as unknown as Socket, 3);
  body.resume();
  assert.equal(body.push(Buffer.from('abc')), true);
  body.push(null);
  assert.equal(body.heldBytes, 0);
});

const CHUNKED =
  'PUT /up HTTP/1.1\r\nHost: h\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '6\r\nhello \r\n5\r\nworld\r\n0\r\nX-Sum: 11\r\n\r\n';
/** The first request of a method comes the ordinary way, those after it directly. */
const WAYS = ['the ordinary way', 'directly'];

test('a chunked body with trailers is the same whichever way it comes, in whatever pieces', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(({ body, trailers }) => ok(`${body}|${trailers}`));
  const client = await rig.client();
  for (const way of WAYS) {
    client.send(CHUNKED);
    assert.equal((await client.response()).body, 'hello world|X-Sum,11', way);
  }
  for (const byte of CHUNKED) {
    client.send(byte);
    await new Promise(setImmediate);
  }
  assert.equal((await client.response()).body, 'hello world|X-Sum,11');
});

for (const body of [
  'Content-Length: 8\r\n\r\ntoo much',
  'Transfer-Encoding: chunked\r\n\r\n8\r\ntoo much\r\n0\r\n\r\n',
])
  test(`a body that is too large is refused, and its connection closed: ${body.slice(0, 17)}`, async (t) => {
    const rig = await Rig.open(t, { maxBodyBytes: 4 });
    rig.replica.serve(() => ok('small'));
    for (const way of WAYS) {
      const client = await rig.client();
      client.send(post('/', 'abcd'));
      assert.equal((await client.response()).body, 'small');
      client.send(`POST / HTTP/1.1\r\nHost: h\r\n${body}`);
      const response = await client.response();
      assert.equal(statusOf(response), 413, way);
      assert.match(failureOf(response), /larger than 4 bytes/);
      assert.equal(await client.over(), '');
    }
    await rig.settled();
  });

test('a body that goes to another replica is sent again whole, its end and its trailers once', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const bytes = CHUNKED.replace('Host: h\r\n', `Host: h\r\n${rig.ownedBy(0)}`);
  const client = await rig.client();
  for (const way of WAYS) {
    client.send(bytes);
    const first = await rig.replicas[0]!.next();
    await first.request();
    first.close();
    const second = await rig.replicas[1]!.next();
    const { body, trailers } = await second.request();
    assert.deepEqual([body, trailers], ['hello world', [['X-Sum', '11']]], way);
    second.send(ok('again'));
    assert.equal((await client.response()).body, 'again');
    assert.equal(second.received, '');
    rig.closeIdle();
    rig.setState(0, 'healthy');
  }
});

test('a refused request with a large body is read on, so that its answer is not lost to a reset', async (t) => {
  const rig = await Rig.open(t, { maxBodyBytes: 1000 });
  rig.replica.serve(() => ok('small'));
  for (const way of WAYS) {
    const client = await rig.client();
    client.send(post('/', 'abcd'));
    assert.equal((await client.response()).body, 'small');
    const size = 8 << 20;
    client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
    client.send(Buffer.alloc(size, 'x'));
    assert.equal(statusOf(await client.response()), 413, way);
    await eventually('all of the body is taken', () => client.socket.writableLength === 0, 3000);
    assert.equal(client.errno, '');
    client.close();
  }
});

test('a body that waits for a replica is held, and its client is not read without bound', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const [first, second, third] = [await rig.client(), await rig.client(), await rig.client()];
  first.send(post('/first', 'a'));
  const replica = await rig.replica.next();
  await replica.request();
  const size = 32 << 20;
  for (const client of [second, third])
    client.send(`POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
  await eventually('both wait', () => rig.waiting === 2);
  second.send(Buffer.alloc(size, 'x'));
  await eventually('standstill', async () => {
    const before = second.socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return before > 0 && second.socket.writableLength === before;
  });
  third.reset();
  await eventually('the other has left', () => rig.waiting === 1);
  rig.replica.serve(({ body }) => ok(String(body.length)));
  replica.send(ok('one'));
  assert.equal((await first.response()).body, 'one');
  assert.equal((await second.response()).body, String(size));
  await rig.settled();
});
