/** Real socket.io clients that only poll: requests of one session belong together, several at a time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Server } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { Balancer } from '../helpers/balancer.ts';

const SERVERS = ['first', 'second', 'third'] as const;
const CLIENTS_EACH = 4;
const MESSAGES = 10;

/** A socket.io server on a free port that says its name with each message that it gives back. */
async function serverOf(name: string): Promise<{ readonly port: number; close(): Promise<void> }> {
  const http = createServer();
  const server = new Server(http);
  server.on('connection', (socket) => {
    socket.on('say', (text: string, answer: (said: string) => void) => answer(`${name}: ${text}`));
    socket.on('call', (text: string) => socket.emit('called', `${name}: ${text}`));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { port: (http.address() as AddressInfo).port, close: () => server.close() };
}

/** Resolves when the client has connected; rejects with why it could not. */
function connection(client: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.once('connect_error', reject);
  });
}

/** Who answered the client's messages, sent all at once, and who called back. */
async function answerers(client: Socket): Promise<readonly string[]> {
  const said = await Promise.all(
    Array.from({ length: MESSAGES }, (_, number) => client.emitWithAck('say', `message ${number}`)),
  );
  for (const [number, text] of said.entries()) assert.match(text, new RegExp(`: message ${number}$`));
  const called = new Promise<string>((resolve) => client.once('called', resolve));
  client.emit('call', 'back');
  const text = await called;
  return [...new Set([...said, text].map((line) => line.split(':', 1)[0]!))];
}

interface Fleet {
  readonly servers: { readonly port: number; close(): Promise<void> }[];
  /** Disconnected at the end. */
  readonly clients: Socket[];
  balancer: Balancer;
}

/** Three servers behind a balancer with these options, for the suite in which it is called. */
function fleetWith(options: string): Fleet {
  const fleet = { servers: [], clients: [] } as unknown as Fleet;
  before(async () => {
    for (const name of SERVERS) fleet.servers.push(await serverOf(name));
    const upstreams = fleet.servers.map(({ port }) => `http://127.0.0.1:${port}`).join();
    fleet.balancer = await Balancer.ready(
      `--driver static --probe-interval 0 ${options} --upstreams ${upstreams}`,
    );
  });
  after(async () => {
    for (const client of fleet.clients) client.disconnect();
    // it answers the polls that are held, which the balancer would wait for
    for (const server of fleet.servers) await server.close();
    await fleet.balancer.stop();
  });
  return fleet;
}

describe('socket.io over long polling and three replicas', () => {
  const fleet = fleetWith('--hash-key cookie:sid');

  /** Cookies of which as many belong to each replica. */
  async function cookies(): Promise<readonly string[]> {
    const byOwner = new Map<string, string[]>(fleet.servers.map(({ port }) => [`127.0.0.1:${port}`, []]));
    for (let number = 0; [...byOwner.values()].some(({ length }) => length < CLIENTS_EACH); number++) {
      const { body } = await fleet.balancer.askAdmin('GET', `/explain?cookie.sid=c${number}`);
      const { owner } = (JSON.parse(body) as { message: { owner: string } }).message;
      byOwner.get(owner)!.push(`c${number}`);
    }
    return [...byOwner.values()].flatMap((some) => some.slice(0, CLIENTS_EACH));
  }

  /** A client that has connected; rejects with why it could not. */
  async function connected(sid: string): Promise<Socket> {
    const client = io(`http://127.0.0.1:${fleet.balancer.publicPort}`, {
      transports: ['polling'],
      extraHeaders: { cookie: `sid=${sid}` },
      forceNew: true,
      reconnection: false,
    });
    fleet.clients.push(client);
    await connection(client);
    return client;
  }

  it('connects twelve clients at once, and each talks with one replica', async () => {
    const all = await Promise.all((await cookies()).map(connected));
    const talked = await Promise.all(all.map(answerers));
    const expected = SERVERS.flatMap((name) => new Array<string>(CLIENTS_EACH).fill(name));
    assert.deepEqual(
      talked.map((names) => names.join()),
      expected,
    );
  });
});

describe('socket.io over long polling with a sticky cookie, and no hash key', () => {
  const fleet = fleetWith('--sticky lb');

  /** A client that keeps its cookies as a browser does. */
  function clientOf(transports: ('polling' | 'websocket')[]): Socket {
    const client = io(`http://127.0.0.1:${fleet.balancer.publicPort}`, {
      transports,
      withCredentials: true,
      forceNew: true,
      reconnection: false,
    });
    fleet.clients.push(client);
    return client;
  }

  for (const transports of [['polling'], ['polling', 'websocket']] as ('polling' | 'websocket')[][])
    it(`serves clients by ${transports.join(', then ')}`, async () => {
      const talked = await Promise.all(
        Array.from({ length: 3 * CLIENTS_EACH }, async () => {
          const client = clientOf(transports);
          await connection(client);
          return answerers(client);
        }),
      );
      for (const names of talked) assert.equal(names.length, 1, names.join());
      assert.ok(new Set(talked.flat()).size > 1, 'they are spread');
    });
});
