import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Cost } from '../../lib/api/types.ts';
import { EVENTS_KEPT, Journal } from '../../lib/fleet/journal.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

describe('the journal', () => {
  let clock: FakeClock;
  let cost: Cost;
  let journal: Journal;
  beforeEach(() => {
    clock = new FakeClock();
    clock.advance(1_000_000);
    cost = { retried: 0, held: 0, failed: 0 };
    journal = new Journal(clock, { read: () => cost });
  });

  /** Requests go wrong, and the counts have been looked at since. */
  function count(more: Partial<Cost>): void {
    cost = { ...cost, ...more };
  }

  const kinds = (): readonly string[] => journal.after('').map(({ kind }) => kind);
  const costOf = (kind: string): Cost | null | undefined =>
    journal.after('').findLast((event) => event.kind === kind)?.cost;

  it('keeps events with wall time, and null for unknown fields', () => {
    journal.note({ kind: 'engine-lost', cause: 'socket hang up' });
    assert.deepEqual(journal.after(''), [
      {
        id: 'lfls-1',
        time: '1970-01-01T00:16:40.000Z',
        kind: 'engine-lost',
        replica: null,
        instance: null,
        image: null,
        cause: 'socket hang up',
        ms: null,
        cost: null,
        count: 1,
        since: '1970-01-01T00:16:40.000Z',
      },
    ]);
  });

  it('gives ids that rise, also past the number that it keeps', () => {
    for (let count = 0; count < EVENTS_KEPT + 5; count++) journal.note({ kind: 'engine-back' });
    const ids = journal.after('').map(({ id }) => Number(id.split('-')[1]));
    assert.equal(ids.length, EVENTS_KEPT);
    assert.deepEqual([ids[0], ids.at(-1)], [6, EVENTS_KEPT + 5]);
    assert.ok(ids.every((id, index) => index === 0 || id === ids[index - 1]! + 1));
  });

  it('gives what came after an event, and nothing after the last', () => {
    for (let count = 0; count < 5; count++) journal.note({ kind: 'engine-back' });
    const ids = journal.after('').map(({ id }) => id);
    assert.deepEqual(
      journal.after(ids[2]!).map(({ id }) => id),
      ids.slice(3),
    );
    assert.deepEqual(journal.after(ids[4]!), []);
  });

  for (const [title, id] of [
    ['of an earlier balancer', 'abc-2'],
    ['that has not been given yet', 'lfls-99'],
    ['that is none', 'yesterday'],
  ] as const) {
    it(`gives all that is kept after an id ${title}`, () => {
      for (let count = 0; count < 3; count++) journal.note({ kind: 'engine-back' });
      assert.equal(journal.after(id).length, 3);
    });
  }

  it('returns everything after an id no longer kept', () => {
    for (let count = 0; count < EVENTS_KEPT + 5; count++) journal.note({ kind: 'engine-back' });
    assert.equal(journal.after('lfls-2').length, EVENTS_KEPT);
    assert.equal(journal.after('lfls-5').length, EVENTS_KEPT);
    assert.equal(journal.after('lfls-6').length, EVENTS_KEPT - 1);
  });

  it('shows a restart in its ids, whatever the count', () => {
    journal.note({ kind: 'engine-back' });
    const { id } = journal.after('')[0]!;
    clock.advance(1);
    const next = new Journal(clock, { read: () => cost });
    next.note({ kind: 'engine-back' });
    assert.equal(next.after(id).length, 1);
  });

  it('tells listeners until they leave', () => {
    const heard: string[] = [];
    const leave = journal.subscribe(({ kind }) => heard.push(kind));
    journal.note({ kind: 'engine-lost' });
    leave();
    journal.note({ kind: 'engine-back' });
    assert.deepEqual(heard, ['engine-lost']);
  });

  it('cuts a long cause', () => {
    journal.note({ kind: 'engine-lost', cause: 'x'.repeat(5000) });
    assert.equal(journal.after('')[0]?.cause?.length, 200);
  });

  it('gives the duration and cost of the outage with the replacement', () => {
    clock.advance(1000);
    journal.note({ kind: 'died', replica: 'S1', instance: 'a', cause: 'SIGKILL' });
    count({ retried: 7, held: 2, failed: 1 });
    clock.advance(190);
    journal.note({ kind: 'started', replica: 'S1', instance: 'b', ms: 30 });
    journal.note({ kind: 'healthy', replica: 'S1', instance: 'b', cause: 'probe passed: 200', ms: 160 });
    assert.deepEqual(kinds(), ['died', 'started', 'healthy', 'replaced']);
    const { ms, instance, cost: told } = journal.after('')[3]!;
    assert.deepEqual([ms, instance, told], [190, 'b', { retried: 7, held: 2, failed: 1 }]);
    assert.equal(costOf('healthy'), null);
  });

  it('counts from a moment before the first sign', () => {
    clock.advance(1000);
    count({ retried: 4 });
    clock.advance(100);
    journal.note({ kind: 'unhealthy', replica: 'S1', instance: 'a' });
    journal.note({ kind: 'healthy', replica: 'S1', instance: 'a', ms: 5 });
    assert.deepEqual(costOf('healthy'), { retried: 4, held: 0, failed: 0 });
  });

  it('counts nothing that was before that moment', () => {
    count({ retried: 4 });
    clock.advance(1000);
    journal.note({ kind: 'unhealthy', replica: 'S1', instance: 'a' });
    journal.note({ kind: 'healthy', replica: 'S1', instance: 'a' });
    assert.deepEqual(costOf('healthy'), { retried: 0, held: 0, failed: 0 });
  });

  it('takes several witnesses of one outage for one, from the first', () => {
    clock.advance(1000);
    journal.note({ kind: 'unhealthy', replica: 'S1', instance: 'a' });
    clock.advance(600);
    count({ failed: 3 });
    clock.advance(600);
    journal.note({ kind: 'died', replica: 'S1', instance: 'a' });
    journal.note({ kind: 'healthy', replica: 'S1', instance: 'b' });
    const replaced = journal.after('').at(-1)!;
    assert.deepEqual([replaced.kind, replaced.ms, replaced.cost?.failed], ['replaced', 1200, 3]);
  });

  it('ends an outage with the removal of its replica', () => {
    clock.advance(1000);
    journal.note({ kind: 'ejected', replica: 'S1', instance: 'a' });
    count({ held: 5 });
    journal.note({ kind: 'removed', replica: 'S1', instance: 'a' });
    assert.equal(costOf('removed')?.held, 5);
    journal.note({ kind: 'healthy', replica: 'S1', instance: 'b' });
    assert.deepEqual([kinds().at(-1), costOf('healthy')], ['healthy', null]);
  });

  /** One flap of S1, half a second long. */
  function flap(instance = 'a'): void {
    journal.note({ kind: 'unhealthy', replica: 'S1', instance, cause: 'traffic' });
    clock.advance(250);
    count({ failed: cost.failed + 1 });
    journal.note({ kind: 'healthy', replica: 'S1', instance, cause: 'probe passed' });
    clock.advance(250);
  }

  it('keeps repeats of one instance as one event with a count', () => {
    journal.note({ kind: 'added', replica: 'S2' });
    for (let flaps = 0; flaps < 2000; flaps++) flap();
    clock.advance(1000);
    const events = journal.after('');
    assert.deepEqual(
      events.map(({ kind, count }) => [kind, count]),
      [
        ['added', 1],
        ['unhealthy', 2000],
        ['healthy', 2000],
      ],
    );
    assert.equal(events[2]!.since, '1970-01-01T00:16:40.250Z');
    assert.ok((events[2]!.cost?.failed ?? 0) >= 2000, 'the cost of all of them');
  });

  it('keeps the starts of a crash loop as one event beside what came before it', () => {
    const died = { replica: 'S1', instance: '0', cause: 'exit 1' };
    journal.note({ kind: 'died', ...died });
    for (let instance = 1; instance <= 400; instance++) {
      const it = { replica: 'S1', instance: `${instance}`, cause: 'exit 1' };
      journal.note({ kind: 'started', ...it });
      journal.note({ kind: 'started', ...it, replica: 'S2' });
      clock.advance(30_000);
      journal.note({ kind: 'start-failed', ...it });
    }
    journal.note({ kind: 'started', replica: 'S1', instance: '401', cause: 'exit 1' });
    clock.advance(1000);
    const told = journal.after('').filter(({ replica }) => replica === 'S1');
    assert.deepEqual(
      told.map(({ kind, instance, count }) => [kind, instance, count]),
      [
        ['died', '0', 1],
        ['started', '1', 1],
        ['start-failed', '400', 400],
        ['started', '401', 400],
      ],
    );
    assert.equal(journal.after('').filter(({ replica }) => replica === 'S2').length, 400);
  });

  it('keeps starts apart that did not follow a failed one', () => {
    const start = (instance: string) => {
      const it = { replica: 'S1', instance, cause: 'SIGKILL' };
      journal.note({ kind: 'started', ...it });
      journal.note({ kind: 'healthy', ...it, cause: 'probe passed' });
      journal.note({ kind: 'died', ...it });
    };
    journal.note({ kind: 'start-failed', replica: 'S1', cause: 'exit 1' });
    for (const instance of ['1', '2', '3']) start(instance);
    assert.equal(kinds().filter((kind) => kind === 'started').length, 3);
  });

  it('reports a repeat under a new id, once a second', () => {
    const told: string[] = [];
    journal.subscribe(({ id, kind, count }) => told.push(`${id} ${kind} ${count}`));
    for (let flaps = 0; flaps < 4; flaps++) flap();
    clock.advance(1000);
    assert.deepEqual(told, [
      'lfls-1 unhealthy 1',
      'lfls-2 healthy 1',
      'lfls-3 unhealthy 2',
      'lfls-4 healthy 2',
      'lfls-5 unhealthy 4',
      'lfls-6 healthy 4',
    ]);
    assert.deepEqual(
      journal.after('lfls-2').map(({ id }) => id),
      ['lfls-5', 'lfls-6'],
    );
  });

  it('tells whoever counts each single one', () => {
    let counted = 0;
    journal.countAll({ countEvent: () => counted++, recordSubstitution: () => {} });
    for (let flaps = 0; flaps < 10; flaps++) flap();
    assert.equal(counted, 20);
  });

  it('keeps what is of another instance, or long after, apart', () => {
    flap('a');
    flap('b');
    clock.advance(120_000);
    flap('b');
    assert.equal(journal.after('').filter(({ kind }) => kind === 'unhealthy').length, 3);
  });

  it('keeps what an operator does apart, however often', () => {
    for (let times = 0; times < 3; times++) journal.note({ kind: 'drain', replica: 'S1' });
    assert.deepEqual(kinds(), ['drain', 'drain', 'drain']);
  });

  it('leaves no timer behind when it is closed', () => {
    journal.close();
    assert.equal(clock.pending, 0);
  });
});
