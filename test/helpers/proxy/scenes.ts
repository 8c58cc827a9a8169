/** Situations that tests of several files begin with. */
import { eventually } from '../eventually.ts';
import { testMaterial } from './certificates.ts';
import {
  connectRaw,
  FLAG,
  frame,
  get as getOverHttp2,
  SETTING,
  settings,
  TYPE,
  word,
} from './http2-frames.ts';
import { get, statusOf } from './message.ts';
import type { Peer } from './peer.ts';
import { Rig, type RigSettings } from './rig.ts';

interface Test {
  after(run: () => unknown): void;
}

/** A request for the replica of this ordinal, whose path names it. */
export function ask(rig: Rig, client: Peer, path: string, ordinal = 0): void {
  client.send(get(path, rig.ownedBy(ordinal)));
}

/** Sends `/0`, `/1` … each from its own client, one after the other, until `count` are there. */
export async function line(rig: Rig, count: number, ordinal = 0): Promise<Peer[]> {
  const clients: Peer[] = [];
  for (let index = 0; index < count; index++) {
    const client = await rig.client();
    const before = rig.inFlight + rig.waiting;
    ask(rig, client, `/${index}`, ordinal);
    await eventually('the request is in flight or waits', () => rig.inFlight + rig.waiting === before + 1);
    clients.push(client);
  }
  return clients;
}

/** The target of a request line. */
export function pathOf(startLine: string): string {
  return startLine.split(' ')[1] ?? '';
}

/** Every replica closes every connection once it has a whole request, without a word. */
export function allClose(rig: Rig): void {
  for (const replica of rig.replicas) {
    replica.serve((_, connection) => {
      connection.close();
      return undefined;
    });
  }
}

/** How many whole requests each replica has had. */
export function requestsSeen(rig: Rig): number[] {
  return rig.replicas.map(({ requests }) => requests.length);
}

export const UPGRADE = get(
  '/chat',
  'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
);
export const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

/** A client and a replica that have switched protocols. */
export async function tunnel(
  t: Test,
  settings: RigSettings = {},
): Promise<{ rig: Rig; client: Peer; replica: Peer }> {
  const rig = await Rig.open(t, settings);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(SWITCHED);
  const status = statusOf(await client.response());
  if (status !== 101) throw new Error(`${status} instead of 101`);
  return { rig, client, replica };
}

/**
 * A client that lets the balancer send without end over HTTP/2, and reads nothing of it once its request is at the
 * replica.
 */
export async function deafHttp2(
  t: Test,
  options: RigSettings,
): Promise<{ rig: Rig; client: Peer; replica: Peer }> {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true, ...options });
  const widest = 2 ** 31 - 1;
  const client = await connectRaw(rig.port, settings([[SETTING.initialWindow, widest]]));
  t.after(() => client.close());
  client.send(frame(TYPE.windowUpdate, FLAG.none, 0, word(widest - 65_535)));
  client.send(getOverHttp2(1, '/'));
  const replica = await rig.replica.next();
  await replica.request();
  client.pause();
  return { rig, client, replica };
}

/** Bytes from a client to a replica that responses whatever whole request it gets. */
export async function sent(t: Test, bytes: string): Promise<{ rig: Rig; client: Peer }> {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(bytes);
  return { rig, client };
}

/** What the replica got from all connections, whole requests or not. */
export function seenBy(rig: Rig): string {
  const { connections, requests } = rig.replica;
  const whole = requests.map(({ head, rawBody }) => head + rawBody);
  return whole.join('') + connections.map(({ received }) => received).join('');
}
