/** Connections that come in rushes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Acceptor } from '../../lib/proxy/acceptor.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless } from '../helpers/skip.ts';

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
    { accept, room, onRush: (isOn) => rushes.push(isOn) },
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

  test(`a crowd is taken ${how}, each connection once, and before any is handed on`, canShare, async (t) => {
    const { sockets, batches, rushes, client } = await stage(t, reusePort);
    const clients = Array.from({ length: 200 }, client);
    await eventually('all of them', () => sockets.length === clients.length);
    const ports = new Set(sockets.map(({ remotePort }) => remotePort));
    assert.deepEqual(ports, new Set(clients.map(({ localPort }) => localPort)));
    // a round brings 16 at most
    assert.ok(Math.max(...batches) >= 40, `handed on in batches of ${batches}`);
    await eventually('the rush to be over', () => rushes.at(-1) === false);
    assert.deepEqual(
      rushes,
      rushes.map((_, at) => at % 2 === 0),
    );
  });

  test(`crowds that keep coming, taken ${how}, are no rush any more`, canShare, async (t) => {
    const { sockets, rushes, client } = await stage(t, reusePort);
    const wave = async (): Promise<boolean> => {
      const [before, expected] = [rushes.length, sockets.length + 100];
      for (let count = 0; count < 100; count++) client();
      await eventually('all of them', () => sockets.length === expected);
      for (const socket of sockets) socket.destroy();
      return rushes.length > before;
    };
    assert.ok(await wave(), 'the first is one');
    let waves = 1;
    while (await wave()) assert.ok(++waves < 100, 'a hundred waves were rushes');
  });

  test(`one that comes alone, taken ${how}, is read from`, canShare, async (t) => {
    const { heard, client, rushes } = await stage(t, reusePort);
    client().write('hello');
    await eventually('what it said', () => heard() === 'hello');
    // a single socket brings no more at a time
    if (reusePort) assert.deepEqual(rushes, []);
  });

  test(`what is beyond the room, taken ${how}, is handed on at once`, canShare, async (t) => {
    const { sockets, batches, client } = await stage(t, reusePort, () => 0);
    for (let count = 0; count < 50; count++) client();
    await eventually('all of them', () => sockets.length === 50);
    // one from each socket that is listened on
    assert.ok(Math.max(...batches) <= (reusePort ? 16 : 1), `batches: ${batches}`);
  });

  test(`a closed one takes nothing more ${how}`, canShare, async (t) => {
    const { acceptor, sockets, client } = await stage(t, reusePort);
    client();
    await eventually('the connection', () => sockets.length === 1);
    acceptor.close();
    const late = connect(sockets[0]!.localPort!, '127.0.0.1');
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(sockets.length, 1);
  });
}

test('a port that is taken is an error', async (t) => {
  const { port } = await stage(t, false);
  const second = new Acceptor(
    { host: '127.0.0.1', port, reusePort: false },
    { accept: () => {}, room: () => 1, onRush: () => {} },
  );
  await assert.rejects(second.listen(), { code: 'EADDRINUSE' });
});
