/** Writes more than the other side reads, and tells how much of it was taken. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Peer } from './peer.ts';

const PIECE: Buffer = Buffer.alloc(65_536, 'f');
/** Loopback moves megabytes between two checks, so when nothing has moved in several, nothing can. */
const STILL_CHECKS = 5;
const CHECK_MS = 20;
const DEADLINE_MS = 60_000;

/** `bytes` on their way through one socket, piece by piece, as it takes them. */
export class Flood {
  readonly #peer: Peer;
  #left: number;

  constructor(peer: Peer, bytes: number) {
    this.#peer = peer;
    this.#left = bytes;
    peer.socket.on('drain', () => this.#write());
    this.#write();
  }

  #write(): void {
    while (this.#left > 0 && !this.#peer.isClosed) {
      const piece = this.#left < PIECE.length ? PIECE.subarray(0, this.#left) : PIECE;
      this.#left -= piece.length;
      if (!this.#peer.send(piece)) return;
    }
  }

  /** Bytes that the kernel has taken, the head before them included. */
  get taken(): number {
    return this.#peer.socket.bytesWritten - this.#peer.socket.writableLength;
  }

  /** Waits until nothing moves any more; the bytes taken until then. */
  async stalled(): Promise<number> {
    const end = performance.now() + DEADLINE_MS;
    let before = -1;
    for (let still = 0; performance.now() < end; await delay(CHECK_MS)) {
      still = this.taken === before ? still + 1 : 0;
      before = this.taken;
      if (still >= STILL_CHECKS) return before;
    }
    throw new Error(`still moving after ${DEADLINE_MS} ms: ${this.taken} bytes`);
  }
}
