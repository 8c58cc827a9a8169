/**
 * The clock of the open-loop generator, a thread of its own: posts the time at which each request is due, when it is.
 * Timers of an event loop have a grain of a millisecond; `Atomics.wait` wakes within some 0.1 ms.
 */
import { parentPort, workerData } from 'node:worker_threads';

const { perSecond, count } = workerData as { readonly perSecond: number; readonly count: number };
const nothing = new Int32Array(new SharedArrayBuffer(4));
const intervalNs = 1e9 / perSecond;
const startNs = Number(process.hrtime.bigint()) + 50e6;

for (let i = 0; i < count; i++) {
  const dueNs = startNs + i * intervalNs;
  const waitMs = (dueNs - Number(process.hrtime.bigint())) / 1e6;
  if (waitMs > 0) Atomics.wait(nothing, 0, 0, waitMs);
  parentPort!.postMessage(dueNs);
}
