/**
 * A thread that reads a route table while the test publishes: every table it is shown has one owner in all slots.
 * Tells how many tables it took for whole, and how many of those were torn.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { RouteTable } from '../../../lib/core/routing/route-table.ts';
import type { RouteTableShape } from '../../../lib/core/routing/table-memory.ts';

export interface ReaderStart {
  readonly buffer: SharedArrayBuffer;
  readonly shape: RouteTableShape;
  /** Set to 1 to end it. */
  readonly stop: Int32Array<SharedArrayBuffer>;
  /** Raised with every different table that was read whole. */
  readonly seen: Int32Array<SharedArrayBuffer>;
}

export interface ReaderResult {
  readonly whole: number;
  readonly torn: number;
}

const { buffer, shape, stop, seen } = workerData as ReaderStart;
const table = new RouteTable(buffer, shape, 0);
let whole = 0;
let torn = 0;
let last = -1;

while (Atomics.load(stop, 0) === 0) {
  const version = table.version;
  const slots = table.bankOf(version);
  let isEven = true;
  const first = slots[0]!;
  for (let slot = 1; slot < slots.length; slot++) if (slots[slot] !== first) isEven = false;
  if (table.version !== version) continue;
  whole++;
  if (!isEven || first !== version % 1000) torn++;
  if (version !== last) Atomics.add(seen, 0, 1);
  last = version;
}
parentPort!.postMessage({ whole, torn } satisfies ReaderResult);
