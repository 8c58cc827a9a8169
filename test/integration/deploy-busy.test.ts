/** Deploys and other drains with long requests under way, and with changes in the middle; over processes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DeployStatus, DeployView } from '../../lib/api/deploy.ts';
import type { ReplicaView } from '../../lib/api/types.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

const REPLICA = fileURLToPath(new URL('version-replica.ts', import.meta.url));
const commandOf = (kind: string, version: string): string =>
  `exec "${process.execPath}" "${REPLICA}" ${kind} ${version}`;
const OPTIONS =
  '--probe-interval 200ms --fall 1 --replace-after 300ms --drain-timeout 2s --start-timeout 20s --load-factor 0';
const CHAT_ID = 'chat';
const GOING_AWAY = '880203e9';

describe('a fleet over processes with long requests', () => {
  let balancer: Balancer;
  let version = 1;
  let ids = 0;
  before(async () => {
    balancer = await Balancer.ready(OPTIONS, ['--command', commandOf('good', '1')]);
  });
  after(() => balancer.stop());

  async function status(): Promise<DeployStatus> {
    const { body } = await balancer.askAdmin('GET', '/deploy');
    return (JSON.parse(body) as { message: DeployStatus }).message;
  }

  async function begin(watch = '100ms', kind = 'good'): Promise<void> {
    const body = { command: commandOf(kind, `${++version}`), watch };
    const started = await balancer.askAdmin('POST', '/deploy', { body });
    assert.equal(started.status, 202, started.body);
  }

  async function ended(): Promise<DeployView> {
    return eventually('the end of the deploy', async () => {
      const { deploy } = await status();
      return deploy !== null && !['running', 'rolling-back'].includes(deploy.state) && deploy;
    });
  }

  const isWatching = async (): Promise<boolean> =>
    (await status()).deploy?.replicas.some(({ phase }) => phase === 'watching') === true;

  /** Those in service and nothing else. */
  const alone = (count = 3): Promise<readonly ReplicaView[]> =>
    eventually(`${count} replicas alone`, async () => {
      const replicas = await balancer.replicas();
      return replicas.length === count && replicas.every(({ state }) => state === 'healthy') && replicas;
    });

  /** An open tunnel: its bytes from the replica as hexadecimal digits, and whether it has ended. */
  interface Tunnel {
    readonly socket: Socket;
    received: string;
    isEnded: boolean;
  }

  async function tunnel(protocol = 'websocket', id = `${++ids}`): Promise<Tunnel> {
    const headers = { connection: 'Upgrade', upgrade: protocol, 'x-request-id': id };
    const asked = request({ host: '127.0.0.1', port: balancer.publicPort, path: '/', headers });
    asked.end();
    const [, socket] = (await once(asked, 'upgrade')) as [unknown, Socket];
    const opened: Tunnel = { socket, received: '', isEnded: false };
    socket.on('data', (chunk: Buffer) => {
      opened.received += chunk.toString('hex');
    });
    socket.on('error', () => {});
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        opened.isEnded = true;
      });
    return opened;
  }

  /** A tunnel of which a message of five bytes has come back, as a frame without a mask. */
  async function chat(id?: string): Promise<Tunnel> {
    const opened = await tunnel('websocket', id);
    opened.socket.write(Buffer.from('81056768696a6b', 'hex'));
    await eventually('the echo', () => opened.received === '81056768696a6b');
    opened.received = '';
    return opened;
  }

  const over = (opened: Tunnel) => eventually('the end of the tunnel', () => opened.isEnded);

  /** An upload of which a part has been sent. */
  function upload(): { readonly asked: ClientRequest; readonly answer: Promise<string> } {
    const headers = { 'content-length': 10 };
    const asked = request({
      host: '127.0.0.1',
      port: balancer.publicPort,
      method: 'POST',
      path: '/count',
      headers,
    });
    const answer = once(asked, 'response').then(([response]) => text(response));
    asked.write('01234');
    return { asked, answer };
  }

  it('closes WebSockets with 1001 in a deploy', async () => {
    const chats = await Promise.all([chat(), chat(), chat(), chat()]);
    await begin();
    assert.equal((await ended()).state, 'done');
    await Promise.all(chats.map(over));
    assert.deepEqual(
      chats.map(({ received }) => received),
      chats.map(() => GOING_AWAY),
    );
    await alone();
  });

  it('just closes tunnels of another protocol in a deploy', async () => {
    const opened = await tunnel('echo');
    await begin();
    assert.equal((await ended()).state, 'done');
    await over(opened);
    assert.equal(opened.received, '');
    await alone();
  });

  it('closes WebSockets with 1001 where their replica is removed', async () => {
    const chats = await Promise.all([chat(), chat(), chat(), chat()]);
    const busiest = (await balancer.replicas()).toSorted((a, b) => b.inFlight - a.inFlight)[0]!.name;
    const body = { n: 1, hostnames: [busiest] };
    const removed = await balancer.ask('DELETE', '/rm', { body });
    assert.equal(removed.status, 200, removed.body);
    await alone(2);
    await eventually('some are closed', () => chats.some(({ isEnded }) => isEnded));
    for (const { isEnded, received } of chats) assert.equal(received, isEnded ? GOING_AWAY : '');
    for (const { socket } of chats) socket.destroy();
    assert.equal((await balancer.ask('POST', '/add', { body })).status, 200);
    await alone();
  });

  it('closes WebSockets with 1001 where their replica is not ready', async () => {
    const chats = await Promise.all([chat(CHAT_ID), chat(), chat(), chat()]);
    const before = await alone();
    // to the replica of the first
    await balancer.ask('GET', '/sick', { headers: { 'x-request-id': CHAT_ID } });
    await eventually('another instance', async () => {
      const replicas = await balancer.replicas();
      return before.some(
        ({ name, instance }) => replicas.find((one) => one.name === name)?.instance !== instance,
      );
    });
    await eventually('some are closed', () => chats.some(({ isEnded }) => isEnded));
    await alone();
    assert.equal(chats[0]?.isEnded, true);
    for (const { isEnded, received } of chats) assert.equal(received, isEnded ? GOING_AWAY : '');
    for (const { socket } of chats) socket.destroy();
  });

  it('lets uploads under way finish on the old version', async () => {
    const old = version;
    const uploads = [upload(), upload(), upload()];
    await eventually('they are in flight', async () => {
      const inFlight = (await balancer.replicas()).reduce((sum, replica) => sum + replica.inFlight, 0);
      return inFlight === uploads.length;
    });
    await begin('10s');
    await eventually('the first is switched', isWatching);
    for (const { asked } of uploads) asked.end('56789');
    for (const { answer } of uploads) assert.equal(await answer, `${old} 10`);
    await balancer.askAdmin('DELETE', '/deploy');
    await ended();
    version = old;
    await alone();
  });

  it('can be changed in the middle of a deploy without losing a request', async () => {
    const load = new SteadyLoad(balancer.publicPort, { path: '/version', clients: 4, pauseMs: 5 });
    await load.more(10);
    await begin('1s');
    await eventually('the first is switched', isWatching);
    const added = await balancer.ask('POST', '/add', { body: { n: 1, hostnames: ['S9'] } });
    assert.equal(added.status, 200, added.body);
    const watched = (await status()).deploy?.replicas.find(({ phase }) => phase === 'watching')?.name;
    const gone = watched === 'S3' || watched === undefined ? 'S1' : watched;
    const removed = await balancer.ask('DELETE', '/rm', { body: { n: 1, hostnames: [gone] } });
    assert.equal(removed.status, 200, removed.body);
    assert.equal((await ended()).state, 'done');
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
    const generations = new Set((await alone()).map(({ generation }) => generation));
    assert.equal(generations.size, 1);
  });

  it('gets the new version where an old instance dies in the middle', async () => {
    await begin('1s');
    await eventually('the first is switched', isWatching);
    const waiting = (await status()).deploy?.replicas.find(({ phase }) => phase === 'waiting')?.name;
    const victim = (await balancer.replicas()).find(({ name }) => name === waiting)!;
    process.kill(Number.parseInt(victim.instance ?? '', 10), 'SIGKILL');
    assert.equal((await ended()).state, 'done');
    const generations = new Set((await alone()).map(({ generation }) => generation));
    assert.equal(generations.size, 1);
  });
});
