import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { LogLine } from '../../../lib/api/types.ts';
import type { OutputSink } from '../../../lib/drivers/driver.ts';
import { type LogFilter, ReplicaLogs } from '../../../lib/fleet/logs/replica-logs.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const ALL: LogFilter = { replicas: [], instance: undefined };
const BATCH_MS = 100;

describe('the logs of replicas', () => {
  let clock: FakeClock;
  let logs: ReplicaLogs;
  beforeEach(() => {
    clock = new FakeClock();
    logs = new ReplicaLogs(clock);
  });

  const print = (sink: OutputSink, text: string) => sink.write('stdout', Buffer.from(text));
  const flood = (sink: OutputSink, count: number) =>
    print(sink, Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join(''));
  const texts = (lines: readonly LogLine[]) => lines.map(({ text }) => text);
  const last = (filter: Partial<LogFilter> = {}, count = 10_000) => logs.last({ ...ALL, ...filter }, count);

  function follow({ count = 10, lastId = '' } = {}) {
    const seen: LogLine[] = [];
    const end = logs.follow(ALL, { count, lastId }, (lines) => seen.push(...lines));
    return { seen, end };
  }

  it('give the last lines of one instance, also once it has ended', () => {
    const [one, two] = [logs.open('S1', 'a'), logs.open('S2', 'b')];
    print(one, 'first\nsecond\nthird');
    print(two, 'another\n');
    one.end();
    assert.deepEqual(logs.lastTexts('a', 2), ['second', 'third']);
    assert.deepEqual(logs.lastTexts('unknown', 2), []);
  });

  it('are in the order in which lines came, whoever printed them', () => {
    const [one, two] = [logs.open('S1', 'a'), logs.open('S2', 'b')];
    print(one, 'first\n');
    two.write('stderr', Buffer.from('second\n'));
    print(one, 'third\n');
    assert.deepEqual(
      last().map(({ replica, instance, stream, text }) => [replica, instance, stream, text]),
      [
        ['S1', 'a', 'stdout', 'first'],
        ['S2', 'b', 'stderr', 'second'],
        ['S1', 'a', 'stdout', 'third'],
      ],
    );
  });

  it('are of the replicas and the instance that are asked for', () => {
    for (const [name, id] of [
      ['S1', 'a'],
      ['S1', 'b'],
      ['S2', 'c'],
    ] as const)
      print(logs.open(name, id), `of ${id}\n`);
    assert.deepEqual(texts(last({ replicas: ['S1'] })), ['of a', 'of b']);
    assert.deepEqual(texts(last({ replicas: ['S1'], instance: 'b' })), ['of b']);
    assert.deepEqual(texts(last({}, 1)), ['of c']);
  });

  it('keep the last 500 lines of an instance', () => {
    flood(logs.open('S1', 'a'), 1200);
    const lines = last();
    assert.deepEqual([lines.length, lines[0]?.text, lines.at(-1)?.text], [500, 'line 701', 'line 1200']);
  });

  it('keep at most 256 KiB of an instance', () => {
    const sink = logs.open('S1', 'a');
    for (let count = 0; count < 100; count++) print(sink, `${'x'.repeat(8000)}\n`);
    const bytes = last().reduce((sum, { text }) => sum + text.length, 0);
    assert.ok(bytes > 240 * 1024 && bytes <= 256 * 1024, String(bytes));
  });

  it('keep the last two instances of a replica that ended', () => {
    for (const id of ['a', 'b', 'c', 'd']) {
      const sink = logs.open('S1', id);
      print(sink, `half a line of ${id}`);
      if (id !== 'd') sink.end();
    }
    print(logs.open('S1', 'd'), '\n');
    assert.deepEqual(texts(last()), ['half a line of b', 'half a line of c', 'half a line of d']);
  });

  it('keep few instances of replicas that are no more', () => {
    for (let count = 0; count < 1000; count++) {
      const sink = logs.open(`S${count}`, String(count));
      print(sink, 'bye');
      sink.end();
    }
    assert.equal(last().length, 64);
  });

  it('go on where an instance is opened again', () => {
    print(logs.open('S1', 'a'), 'one\n');
    print(logs.open('S1', 'a'), 'two\n');
    assert.deepEqual(texts(last()), ['one', 'two']);
  });

  it('give a follower the last lines, then new ones', () => {
    const sink = logs.open('S1', 'a');
    print(sink, 'one\ntwo\nthree\n');
    const { seen } = follow({ count: 2 });
    assert.deepEqual(texts(seen), ['two', 'three']);
    print(sink, 'four\n');
    clock.advance(BATCH_MS);
    assert.deepEqual(texts(seen), ['two', 'three', 'four']);
    assert.ok(seen.every(({ missed }) => missed === 0));
  });

  it('give a follower who comes back what it has not seen', () => {
    const sink = logs.open('S1', 'a');
    print(sink, 'one\ntwo\nthree\n');
    const { seen } = follow({ lastId: last()[0]!.id });
    assert.deepEqual(texts(seen), ['two', 'three']);
    assert.deepEqual(texts(follow({ count: 1, lastId: 'zz-7' }).seen), ['one', 'two', 'three']);
  });

  it("tell a flood's follower its end, and how much is missing", () => {
    const sink = logs.open('S1', 'a');
    const { seen } = follow();
    flood(sink, 100_000);
    clock.advance(BATCH_MS);
    assert.equal(seen.at(-1)?.text, 'line 100000');
    assert.equal(seen[0]!.missed + seen.length, 100_000);
    assert.ok(seen.length <= 500);
    print(sink, 'calm\n');
    clock.advance(BATCH_MS);
    assert.deepEqual([seen.at(-1)?.text, seen.at(-1)?.missed], ['calm', 0]);
  });

  it('give no batch of more text than a stream can hold', () => {
    const { seen } = follow();
    for (const id of ['a', 'b', 'c']) flood(logs.open('S1', id), 500);
    clock.advance(BATCH_MS);
    assert.ok(seen.length < 700, String(seen.length));
    assert.equal(seen.at(-1)?.instance, 'c');
  });

  it('set no timer while nobody follows', () => {
    const { end } = follow();
    end();
    flood(logs.open('S1', 'a'), 10);
    assert.equal(clock.pending, 0);
  });
});
