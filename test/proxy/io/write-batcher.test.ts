/** Small writes that are made together at the end of a round of the event loop. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { writeBatcher } from '../../../lib/proxy/io/write-batcher.ts';
import { eventually } from '../../helpers/eventually.ts';
import { get, headerOf, ok, post, statusOf } from '../../helpers/proxy/message.ts';
import { Peer } from '../../helpers/proxy/peer.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

/** As many as are held back at a time. */
const MOST_HELD = 16;

/** Connections, each with the end that is written to and the one that hears. */
async function pairs(t: TestContext, count: number): Promise<(readonly [Socket, Peer])[]> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const made: (readonly [Socket, Peer])[] = [];
  while (made.length < count) {
    const accepted = once(server, 'connection');
    const peer = await Peer.connect((server.address() as AddressInfo).port);
    const [socket] = (await accepted) as [Socket];
    t.after(() => socket.destroy());
    t.after(() => peer.close());
    made.push([socket, peer]);
  }
  return made;
}

const roundEnd = () => new Promise(setImmediate);
const isWritten = ([socket]: readonly [Socket, Peer]) => socket.bytesWritten > 0;

test('batched writes are made at end of the round, in order', async (t) => {
  const [one, two] = await pairs(t, 2);
  for (const [socket] of [one!, two!]) {
    writeBatcher.write(socket, 'first ');
    writeBatcher.write(socket, 'second ');
  }
  writeBatcher.write(one![0], 'third');
  assert.deepEqual([one!, two!].map(isWritten), [false, false]);
  await roundEnd();
  assert.deepEqual([one!, two!].map(isWritten), [true, true]);
  one![0].write(' fourth');
  await one![1].take('first second third fourth');
  await two![1].take('first second ');
});

test('what waits is latin1', async (t) => {
  const [pair] = await pairs(t, 1);
  writeBatcher.write(pair![0], '\xe9');
  await pair![1].take('\xe9');
  assert.equal(pair![0].bytesWritten, 1);
});

test('at most a few writes are held; one more flushes them', async (t) => {
  const all = await pairs(t, MOST_HELD + 1);
  for (const [socket] of all) writeBatcher.write(socket, 'held');
  const written = all.map(isWritten);
  assert.deepEqual(written, [...Array<boolean>(MOST_HELD).fill(true), false]);
  await roundEnd();
  assert.ok(all.every(isWritten));
  for (const [, peer] of all) await peer.take('held');
});

test('a flush writes what is held for the socket, once', async (t) => {
  const [asked, other] = await pairs(t, 2);
  writeBatcher.flush(asked![0]);
  for (const [socket] of [other!, asked!]) writeBatcher.write(socket, 'held');
  writeBatcher.flush(asked![0]);
  asked![0].end(' and more');
  await roundEnd();
  assert.equal(await asked![1].over(), 'held and more');
  await other![1].take('held');
  assert.equal(other![0].bytesWritten, 4);
});

test('a socket closed after its writes loses nothing', async (t) => {
  const [last, other] = await pairs(t, 2);
  for (const [socket] of [last!, other!]) {
    writeBatcher.write(socket, 'all of it');
    writeBatcher.closeAfterWrites(socket);
    // neither closed nor shut down, which would cost a call more
    assert.deepEqual([socket.destroyed, socket.writableEnded], [false, false]);
  }
  await roundEnd();
  for (const [, peer] of [last!, other!]) {
    assert.equal(await peer.over(), 'all of it');
    assert.equal(peer.errno, '');
  }
});

test('a socket closed behind held writes loses nothing', async (t) => {
  const [first, second] = await pairs(t, 2);
  for (const [socket] of [first!, second!]) writeBatcher.write(socket, 'all of it');
  writeBatcher.closeAfterWrites(first![0]);
  assert.equal(await first![1].over(), 'all of it');
  await second![1].take('all of it');
  assert.equal(second![0].destroyed, false);
});

test('nothing waits on a socket: it closes at once', async (t) => {
  const [pair] = await pairs(t, 1);
  writeBatcher.closeAfterWrites(pair![0]);
  assert.equal(pair![0].destroyed, true);
  assert.equal(await pair![1].over(), '');
});

test('a socket destroyed meanwhile does not affect others', async (t) => {
  const [destroyed, other] = await pairs(t, 2);
  const errors: Error[] = [];
  destroyed![0].on('error', (error) => errors.push(error));
  for (const [socket] of [destroyed!, other!]) writeBatcher.write(socket, 'text');
  destroyed![0].destroy();
  await roundEnd();
  await other![1].take('text');
  assert.equal(await destroyed![1].over(), '');
  assert.deepEqual(errors, []);
});

test('small writes of a crowd are batched, of one client not', async (t) => {
  const rig = await Rig.open(t);
  const [alone, ...others] = await Promise.all(Array.from({ length: 4 }, () => rig.client()));
  rig.replica.serve(() => ok('answer'));
  const batched = t.mock.method(writeBatcher, 'write').mock;
  alone!.send(get('/'));
  await alone!.response();
  assert.equal(batched.callCount(), 0);
  const asked: Peer[] = [];
  rig.replica.serve((_request, connection) => {
    asked.push(connection);
    return undefined;
  });
  const crowd = [alone!, ...others];
  for (const client of crowd) client.send(get('/'));
  await eventually('all requests to be at the replica', () => asked.length === crowd.length);
  assert.notEqual(batched.callCount(), 0);
  batched.resetCalls();
  for (const connection of asked) connection.send(ok('answer'));
  for (const client of crowd) await client.response();
  assert.notEqual(batched.callCount(), 0);
});

test('every client of a crowd gets all responses in order', async (t) => {
  const rig = await Rig.open(t, { replicas: 3 });
  for (const replica of rig.replicas)
    replica.serve(({ startLine, body }) => ok(`${startLine.split(' ')[1]}:${body}`));
  const clients = await Promise.all(Array.from({ length: 50 }, () => rig.client()));
  for (let round = 0; round < 4; round++) {
    for (const [at, client] of clients.entries())
      client.send(get(`/${at}`) + post(`/${at}`, `body ${at}`) + get(`/${at}/last`));
    for (const [at, client] of clients.entries()) {
      assert.equal((await client.response()).body, `/${at}:`);
      assert.equal((await client.response()).body, `/${at}:body ${at}`);
      assert.equal((await client.response()).body, `/${at}/last:`);
    }
  }
  for (const client of clients) client.send('GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
  for (const client of clients) {
    const response = await client.response();
    assert.equal(statusOf(response), 200);
    assert.equal(headerOf(response, 'connection'), 'close');
    assert.equal(await client.over(), '');
    assert.equal(client.errno, '');
  }
  await rig.settled();
});
