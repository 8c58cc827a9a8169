/**
 * How much of what was written to a socket its peer has not taken: the one sign that a slow peer still reads.
 * What libuv holds is known everywhere; what the kernel holds only on Linux, in /proc/net/tcp (proc(5)).
 * Cost: one read of that file, a microsecond for each socket of the system, and at most one in FRESH_MS.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { descriptorOf, queuedBytesOf } from './node-internals.ts';

/** How long one read of the tables serves for all sockets. */
const FRESH_MS = 5000;
const TABLES: readonly string[] = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
/** The columns of the send queue's length, hexadecimal before a colon, and of the socket's inode. */
const QUEUES = 4;
const INODE = 9;

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
    const inKernel = this.#kernelQueues().get(inodeOf(socket)) ?? 0;
    return inKernel + queuedBytesOf(socket);
  }

  #kernelQueues(): ReadonlyMap<string, number> {
    if (this.#nowMs() - this.#readMs >= FRESH_MS) {
      this.#readMs = this.#nowMs();
      this.#byInode = readTables();
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

/** '' where there is none. */
function inodeOf(socket: Socket): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptorOf(socket)}`))?.[1] ?? '';
  } catch {
    return '';
  }
}

function readTables(): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const table of TABLES) {
    for (const line of readIfThere(table).split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      const inode = columns[INODE];
      if (inode !== undefined) bytes.set(inode, Number.parseInt(columns[QUEUES] ?? '', 16));
    }
  }
  return bytes;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
