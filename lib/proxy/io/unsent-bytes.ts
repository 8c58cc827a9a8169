/**
 * How much of what was written to a socket its peer has not taken: the one sign that a slow peer still reads.
 * What libuv holds is known everywhere; what the kernel holds only on Linux, in the tables of its sockets.
 * Cost: one look at those, a microsecond for each socket of the system, and at most one in FRESH_MS.
 */
import type { Socket } from 'node:net';
import { inodeOf, listTcpSockets } from '../../platform/tcp-sockets.ts';
import { descriptorOf, queuedBytesOf } from './node-internals.ts';

/** How long one read of the tables serves for all sockets. */
const FRESH_MS = 5000;

export class UnsentBytes {
  readonly #nowMs: () => number;
  #byInode: ReadonlyMap<string, number> = new Map();
  #readMs = Number.NEGATIVE_INFINITY;

  /** `nowMs` is a clock that never goes back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Bytes that were written to the socket and that its peer has not taken, as far as they are known. */
  bytesOf(socket: Socket): number {
    const inKernel = this.#kernelQueues().get(inodeOf(descriptorOf(socket)) ?? '') ?? 0;
    return inKernel + queuedBytesOf(socket);
  }

  #kernelQueues(): ReadonlyMap<string, number> {
    if (this.#nowMs() - this.#readMs >= FRESH_MS) {
      this.#readMs = this.#nowMs();
      this.#byInode = readQueues();
    }
    return this.#byInode;
  }
}

/** How often within a time limit a peer is checked. */
const CHECKS_PER_LIMIT = 4;

/**
 * Whether the peer of one socket that takes nothing that writing could show reads on all the same. With a peer that
 * takes 10 KB/s megabytes of buffers stay full, so for minutes writing shows nothing of what it takes.
 */
export class ReadProgress {
  #checkedMs: number;
  #unsent = 0;

  /** `sinceMs` is when the peer began to take nothing. */
  constructor(sinceMs: number) {
    this.#checkedMs = sinceMs;
  }

  /** It is time to check again, where the peer has `limitMs` to take something. */
  isCheckDue(nowMs: number, limitMs: number): boolean {
    if (nowMs - this.#checkedMs < limitMs / CHECKS_PER_LIMIT) return false;
    this.#checkedMs = nowMs;
    return true;
  }

  /** The peer has taken something since the last check; false at the first, and where that cannot be known. */
  hasProgressed(socket: Socket, unsentBytes: UnsentBytes): boolean {
    const before = this.#unsent;
    this.#unsent = unsentBytes.bytesOf(socket);
    return this.#unsent < before;
  }
}

function readQueues(): ReadonlyMap<string, number> {
  const queues = new Map<string, number>();
  for (const { inode, queues: lengths } of listTcpSockets()) queues.set(inode, Number.parseInt(lengths, 16));
  return queues;
}
