/** Connections that come in crowds. */
import assert from 'node:assert/strict';
import { tracingChannel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Server, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Acceptor } from '../../../lib/proxy/downstream/acceptor.ts';
import { eventually } from '../../helpers/eventually.ts';
import { skipUnless } from '../../helpers/skip.ts';

const canShare = { skip: skipUnless(process.platform === 'linux', 'only Linux shares a port here') };

interface Stage {
  readonly acceptor: Acceptor;
  readonly port: number;
  /** What was handed on. */
  readonly sockets: Socket[];
  /** What all of them said. */
  readonly heard: () => string;
  /** How many were handed on in each turn of the event loop that brought any. */
  readonly batches: number[];
  /** Each time a rush began, or was over. */
  readonly rushes: boolean[];
  client(): Socket;
}

async function stage(t: TestContext, reusePort: boolean, room = () => 10_000): Promise<Stage> {
  const sockets: Socket[] = [];
  const batches: number[] = [];
  const rushes: boolean[] = [];
  let isSameTurn = false;
  let heard = '';
  const accept = (socket: Socket): void => {
    sockets.push(socket);
    socket.on('data', (bytes) => {
      heard += String(bytes);
    });
    if (!isSameTurn) batches.push(0);
    batches[batches.length - 1]!++;
    isSameTurn = true;
    setImmediate(() => {
      isSameTurn = false;
    });
  };
  const acceptor = new Acceptor(
    { host: '127.0.0.1', port: 0, reusePort },
    { accept, capacity: room, onRush: (isOn) => rushes.push(isOn) },
  );
  const port = await acceptor.listen();
  const clients: Socket[] = [];
  t.after(() => {
    acceptor.close();
    for (const socket of [...sockets, ...clients]) socket.destroy();
  });
  const client = (): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    clients.push(socket);
    return socket;
  };
  return { acceptor, port, sockets, batches, rushes, client, heard: () => heard };
}

for (const reusePort of [false, true]) {
  const how = reusePort ? 'from several sockets' : 'from one socket';

  test(`a crowd is accepted ${how}, each connection once`, canShare, async (t) => {
    const { sockets, rushes, client } = await stage(t, reusePort);
    const clients = Array.from({ length: 200 }, client);
    await eventually('all of them', () => sockets.length === clients.length);
    const ports = new Set(sockets.map(({ remotePort }) => remotePort));
    assert.deepEqual(ports, new Set(clients.map(({ localPort }) => localPort)));
    await eventually('the rush to be over', () => rushes.at(-1) === false);
    assert.deepEqual(
      rushes,
      rushes.map((_, at) => at % 2 === 0),
    );
  });

  test(`a single connection, accepted ${how}, is read from`, canShare, async (t) => {
    const { heard, client, rushes } = await stage(t, reusePort);
    client().write('hello');
    await eventually('what it said', () => heard() === 'hello');
    // a single socket brings no more at a time
    if (reusePort) assert.deepEqual(rushes, []);
  });

  test(`connections beyond the capacity, accepted ${how}, are handed over at once`, canShare, async (t) => {
    const { sockets, batches, client } = await stage(t, reusePort, () => 0);
    for (let count = 0; count < 50; count++) client();
    await eventually('all of them', () => sockets.length === 50);
    // one from each socket that is listened on
    assert.ok(Math.max(...batches) <= (reusePort ? 16 : 1), `batches: ${batches}`);
  });

  test(`a closed acceptor accepts nothing more ${how}`, canShare, async (t) => {
    const { acceptor, sockets, client } = await stage(t, reusePort);
    client();
    await eventually('the connection', () => sockets.length === 1);
    await acceptor.close();
    const late = connect(sockets[0]!.localPort!, '127.0.0.1');
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(sockets.length, 1);
  });
}

test('what the kernel has queued is accepted before the sockets are closed', async (t) => {
  const sockets: Socket[] = [];
  const owner = { accept: (socket: Socket) => sockets.push(socket), capacity: () => 1000, onRush: () => {} };
  // the clock stands still, so that a busy machine may take as long as it likes
  const acceptor = new Acceptor({ host: '127.0.0.1', port: 0, reusePort: false }, owner, () => 0);
  const port = await acceptor.listen();
  const clients = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
  t.after(() => {
    for (const socket of [...sockets, ...clients]) socket.destroy();
  });
  const errors: Error[] = [];
  for (const client of clients) client.on('error', (error) => errors.push(error));
  await once(clients[0]!, 'connect');
  await acceptor.close();
  assert.deepEqual([sockets.length, errors], [20, []]);
});

test('a port in use is an error', async (t) => {
  const { port } = await stage(t, false);
  const second = new Acceptor(
    { host: '127.0.0.1', port, reusePort: false },
    { accept: () => {}, capacity: () => 1, onRush: () => {} },
  );
  await assert.rejects(second.listen(), { code: 'EADDRINUSE' });
});

/** An acceptor to which connections come as the test says, in rounds of the event loop, by a clock that it moves. */
async function rounds(t: TestContext, reusePort: boolean) {
  const servers: Server[] = [];
  const listening = (message: unknown): void => void servers.push((message as { server: Server }).server);
  const listen = tracingChannel('net.server.listen');
  listen.asyncStart.subscribe(listening);
  t.after(() => listen.asyncStart.unsubscribe(listening));
  let nowMs = 10_000.5;
  let handedOn = 0;
  const rushes: boolean[] = [];
  const owner = {
    accept: () => handedOn++,
    capacity: () => 10_000,
    onRush: (isOn: boolean) => rushes.push(isOn),
  };
  const acceptor = new Acceptor({ host: '127.0.0.1', port: 0, reusePort }, owner, () => nowMs);
  await acceptor.listen();
  t.after(() => acceptor.close());
  assert.equal(servers.length, reusePort ? 16 : 1);
  return {
    rushes,
    handedOn: () => handedOn,
    /** So many come in one round, `ms` after the one before. */
    async round(connections: number, ms = 0): Promise<void> {
      nowMs += ms;
      for (let count = 0; count < connections; count++)
        servers[count % servers.length]!.emit('connection', new Socket());
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

for (const [how, reusePort, many, few] of [
  ['several sockets', true, 16, 7],
  ['one socket', false, 1, 0],
] as const) {
  test(`crowd from ${how} is handed over when a round brings few`, canShare, async (t) => {
    const { round, handedOn } = await rounds(t, reusePort);
    for (let count = 0; count < 5; count++) await round(many);
    assert.equal(handedOn(), 0);
    await round(few);
    assert.equal(handedOn(), 5 * many + few);
  });

  test(`crowd from ${how} waits 50 ms at most for later connections`, canShare, async (t) => {
    const { round, handedOn } = await rounds(t, reusePort);
    await round(many);
    await round(many, 49);
    assert.equal(handedOn(), 0);
    await round(many, 1);
    assert.equal(handedOn(), 3 * many);
  });

  test(`crowd from ${how} is a rush until it is handed over`, canShare, async (t) => {
    const { round, rushes } = await rounds(t, reusePort);
    await round(many);
    await round(many);
    assert.deepEqual(rushes, [true]);
    await round(few);
    assert.deepEqual(rushes, [true, false]);
  });

  test(`repeated crowds from ${how} are not held after 200 ms`, canShare, async (t) => {
    const { round, handedOn } = await rounds(t, reusePort);
    for (let count = 0; count < 5; count++) await round(many, 50);
    const before = handedOn();
    await round(many);
    const atOnce = handedOn() - before;
    assert.ok(atOnce >= many, `${atOnce} of ${many}`);
    await round(many);
    assert.equal(handedOn(), 7 * many);
  });

  test(`repeated crowds from ${how} are no rush after 200 ms`, canShare, async (t) => {
    const { round, rushes } = await rounds(t, reusePort);
    const crowd = async (ms: number): Promise<boolean> => {
      const before = rushes.length;
      await round(many, ms);
      await round(few);
      return rushes.length > before;
    };
    const gapsMs = [0, 100, 99, 1, 900, 900, 999, 1000, 199, 1];
    const found: boolean[] = [];
    for (const gapMs of gapsMs) found.push(await crowd(gapMs));
    assert.deepEqual(found, [true, true, true, false, false, false, false, true, true, false]);
  });
}

test('few connections from several sockets are handed over without a rush', canShare, async (t) => {
  const { round, handedOn, rushes } = await rounds(t, true);
  await round(7);
  assert.deepEqual([handedOn(), rushes], [7, []]);
});
