import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';
import {
  isEligible,
  RouteTable,
  RouteTableWriter,
  STATE_CODES,
  type StateCode,
  WEIGHT_UNIT,
} from '../../../lib/core/routing/route-table.ts';
import { routeTableBytes } from '../../../lib/core/routing/table-memory.ts';
import type { ReaderResult, ReaderStart } from './table-reader.ts';

const SHAPE = { slots: 7, ordinals: 3, workers: 2 };

function tables(): { writer: RouteTableWriter; one: RouteTable; two: RouteTable } {
  const writer = new RouteTableWriter(SHAPE);
  return {
    writer,
    one: new RouteTable(writer.buffer, SHAPE, 0),
    two: new RouteTable(writer.buffer, SHAPE, 1),
  };
}

/** In flight on each ordinal, then on all. */
function counts(table: RouteTable): readonly number[] {
  return [table.inFlight(0), table.inFlight(1), table.inFlight(2), table.totalInFlight];
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the memory is as large as its shape asks for', () => {
  const { writer } = tables();
  assert.equal(writer.buffer.byteLength, routeTableBytes(SHAPE));
  assert.equal(routeTableBytes(SHAPE), (9 + 3 + 3 + 3 + 3 + 3 + 6 + 2 + 2 + 2 + 2 + 2) * 4 + 2 * 7 * 2);
});

test('more ordinals than a slot can tell apart are refused', () => {
  assert.throws(() => new RouteTableWriter({ ...SHAPE, ordinals: NO_OWNER }), RangeError);
});

test('a new table has no owners, nothing eligible, nothing in flight', () => {
  const { writer, one } = tables();
  assert.deepEqual([...writer.slots], new Array(7).fill(NO_OWNER));
  assert.deepEqual([one.version, one.eligible, one.totalInFlight, one.totalWaiting], [0, 0, 0, 0]);
});

test('known is one above the highest ordinal ever given a state', () => {
  const { writer, one } = tables();
  assert.equal(one.known, 0);
  writer.setState(1, 'starting');
  assert.equal(one.known, 2);
  writer.setState(0, 'healthy');
  writer.setState(1, 'free');
  assert.equal(one.known, 2);
  writer.setState(2, 'healthy');
  assert.equal(one.known, 3);
});

test('publish shows the new slots under the next version', () => {
  const { writer, one } = tables();
  writer.publish((slots) => slots.fill(2));
  assert.equal(one.version, 1);
  assert.deepEqual([...one.bankOf(1)], new Array(7).fill(2));
  writer.publish((slots) => slots.fill(1));
  assert.equal(one.version, 2);
  assert.deepEqual([...writer.slots], new Array(7).fill(1));
});

test('while a table is written, readers still have the one before', () => {
  const { writer, one } = tables();
  writer.publish((slots) => slots.fill(2));
  writer.publish((slots) => {
    slots.fill(1);
    assert.equal(one.version, 1);
    assert.deepEqual([...one.bankOf(one.version)], new Array(7).fill(2));
  });
});

test('a table that could not be written is not published', () => {
  const { writer, one } = tables();
  writer.publish((slots) => slots.fill(2));
  assert.throws(() =>
    writer.publish((slots) => {
      slots.fill(1, 0, 3);
      throw new Error('no room');
    }),
  );
  assert.equal(one.version, 1);
  assert.deepEqual([...writer.slots], new Array(7).fill(2));
});

test('a reader on another thread never sees a torn table', async () => {
  const shape = { slots: 4096, ordinals: 1000, workers: 1 };
  const writer = new RouteTableWriter(shape);
  const publish = () => writer.publish((slots) => slots.fill((writer.version + 1) % 1000));
  publish();
  const shared = () => new Int32Array(new SharedArrayBuffer(4));
  const start: ReaderStart = { buffer: writer.buffer, shape, stop: shared(), seen: shared() };
  const reader = new Worker(new URL('./table-reader.ts', import.meta.url), {
    workerData: start,
  });
  const result = once(reader, 'message') as Promise<[ReaderResult]>;
  await once(reader, 'online');
  // until the reader has read 200 different tables, some of them while the next was being written
  const deadlineMs = performance.now() + 20_000;
  for (let rounds = 0; Atomics.load(start.seen, 0) < 200 && performance.now() < deadlineMs; rounds++) {
    publish();
    if (rounds % 100 === 0) await tick();
  }
  Atomics.store(start.stop, 0, 1);
  const [{ whole, torn }] = await result;
  assert.ok(whole >= 200, `read ${whole} whole tables`);
  assert.equal(torn, 0);
});

test('healthy alone is eligible', () => {
  const { writer, one } = tables();
  for (const state of Object.keys(STATE_CODES) as StateCode[]) {
    writer.setState(1, state);
    assert.equal(isEligible(one.stateWord(1)), state === 'healthy', state);
    assert.equal(one.eligible, state === 'healthy' ? 1 : 0, state);
  }
});

test('the same state set again changes the word, but no count', () => {
  const { writer, one } = tables();
  const words = new Set<number>();
  for (let round = 0; round < 5; round++) {
    writer.setState(0, 'healthy');
    words.add(one.stateWord(0));
  }
  assert.equal(words.size, 5);
  assert.equal(one.eligible, 1);
});

test('acquire counts up to the bound and then changes nothing', () => {
  const { one, two } = tables();
  assert.deepEqual(
    [one, two, one, two].map((thread) => thread.acquire(1, 3)),
    [true, true, true, false],
  );
  assert.deepEqual(counts(two), [0, 3, 0, 3]);
});

test('release is the reverse of acquire', () => {
  const { one, two } = tables();
  one.acquire(0, 9);
  two.acquire(0, 9);
  two.acquire(2, 9);
  one.release(0);
  assert.deepEqual(counts(one), [1, 0, 1, 2]);
  assert.equal(one.acquire(0, 2), true);
});

test('releaseRow returns exactly what a dead thread held', () => {
  const { writer, one, two } = tables();
  for (const ordinal of [0, 0, 2]) one.acquire(ordinal, 9);
  for (const ordinal of [0, 1]) two.acquire(ordinal, 9);
  one.release(0);
  one.queue.countWaiting(9);
  one.queue.countWaiting(9);
  two.queue.countWaiting(9);
  writer.releaseRow(0);
  assert.deepEqual(counts(two), [1, 1, 0, 2]);
  assert.equal(two.totalWaiting, 1);
});

test('giving back twice gives back once', () => {
  const { writer, one, two } = tables();
  one.acquire(0, 9);
  two.acquire(0, 9);
  one.queue.countWaiting(9);
  two.queue.countWaiting(9);
  writer.releaseRow(0);
  writer.releaseRow(0);
  assert.deepEqual(counts(two), [1, 0, 0, 1]);
  assert.equal(two.totalWaiting, 1);
});

test("a thread in a dead one's row begins with nothing held", () => {
  const { writer, one } = tables();
  one.acquire(0, 9);
  writer.releaseRow(0);
  const heir = new RouteTable(writer.buffer, SHAPE, 0);
  heir.acquire(0, 9);
  heir.release(0);
  writer.releaseRow(0);
  assert.deepEqual(counts(heir), [0, 0, 0, 0]);
});

test('the queue is one depth for all threads', () => {
  const { one, two } = tables();
  assert.deepEqual(
    [one, two, two].map((thread) => thread.queue.countWaiting(2)),
    [true, true, false],
  );
  assert.equal(one.totalWaiting, 2);
  one.queue.uncountWaiting();
  assert.deepEqual([one.totalWaiting, two.queue.countWaiting(2)], [1, true]);
});

test('a queue of depth 0 takes nobody', () => {
  const { one } = tables();
  assert.deepEqual([one.queue.countWaiting(0), one.totalWaiting], [false, 0]);
});

/** What `nextWake` gave, or undefined while it waits. */
function wakeOf(table: RouteTable, seen: number): { value: number | undefined } {
  const wake: { value: number | undefined } = { value: undefined };
  void table.queue.nextWake(seen).then((value) => {
    wake.value = value;
  });
  return wake;
}

test('the thread whose request has waited longest is woken by another', async () => {
  const { one, two } = tables();
  one.queue.countWaiting(9);
  one.queue.setHead(one.queue.nextTicket());
  const wake = wakeOf(one, 0);
  await tick();
  assert.equal(wake.value, undefined);
  two.queue.wakeOldest();
  await tick();
  assert.equal(wake.value, 1);
});

test('a thread without queued requests is not woken', async () => {
  const { one, two } = tables();
  one.queue.setHead(one.queue.nextTicket());
  const wakes = [wakeOf(one, 0), wakeOf(two, 0)];
  one.queue.wakeOldest();
  await tick();
  assert.deepEqual(wakes, [{ value: undefined }, { value: undefined }]);
});

test("a ticket is the oldest while no other thread's is older", () => {
  const { one, two } = tables();
  const [first, second] = [one.queue.nextTicket(), two.queue.nextTicket()];
  assert.ok(first < second);
  assert.equal(two.queue.isOldest(second), true);
  one.queue.setHead(first);
  assert.equal(one.queue.isOldest(first), true);
  assert.equal(two.queue.isOldest(second), false);
  one.queue.setHead(undefined);
  assert.equal(two.queue.isOldest(second), true);
});

test('a snapshot is independent of the table', () => {
  const { writer, one } = tables();
  writer.publish((slots) => slots.fill(1));
  writer.publish((slots) => slots.fill(2));
  writer.setState(2, 'healthy');
  one.acquire(2, 9);
  one.queue.countWaiting(9);
  const seen = writer.snapshot();
  assert.deepEqual([...seen.bankOf(seen.version)], [...writer.slots]);
  assert.deepEqual([seen.version, seen.eligible, seen.totalWaiting], [2, 1, 1]);
  assert.deepEqual([seen.stateWord(2), ...counts(seen)], [writer.stateWord(2), ...counts(one)]);
  seen.acquire(2, 9);
  assert.deepEqual(counts(one), [0, 0, 1, 1]);
  writer.setState(2, 'unhealthy');
  assert.equal(isEligible(seen.stateWord(2)), true);
});

test("the eligible weight is the eligible replicas', following states and weights", () => {
  const { writer, one } = tables();
  const seen: number[] = [one.eligibleWeight];
  const changes = [one.changes];
  for (const change of [
    () => writer.setState(0, 'healthy'),
    () => writer.setWeight(0, 2.5),
    () => writer.setWeight(1, 4),
    () => writer.setState(1, 'healthy'),
    () => writer.setState(0, 'draining'),
  ]) {
    change();
    seen.push(one.eligibleWeight);
    changes.push(one.changes);
  }
  assert.deepEqual(seen, [0, 100, 250, 250, 650, 400]);
  assert.equal(new Set(changes).size, changes.length);
});

test('a weight is at least one unit, and 1 if unset', () => {
  const { writer, one } = tables();
  writer.setWeight(1, 0);
  assert.deepEqual([one.weight(0), one.weight(1)], [WEIGHT_UNIT, 1]);
});

test('a weight that is set again changes nothing', () => {
  const { writer, one } = tables();
  const before = one.changes;
  writer.setWeight(0, 1);
  assert.equal(one.changes, before);
});

test('a request waits since a ticket that was the next when it waited', () => {
  const { writer, one, two } = tables();
  const before = writer.nextTicket;
  assert.equal(writer.isWaitingSince(before), false);
  two.queue.setHead(two.queue.nextTicket());
  assert.equal(writer.isWaitingSince(before), false);
  one.queue.nextTicket();
  assert.equal(writer.isWaitingSince(writer.nextTicket), true);
  two.queue.setHead(undefined);
  assert.equal(writer.isWaitingSince(writer.nextTicket), false);
});

test('the common key of a watched replica is that of most requests of all threads', () => {
  const { writer, one, two } = tables();
  assert.deepEqual([one.watched, writer.keyWatch.commonKey], [-1, undefined]);
  writer.keyWatch.watch(0);
  assert.equal(two.watched, 0);
  one.setCommonKey(0xf0000001, 3);
  two.setCommonKey(7, 2);
  assert.equal(writer.keyWatch.commonKey, 0xf0000001);
  one.setCommonKey(7, 4);
  assert.equal(writer.keyWatch.commonKey, 7);
  writer.keyWatch.watch(undefined);
  assert.deepEqual([one.watched, writer.keyWatch.commonKey], [-1, undefined]);
});
