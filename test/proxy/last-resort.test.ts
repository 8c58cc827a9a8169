/** The last of all time limits, which ends a request when what should have ended it has not. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { tunnel } from '../helpers/proxy/scenes.ts';

/** More than the kernel's buffers hold. */
const LARGE = 32 << 20;

test('a request that its pool has lost gets 504, counted', async (t) => {
  const rig = await Rig.open(t, { connectTimeoutMs: 2000 });
  rig.lastResorts = 1;
  t.mock.method(rig.thread.pools.get(0)!, 'send', () => {});
  const client = await rig.client();
  client.send(get('/'));
  await eventually('in flight', () => rig.inFlight === 1);
  rig.advance(2900);
  assert.equal(client.bytes, 0);
  rig.advance(200);
  const response = await client.response();
  assert.equal(statusOf(response), 504);
  assert.match(failureOf(response), /did not accept the connection in time/);
  await rig.settled();
  t.mock.restoreAll();
  rig.replica.serve();
  client.send(get('/next'));
  assert.equal((await client.response()).body, 'hello');
});

test('request that its pool has lost ends at request-timeout if sooner', async (t) => {
  const rig = await Rig.open(t, { connectTimeoutMs: 2000, requestTimeoutMs: 1000 });
  t.mock.method(rig.thread.pools.get(0)!, 'send', () => {});
  const client = await rig.client();
  client.send(get('/'));
  await eventually('in flight', () => rig.inFlight === 1);
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
});

test('an admin request without a response for ten minutes gets 504', async (t) => {
  const rig = await Rig.open(t);
  rig.lastResorts = 1;
  const client = await rig.client();
  client.send(get('/rep'));
  await (await rig.admin.next()).request();
  rig.advance(599_000);
  assert.equal(client.bytes, 0);
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
});

test('a response paused although its client has read all is cut', async (t) => {
  const rig = await Rig.open(t, { sendTimeoutMs: 1000 });
  rig.lastResorts = 1;
  rig.replica.serve(() => ok('x'.repeat(LARGE)));
  // nothing tells that there is room again
  let isWaiting = false;
  const { write } = Socket.prototype;
  t.mock.method(Socket.prototype, 'write', function (this: Socket, piece: unknown, ...rest: unknown[]) {
    if (typeof piece === 'string') return Reflect.apply(write, this, [piece, ...rest]);
    isWaiting = true;
    return Reflect.apply(write, this, [piece]);
  });
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  await eventually('a full client', () => isWaiting);
  client.resume();
  await rig.elapse(client.over());
  assert.ok(client.bytes < LARGE);
  await rig.settled();
});

test('a tunnel silent for far too long is closed, and counted', async (t) => {
  // the sockets' own clocks are not moved
  const { rig, client, replica } = await tunnel(t, { idleTimeoutMs: 20_000 });
  rig.lastResorts = 1;
  rig.advance(49_000);
  client.send('not silent');
  await replica.take('not silent');
  rig.advance(50_000);
  assert.equal(client.isEnded, false);
  rig.advance(2000);
  await client.over();
  await replica.over();
  await rig.settled();
});
