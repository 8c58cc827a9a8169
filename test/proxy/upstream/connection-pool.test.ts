/** One pool of connections to a replica: each attempt gets a connection or a failure, once, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { FakeSocket } from './fake-socket.ts';
import { CONNECT_TIMEOUT_MS, type Kind, MAX_CONNECTIONS, PoolModel, WAIT_TIMEOUT_MS } from './pool-model.ts';

const KEPT = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CLOSING = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

/** Lets what has reached the sockets be read: the poll phases of two rounds go by. */
async function polled(): Promise<void> {
  await turn();
  await turn();
}

for (const kind of ['fresh', 'upgrade'] as const) {
  test(`behind a refused ${kind} connection an ordinary attempt has its own`, () => {
    const model = new PoolModel();
    const [first, second] = [model.send(kind), model.send('plain')];
    assert.equal(model.sockets.length, 2);
    model.sockets[0]!.fails('ECONNREFUSED');
    assert.deepEqual([first.heard, second.heard], [['connect-refused'], []]);
    model.sockets[1]!.fails('ECONNREFUSED');
    assert.deepEqual(second.heard, ['connect-refused']);
  });

  test(`an ordinary attempt does not wait for a ${kind} connection`, () => {
    const model = new PoolModel();
    const [first, second] = [model.send(kind), model.send('plain')];
    for (const socket of [...model.sockets]) socket.connected();
    assert.deepEqual([first.heard, second.heard], [['connection'], ['connection']]);
  });
}

test('a new connection that is no longer needed serves waiting attempts', () => {
  const model = new PoolModel();
  const [first, second] = [model.send('fresh'), model.send('plain')];
  model.withdraw(first);
  model.sockets[0]!.connected();
  assert.deepEqual(second.heard, ['connection']);
  model.check();
});

test('a tunnel connection that is no longer needed is closed', () => {
  const model = new PoolModel();
  model.withdraw(model.send('upgrade'));
  assert.equal(model.sockets[0]!.state, 'closed');
  model.check();
});

test('in a full pool a new connection replaces longest idle one', async () => {
  const model = new PoolModel();
  for (let count = 0; count < MAX_CONNECTIONS; count++) model.send('plain');
  for (const socket of [...model.sockets]) socket.connected();
  const idle = model.sockets[2]!;
  idle.brings(KEPT);
  model.sockets[1]!.brings(KEPT);
  await polled();
  const fresh = model.send('fresh');
  assert.equal(idle.state, 'closed');
  model.sockets.at(-1)!.connected();
  assert.deepEqual(fresh.heard, ['connection']);
  model.check();
});

test('in busy pool attempt needing a new connection gets it next', async () => {
  const model = new PoolModel();
  for (let count = 0; count < MAX_CONNECTIONS; count++) model.send('plain');
  for (const socket of [...model.sockets]) socket.connected();
  const fresh = model.send('fresh');
  assert.equal(model.sockets.length, MAX_CONNECTIONS);
  model.sockets[0]!.brings(KEPT);
  await polled();
  model.sockets.at(-1)!.connected();
  assert.deepEqual(fresh.heard, ['connection']);
  model.check();
});

test('the connection of a refused upgrade is not reused', () => {
  const model = new PoolModel();
  const upgrade = model.send('upgrade');
  model.sockets[0]!.connected();
  const next = model.send('plain');
  model.sockets[0]!.brings(KEPT);
  assert.deepEqual(upgrade.heard, ['connection', 'done']);
  assert.equal(model.sockets[0]!.state, 'closed');
  model.sockets[1]!.connected();
  assert.deepEqual(next.heard, ['connection']);
  model.check();
});

test('closing a pool fails attempts whose connection is being opened', () => {
  const model = new PoolModel();
  const attempts = [model.send('fresh'), model.send('upgrade'), model.send('plain')];
  model.close();
  assert.deepEqual(
    attempts.map(({ heard }) => heard),
    [['upstream-gone'], ['upstream-gone'], ['upstream-gone']],
  );
  model.check();
});

test('every attempt that waits too long fails, whatever it waits for', async () => {
  const model = new PoolModel(1);
  model.send('plain');
  model.sockets[0]!.connected();
  const waiting = [model.send('plain'), model.send('fresh'), model.send('upgrade')];
  model.advance(WAIT_TIMEOUT_MS - 100);
  assert.ok(waiting.every(({ heard }) => heard.length === 0));
  model.advance(100);
  for (const { heard } of waiting) assert.deepEqual(heard, ['connect-timeout']);
});

test('attempt that waited for room has no extra time to connect', async () => {
  const model = new PoolModel(1);
  model.send('plain');
  model.sockets[0]!.connected();
  const fresh = model.send('fresh');
  model.advance(WAIT_TIMEOUT_MS - 100);
  model.sockets[0]!.brings(KEPT);
  await polled();
  assert.equal(model.sockets.length, 2);
  model.advance(100);
  assert.deepEqual(fresh.heard, ['connect-timeout']);
});

test('an attempt may call its pool again from its failure', async () => {
  const model = new PoolModel();
  model.send('plain', 'send again');
  model.send('plain', 'send again');
  model.sockets[0]!.fails('ECONNREFUSED');
  assert.equal(model.attempts.length, 4);
  await model.finish();
});

test('a connection is read once more before it is reused', async () => {
  const model = new PoolModel();
  model.send('plain');
  const first = model.sockets[0]!;
  first.connected();
  first.brings(KEPT);
  const next = model.send('plain');
  await turn();
  first.ends();
  assert.deepEqual([first.written, next.heard], [1, []]);
  model.sockets[1]!.connected();
  assert.deepEqual(next.heard, ['connection']);
  model.check();
});

test('waiting attempts get a connection once it is settled', async () => {
  const model = new PoolModel();
  model.send('plain');
  model.sockets[0]!.connected();
  model.sockets[0]!.brings(KEPT);
  const next = model.send('plain');
  await polled();
  assert.deepEqual([next.heard, model.sockets.length], [['connection'], 1]);
});

test('an idle connection is taken before one that settles', async () => {
  const model = new PoolModel();
  for (let count = 0; count < 2; count++) model.send('plain');
  const [older, newer] = model.sockets as [FakeSocket, FakeSocket];
  for (const socket of [older, newer]) socket.connected();
  older.brings(KEPT);
  await polled();
  newer.brings(KEPT);
  model.send('plain');
  assert.deepEqual([older.written, newer.written], [2, 1]);
});

/** A pool that has seen its replica end a connection behind a response, with another that is busy. */
async function doubtful(): Promise<{ readonly model: PoolModel; readonly socket: FakeSocket }> {
  const model = new PoolModel();
  for (let count = 0; count < 2; count++) model.send('plain');
  const [ended, socket] = model.sockets as [FakeSocket, FakeSocket];
  for (const each of [ended, socket]) each.connected();
  ended.brings(KEPT);
  await polled();
  ended.ends();
  return { model, socket };
}

test('new connections are opened while others are quarantined', async () => {
  const { model, socket } = await doubtful();
  socket.brings(KEPT);
  await polled();
  model.send('plain');
  assert.deepEqual([socket.written, model.sockets.length], [1, 3]);
  model.check();
});

test('a connection that settles without closing is reused', async () => {
  const { model, socket } = await doubtful();
  socket.brings(KEPT);
  await polled();
  for (let count = 0; count < 2; count++) model.advance(100);
  model.send('plain');
  assert.equal(socket.written, 2);
});

test('a settling connection makes room where there is no other', async () => {
  const { model, socket } = await doubtful();
  for (let count = 1; count < MAX_CONNECTIONS; count++) model.send('plain');
  socket.brings(KEPT);
  model.send('plain');
  assert.equal(socket.state, 'closed');
  model.check();
});

test('suspicion ends after some responses on reused connections', async () => {
  const model = new PoolModel(8);
  const ask = (): void => {
    for (let count = 0; count < 5; count++) model.send('plain');
  };
  ask();
  const used = [...model.sockets];
  for (const socket of used) {
    socket.connected();
    socket.brings(KEPT);
  }
  await polled();
  ask();
  model.send('plain');
  const ended = model.sockets.at(-1)!;
  ended.connected();
  ended.brings(KEPT);
  await polled();
  ended.ends();
  for (const socket of used) socket.brings(KEPT);
  await polled();
  ask();
  assert.deepEqual(
    used.map(({ written }) => written),
    [2, 2, 2, 2, 3],
  );
});

test('suspicion ends after half a second without an early close', async () => {
  const { model, socket } = await doubtful();
  for (let count = 0; count < 5; count++) model.advance(100);
  socket.brings(KEPT);
  await polled();
  model.send('plain');
  assert.equal(socket.written, 2);
});

test('a close for idleness raises no suspicion', async () => {
  const model = new PoolModel();
  for (let count = 0; count < 2; count++) model.send('plain');
  const [ended, socket] = model.sockets as [FakeSocket, FakeSocket];
  for (const each of [ended, socket]) each.connected();
  ended.brings(KEPT);
  await polled();
  model.advance(1000);
  ended.ends();
  socket.brings(KEPT);
  await polled();
  model.send('plain');
  assert.deepEqual([socket.written, model.sockets.length], [2, 2]);
});

/** One step of a random life: what happens, and to which of those that it can happen to. */
const step = fc.oneof(
  fc.record({
    what: fc.constant('send' as const),
    kind: fc.constantFrom<Kind>('plain', 'plain', 'fresh', 'upgrade'),
    reaction: fc.constantFrom('nothing', 'nothing', 'send again', 'withdraw others', 'close the pool'),
  }),
  fc.record({
    what: fc.constantFrom(
      'withdraw',
      'cancel',
      'connect',
      'connect',
      'refuse',
      'end',
      'reset',
      'close event',
    ),
    which: fc.nat(20),
  }),
  fc.record({
    what: fc.constant('bring' as const),
    which: fc.nat(20),
    text: fc.constantFrom(
      KEPT,
      KEPT,
      CLOSING,
      SWITCHING,
      'HTTP/1.1 200 OK\r\n\r\n',
      'HTTP/1.1 200 OK\r\nCont',
      'x\r\n',
    ),
  }),
  fc.record({ what: fc.constant('round' as const) }),
  fc.record({ what: fc.constant('time' as const), ms: fc.constantFrom(100, CONNECT_TIMEOUT_MS, 10_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function take(model: PoolModel, step: Step): void | Promise<void> {
  if (step.what === 'round') return turn();
  if (step.what === 'send') {
    if ('kind' in step) model.send(step.kind, step.reaction);
    return;
  }
  if (step.what === 'time') return model.advance('ms' in step ? step.ms : 0);
  if (!('which' in step)) return;
  const one = <T>(list: readonly T[]): T | undefined => list[step.which % list.length];
  switch (step.what) {
    case 'withdraw': {
      const attempt = one(model.waiting);
      return attempt && model.withdraw(attempt);
    }
    case 'cancel': {
      const attempt = one(model.busy);
      return attempt && model.cancel(attempt);
    }
    case 'connect':
      return one(model.socketsThat('connecting'))?.connected();
    case 'refuse':
      return one(model.socketsThat('connecting'))?.fails('ECONNREFUSED');
    case 'end':
      return one(model.socketsThat('open'))?.ends();
    case 'reset':
      return one(model.socketsThat('open'))?.fails('ECONNRESET');
    case 'bring':
      return 'text' in step ? one(model.socketsThat('open'))?.brings(step.text) : undefined;
    default:
      return one(model.sockets)?.closes();
  }
}

test('in any order every attempt is called once, none waits needlessly', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom(1, 4, 12),
      fc.boolean(),
      async (steps, most, isClosedAtLast) => {
        const model = new PoolModel(most);
        for (const each of steps) {
          await take(model, each);
          model.check();
        }
        if (isClosedAtLast) model.close();
        await model.finish();
      },
    ),
    { numRuns: 1000 },
  );
});
