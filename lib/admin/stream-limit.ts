/**
 * Limits the streams that one client has open: each costs a connection and what is written to it every second.
 * Invariants: a stream counts until its connection closes, whatever the connection was used for; an IPv6 network of 64
 * bits is one client.
 */
import type { Socket } from 'node:net';
import { networkOf } from '../platform/ip-addresses.ts';

/** The most of one client, all routes together. */
export const MOST_STREAMS = 64;

export class StreamLimit {
  readonly #open = new Map<string, number>();
  readonly #held = new WeakMap<Socket, number>();

  /** Counts a stream of the client of this open connection; false where it has the most already. */
  acquire(socket: Socket): boolean {
    const client = networkOf(socket.remoteAddress ?? '');
    const open = this.#open.get(client) ?? 0;
    if (open >= MOST_STREAMS) return false;
    this.#open.set(client, open + 1);
    const held = this.#held.get(socket);
    this.#held.set(socket, (held ?? 0) + 1);
    // one listener for all streams of a connection
    if (held === undefined) socket.once('close', () => this.#release(client, socket));
    return true;
  }

  #release(client: string, socket: Socket): void {
    const left = (this.#open.get(client) ?? 0) - (this.#held.get(socket) ?? 0);
    if (left > 0) this.#open.set(client, left);
    else this.#open.delete(client);
  }
}
