/**
 * What a peer has not taken of what was written to its socket: the one sign that a slow peer reads. One that takes
 * 10 KB/s lets megabytes of buffers stand full, so for minutes nothing of what it takes can be seen by writing.
 * Must not hold: time limits. What libuv holds is known everywhere; what the kernel holds only on Linux, which tells
 * it in /proc/net/tcp (proc(5)).
 * Cost: one read of that file, a microsecond for each socket of the system, and at most one in FRESH_MS.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { descriptorOf, queuedBytesOf } from './node-internals.ts';

/** How long one reading serves for all sockets. */
const FRESH_MS = 5000;
const TABLES: readonly string[] = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
/** Where a line of the table has the queue's length, hexadecimal before a colon, and the socket's inode. */
const QUEUES = 4;
const INODE = 9;

export class UnsentBytes {
  readonly #nowMs: () => number;
  #bytes: ReadonlyMap<string, number> = new Map();
  #readMs = Number.NEGATIVE_INFINITY;

  /** `nowMs` is a clock that never goes back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Bytes that were written to the socket and that its peer has not taken, as far as they are known. */
  bytesOf(socket: Socket): number {
    const inKernel = this.#kernel().get(inodeOf(socket)) ?? 0;
    return inKernel + queuedBytesOf(socket);
  }

  #kernel(): ReadonlyMap<string, number> {
    if (this.#nowMs() - this.#readMs >= FRESH_MS) {
      this.#readMs = this.#nowMs();
      this.#bytes = readTables();
    }
    return this.#bytes;
  }
}

/** How often within a time limit it is asked whether the peer reads on. */
const LOOKS = 4;

/** Whether the peer of one socket, which takes nothing that can be seen by writing, reads on all the same. */
export class ReadProgress {
  #lookedMs: number;
  #bytes = 0;

  /** `sinceMs` is when it began to take nothing. */
  constructor(sinceMs: number) {
    this.#lookedMs = sinceMs;
  }

  /** It is time to ask again, where it has `limitMs` to take something. */
  isDue(nowMs: number, limitMs: number): boolean {
    if (nowMs - this.#lookedMs < limitMs / LOOKS) return false;
    this.#lookedMs = nowMs;
    return true;
  }

  /** It has taken something since this was last asked; false the first time, and where that cannot be known. */
  hasProgressed(socket: Socket, queues: UnsentBytes): boolean {
    const before = this.#bytes;
    this.#bytes = queues.bytesOf(socket);
    return this.#bytes < before;
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
