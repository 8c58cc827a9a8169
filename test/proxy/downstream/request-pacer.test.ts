/** Requests that wait for the next round of the event loop because many came in one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ClientConnection } from '../../../lib/proxy/downstream/client-connection.ts';
import { RequestPacer } from '../../../lib/proxy/downstream/request-pacer.ts';
import { setAcceptPriority } from '../../../lib/proxy/downstream/request-reader.ts';
import { eventually } from '../../helpers/eventually.ts';
import { get, ok, statusOf } from '../../helpers/proxy/message.ts';
import { Peer } from '../../helpers/proxy/peer.ts';
import { Rig, type RigSettings } from '../../helpers/proxy/rig.ts';
import { readSynchronously } from './read-synchronously.ts';

/** As many as are taken in a round, and in one that is to be short. */
const A_ROUND = 32;
const A_SHORT_ROUND = 4;

const roundEnd = () => new Promise(setImmediate);

/** Turns, who was taken, and how one comes. */
function stage() {
  const taken: number[] = [];
  const pacer = new RequestPacer<number>((each) => taken.push(each));
  const come = (each: number): void => {
    if (pacer.tryAdmit()) taken.push(each);
    else pacer.enqueue(each);
  };
  const comeAll = (from: number, to: number): void => {
    for (let each = from; each < to; each++) come(each);
  };
  return { pacer, taken, come, comeAll };
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

test('few are processed at once, others in later rounds, in order', async () => {
  const { taken, comeAll } = stage();
  comeAll(0, 2 * A_ROUND + 5);
  assert.deepEqual(taken, upTo(A_ROUND));
  await roundEnd();
  assert.deepEqual(taken, upTo(2 * A_ROUND));
  await roundEnd();
  assert.deepEqual(taken, upTo(2 * A_ROUND + 5));
});

test('a new item queues behind those that wait', async () => {
  const { taken, come, comeAll } = stage();
  comeAll(0, 3 * A_ROUND);
  await roundEnd();
  come(3 * A_ROUND);
  for (let round = 0; round < 3; round++) await roundEnd();
  assert.deepEqual(taken, upTo(3 * A_ROUND + 1));
});

test('deferred items count for their round, and each round has room', async () => {
  const { taken, comeAll } = stage();
  comeAll(0, A_ROUND + 10);
  await roundEnd();
  // ten of this round were those that waited
  comeAll(A_ROUND + 10, 3 * A_ROUND);
  assert.deepEqual(taken, upTo(2 * A_ROUND));
  for (let round = 0; round < 2; round++) await roundEnd();
  assert.deepEqual(taken, upTo(3 * A_ROUND));
  comeAll(3 * A_ROUND, 4 * A_ROUND);
  assert.deepEqual(taken, upTo(4 * A_ROUND));
});

test('a slow pacer admits few in each round until fast again', async () => {
  const { pacer, taken, comeAll } = stage();
  pacer.setSlow(true);
  comeAll(0, 3 * A_ROUND);
  assert.deepEqual(taken, upTo(A_SHORT_ROUND));
  await roundEnd();
  assert.deepEqual(taken, upTo(2 * A_SHORT_ROUND));
  pacer.setSlow(false);
  await roundEnd();
  assert.deepEqual(taken, upTo(2 * A_SHORT_ROUND + A_ROUND));
  pacer.setSlow(true);
  for (let round = 0; taken.length < 3 * A_ROUND; round++) {
    assert.ok(round < A_ROUND, 'it goes on');
    await roundEnd();
  }
  assert.deepEqual(taken, upTo(3 * A_ROUND));
});

test('slowing down within a round ends admission for that round', async () => {
  const { pacer, taken, comeAll } = stage();
  comeAll(0, A_ROUND / 2);
  pacer.setSlow(true);
  comeAll(A_ROUND / 2, A_ROUND);
  assert.deepEqual(taken, upTo(A_ROUND / 2));
  await roundEnd();
  assert.deepEqual(taken, upTo(A_ROUND / 2 + A_SHORT_ROUND));
});

/** Clients that have been answered once: the server has all of their connections. */
async function crowd(t: TestContext, count: number, settings: RigSettings = {}) {
  const rig = await Rig.open(t, settings);
  rig.replica.serve(({ startLine }) => ok(startLine.split(' ')[1]!));
  const clients = await Promise.all(Array.from({ length: count }, () => rig.client()));
  for (const client of clients) {
    client.send(get('/'));
    await client.response();
  }
  return { rig, clients };
}

/** Has what all of them ask read in one round. */
function askAtOnce(clients: readonly Peer[], path: (at: number) => string): void {
  for (const [at, client] of clients.entries()) readSynchronously(client, get(path(at)));
}

test('of a crowd every client gets its own response', async (t) => {
  const { rig, clients } = await crowd(t, 4 * A_ROUND);
  for (let round = 0; round < 3; round++) {
    askAtOnce(clients, (at) => `/${round}/${at}`);
    for (const [at, client] of clients.entries())
      assert.equal((await client.response()).body, `/${round}/${at}`);
  }
  await rig.settled();
});

test('a client that disconnects while deferred takes its request along', async (t) => {
  const { rig, clients } = await crowd(t, 4 * A_ROUND);
  for (let round = 0; round < 3; round++) {
    const staying = clients.splice(0, clients.length - A_ROUND);
    const leaving = clients.splice(0);
    askAtOnce([...staying, ...leaving], (at) => `/${at}`);
    for (const client of leaving) client.close();
    for (const [at, client] of staying.entries()) assert.equal((await client.response()).body, `/${at}`);
    clients.push(...staying);
  }
  await rig.settled();
});

/** Connections whose requests are only noted. */
async function noted(t: TestContext, count: number) {
  const { thread } = await Rig.open(t);
  const events: string[] = [];
  const connections: ClientConnection[] = [];
  const taken = new Set<unknown>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.on('connection', (socket) => {
    const facts = { ip: '127.0.0.1', trusted: false, isTls: false };
    const client = new ClientConnection(socket, facts, thread, {
      handleRequest: (handled, { url }) => {
        taken.add(handled);
        events.push(`take ${url}`);
      },
      onConnectionClosed: () => {},
    });
    connections.push(client);
    client.open();
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients = await Promise.all(Array.from({ length: count }, () => Peer.connect(port)));
  t.after(() => {
    for (const client of clients) client.close();
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  await eventually('all to be there', () => connections.length === count);
  const waiting = () => connections.filter((client) => !taken.has(client));
  return { events, clients, waiting };
}

test('a deferred client that sends more is processed at once', async (t) => {
  const { events, clients } = await noted(t, 4 * A_ROUND);
  askAtOnce(clients, (at) => `/${at}`);
  for (let round = 0; round < 2; round++) await roundEnd();
  const last = clients.length - 1;
  assert.equal(events.includes(`take /${last}`), false);
  readSynchronously(clients[last]!, get('/0'));
  assert.equal(events.at(-1), `take /${last}`);
  await eventually('all', () => events.length === clients.length);
});

test('a client that disconnected before its turn is skipped', async (t) => {
  const { events, clients, waiting } = await noted(t, 4 * A_ROUND);
  askAtOnce(clients, (at) => `/${at}`);
  for (let round = 0; round < 2; round++) await roundEnd();
  const gone = waiting().slice(-2);
  assert.equal(gone.length, 2);
  gone[0]!.socket.destroy();
  gone[1]!.socket.end();
  await eventually('the others', () => events.length === clients.length - 2);
  for (let round = 0; round < 4; round++) await roundEnd();
  assert.equal(events.length, clients.length - 2);
});

test('while slow, few requests are processed in a round', async (t) => {
  const { events, clients } = await noted(t, 4 * A_ROUND);
  setAcceptPriority(true);
  t.after(() => setAcceptPriority(false));
  askAtOnce(clients, (at) => `/${at}`);
  for (let round = 1; round < 5; round++) {
    assert.equal(events.length, round * A_SHORT_ROUND);
    await roundEnd();
  }
  setAcceptPriority(false);
  await eventually('the others', () => events.length === clients.length);
});

test('what is long does not wait', async (t) => {
  const { events, clients } = await noted(t, 4 * A_ROUND);
  const last = clients.length - 1;
  askAtOnce(clients.slice(0, last), (at) => `/${at}`);
  readSynchronously(clients[last]!, get(`/${last}`, `X-Long: ${'x'.repeat(5000)}\r\n`));
  assert.equal(events.indexOf(`take /${last}`), A_ROUND);
  await eventually('all', () => events.length === clients.length);
});

test('what a deferred client sends next is handled after its request', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 1000 });
  rig.replica.serve(({ startLine }) => ok(startLine.split(' ')[1]!));
  const clients = await Promise.all(Array.from({ length: 4 * A_ROUND }, () => rig.client()));
  await eventually('all to be there', () => rig.counts().threads.openClientConnections === clients.length);
  const last = clients.slice(-A_ROUND);
  askAtOnce(clients, (at) => `/${at}`);
  for (let round = 0; round < 2; round++) await roundEnd();
  // their turn has not come yet
  for (const client of last) readSynchronously(client, get('/more'));
  for (const [at, client] of clients.entries()) assert.equal((await client.response()).body, `/${at}`);
  for (const client of last) assert.equal((await client.response()).body, '/more');
  // those that have spoken are not out of time
  rig.advance(2000);
  askAtOnce(clients, () => '/again');
  for (const client of clients) assert.equal((await client.response()).body, '/again');
  await rig.settled();
});

test('a deferred client is not idle', async (t) => {
  const { rig, clients } = await crowd(t, 4 * A_ROUND, { keepAliveTimeoutMs: 1000 });
  askAtOnce(clients, (at) => `/${at}`);
  for (let round = 0; round < 2; round++) await roundEnd();
  rig.advance(1500);
  for (const client of clients.slice(-A_ROUND)) assert.equal(statusOf(await client.response()), 200);
});

test('draining responds to deferred requests', async (t) => {
  const { rig, clients } = await crowd(t, 4 * A_ROUND);
  askAtOnce(clients, (at) => `/${at}`);
  const drained = rig.drain();
  for (const client of clients) assert.equal(statusOf(await client.response()), 200);
  await drained;
  await eventually('all closed', () => clients.every(({ isEnded }) => isEnded));
});
