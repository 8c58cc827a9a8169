/** How much of large bodies one round of the event loop moves, and how much is held for peers that take nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as roundEnd } from 'node:timers/promises';
import { LargeReadBudget, LargeReads } from '../../../lib/proxy/io/large-reads.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function readers(budget: LargeReadBudget, count: number): { reads: LargeReads; continued: number }[] {
  return Array.from({ length: count }, () => {
    const reader = { reads: new LargeReads(() => reader.continued++, budget), continued: 0 };
    return reader;
  });
}

/** Reads all that the budget allows in one round; returns how much. */
function readOn(budget: LargeReadBudget, reads: LargeReads): number {
  let bytes = 0;
  for (;;) {
    const { length } = budget.next();
    bytes += length;
    if (!reads.mayContinue(length, true)) return bytes;
  }
}

test('a connection stops once it has moved its share, until the next round', async () => {
  const budget = new LargeReadBudget();
  const [reader] = readers(budget, 1);
  assert.equal(readOn(budget, reader!.reads), 512 * KIB);
  assert.equal(reader!.continued, 0);
  await roundEnd();
  assert.equal(reader!.continued, 1);
});

test('a read that does not fill its buffer stops nobody', async () => {
  const budget = new LargeReadBudget();
  const [reader] = readers(budget, 1);
  for (let count = 0; count < 100; count++) assert.ok(reader!.reads.mayContinue(100 * KIB, false));
  await roundEnd();
  assert.equal(reader!.continued, 0);
});

test('a round moves little more for 400 connections than for 32', async () => {
  const budget = new LargeReadBudget();
  const many = readers(budget, 400);
  for (let round = 0; round < 3; round++) {
    let bytes = 0;
    for (const { reads } of many) bytes += readOn(budget, reads);
    assert.ok(bytes <= (round === 0 ? 96 : 32) * MIB, `${bytes} bytes in round ${round}`);
    await roundEnd();
  }
});

test('400 stalled clients hold less than 100 KiB each', async () => {
  const budget = new LargeReadBudget();
  const many = readers(budget, 400);
  // the worst that can come: each client stops exactly when its last read begins, and takes nothing of that
  for (let stalled = 0; stalled < many.length; stalled++) {
    for (const { reads } of many.slice(stalled, stalled + 8)) readOn(budget, reads);
    budget.addHeld(budget.next().length);
    await roundEnd();
  }
  assert.ok(budget.heldBytes <= many.length * 100 * KIB, `${budget.heldBytes} bytes are held`);
});

test('reads are as large as before once what was held has been taken', () => {
  const budget = new LargeReadBudget();
  budget.addHeld(100 * MIB);
  assert.equal(budget.next().length, 64 * KIB);
  budget.addHeld(-100 * MIB);
  assert.equal(budget.next().length, 512 * KIB);
});
