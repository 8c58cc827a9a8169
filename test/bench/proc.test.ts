/** Reading of `/proc`: texts as the kernel writes them, and the choice between nanoseconds and ticks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CpuSample,
  cpuBetweenNs,
  parseCpuList,
  parseResidentBytes,
  parseSchedstat,
  parseStat,
  readTree,
  residentBytes,
  sampleCpu,
  TICK_NS,
  treeOf,
} from '../../bench/proxy/proc.ts';

const REST = '4194304 100 0 0 0 250 50 7 3 20 0 8 0 12345 99 88';

function sample(ticks: number, threads: Readonly<Record<number, number>>): CpuSample {
  const threadNs = new Map(Object.entries(threads).map(([thread, ns]) => [Number(thread), ns]));
  return { ticks, processes: 1, threadNs };
}

test('a stat line gives the parent and the ticks', () => {
  const stat = parseStat(`4242 (node) S 17 4242 4242 0 -1 ${REST}`);
  assert.deepEqual(stat, { pid: 4242, parentPid: 17, ticks: 300, childTicks: 10 });
});

test('a command with spaces and parentheses shifts no stat field', () => {
  const stat = parseStat(`7 (nginx: (a) b) R 1 7 7 0 -1 ${REST}`);
  assert.deepEqual(stat, { pid: 7, parentPid: 1, ticks: 300, childTicks: 10 });
});

test('schedstat gives the nanoseconds on a core, not those of waiting', () => {
  assert.equal(parseSchedstat('929153879 53410 1\n'), 929_153_879);
});

test('resident memory is in bytes, and 0 for processes without any', () => {
  assert.equal(parseResidentBytes('Name:\tnode\nVmHWM:\t  900 kB\nVmRSS:\t  512 kB\n'), 524_288);
  assert.equal(parseResidentBytes('Name:\tkthreadd\n'), 0);
});

test('a core list is read with its ranges', () => {
  assert.deepEqual(parseCpuList('0-2,5,7-8\n'), [0, 1, 2, 5, 7, 8]);
});

test('a tree holds grandchildren listed before their parents, and no strangers', () => {
  const process = (pid: number, parentPid: number) => ({ pid, parentPid, ticks: 0, childTicks: 0 });
  const tree = treeOf(10, [process(12, 11), process(11, 10), process(20, 1), process(10, 1)]);
  assert.deepEqual(tree, [10, 11, 12]);
});

test('processor time is in nanoseconds while ticks agree', () => {
  const before = sample(100, { 1: 1_000_000_000 });
  const after = sample(101, { 1: 1_012_345_678, 2: 5 });
  assert.equal(cpuBetweenNs(before, after), 12_345_683);
});

test('ticks count once a thread has ended with its nanoseconds', () => {
  const before = sample(100, { 1: 500_000_000, 2: 500_000_000 });
  const after = sample(200, { 1: 600_000_000 });
  assert.equal(cpuBetweenNs(before, after), 100 * TICK_NS);
});

test('this process is found with its memory and its processor time', () => {
  const tree = readTree(process.pid);
  assert.equal(tree[0], process.pid);
  assert.ok(residentBytes([process.pid]) > 1_000_000);
  const cpu = sampleCpu([process.pid]);
  assert.ok(cpu.threadNs.get(process.pid)! > 0);
});

test('a process that does not exist is sampled as nothing', () => {
  const cpu = sampleCpu([2 ** 22 + 1]);
  assert.deepEqual([cpu.ticks, cpu.threadNs.size, residentBytes([2 ** 22 + 1])], [0, 0, 0]);
});
