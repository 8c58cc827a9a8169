/**
 * How many streams one client has open: each costs a connection and what is written to it, every second, for as long
 * as the client likes. Invariants: what is taken is given back when its connection closes, whatever it was used for;
 * an IPv6 network of 64 bits is one client. Must not hold: what is streamed, who may read it (`access.ts`).
 */
import type { Socket } from 'node:net';
import { networkOf } from '../platform/ip-addresses.ts';

/** Of one client, all routes together. */
export const MOST_STREAMS = 64;

export class StreamLimit {
  readonly #open = new Map<string, number>();
  readonly #held = new WeakMap<Socket, number>();

  /** Takes one for the client of this connection, which is open; false where it has as many as it may. */
  acquire(socket: Socket): boolean {
    const client = networkOf(socket.remoteAddress ?? '');
    const open = this.#open.get(client) ?? 0;
    if (open >= MOST_STREAMS) return false;
    this.#open.set(client, open + 1);
    const held = this.#held.get(socket);
    this.#held.set(socket, (held ?? 0) + 1);
    // one listener for all, however many are asked for on one connection
    if (held === undefined) socket.once('close', () => this.#release(client, socket));
    return true;
  }

  #release(client: string, socket: Socket): void {
    const left = (this.#open.get(client) ?? 0) - (this.#held.get(socket) ?? 0);
    if (left > 0) this.#open.set(client, left);
    else this.#open.delete(client);
  }
}
