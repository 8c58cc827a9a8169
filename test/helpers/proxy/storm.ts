/**
 * Many requests of every kind against replicas that misbehave in every way, a third of them aborted at a random point. The
 * same seed makes the same choices.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { get, ok } from './message.ts';
import type { Peer } from './peer.ts';
import type { Responder } from './replica.ts';
import type { Rig } from './rig.ts';

/** A random number generator (mulberry32, Tommy Ettinger): from 0 up to and without `below`. */
export type Random = (below: number) => number;

export function seeded(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

const BIG = 'b'.repeat(200_000);

/** Mostly answers, sometimes fails in each way that a replica can. */
export function misbehaving(random: Random): Responder {
  return (_, connection) => {
    switch (random(16)) {
      case 0:
        connection.close();
        return undefined;
      case 1:
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
        connection.reset();
        return undefined;
      case 2:
        connection.send('HTTP/1.1 200 OK\r\n\r\nuntil the end');
        connection.end();
        return undefined;
      case 3:
        return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n';
      case 4:
        return ok(BIG);
      case 5:
        return 'no HTTP at all\r\n\r\n';
      case 6:
        return `HTTP/1.1 103 Early Hints\r\n\r\n${ok('hinted')}`;
      case 7:
        setTimeout(() => connection.send(ok('late')), 5);
        return undefined;
      case 8:
        return ok('', 'Connection: close\r\n');
      default:
        return ok('hello');
    }
  };
}

function requestOf(random: Random): string {
  const body = 'x'.repeat(random(40_000));
  switch (random(6)) {
    case 0:
      return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    case 1:
      return `PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n${body.length.toString(16)}\r\n${body}${body === '' ? '' : '\r\n0\r\n'}\r\n`;
    case 2:
      return get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n');
    case 3:
      return get('/1') + get('/2');
    default:
      return get('/');
  }
}

/** Sends the request up to a random byte or whole, waits for a random while, and leaves. */
async function leaveEarly(client: Peer, request: string, random: Random): Promise<void> {
  client.send(random(2) === 0 ? request : request.slice(0, random(request.length)));
  for (let turns = random(12); turns > 0; turns--) await turn();
  if (random(2) === 0) client.reset();
  else client.close();
}

/** Sends the request and waits for what comes: a response, or the end of the connection. */
async function stay(client: Peer, request: string): Promise<void> {
  client.isKept = false;
  const before = client.bytes;
  client.send(request);
  await client.until('an answer', () => client.bytes > before).catch(() => undefined);
}

export interface Storm {
  readonly requests: number;
  /** Clients at a time; each sends one request. */
  readonly atOnce: number;
  /** The thread that the clients connect to. */
  readonly thread?: number;
}

/** Resolves when every client has its response, or has left. */
export async function storm(rig: Rig, random: Random, { requests, atOnce, thread }: Storm): Promise<void> {
  let left = requests;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const client = await rig.client(thread);
      const request = requestOf(random);
      if (random(3) === 0) await leaveEarly(client, request, random);
      else await stay(client, request);
      client.close();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}
