import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type Ending, endingOf } from '../../lib/core/ending.ts';
import type { Note } from '../../lib/fleet/journal.ts';
import { Poison } from '../../lib/fleet/poison.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const CRASH: Ending = { kind: 'exit', code: 1, signal: null, text: 'exit 1' };
const KILLED: Ending = { kind: 'signal', code: null, signal: 'SIGKILL', text: 'SIGKILL' };

describe('requests on which instances end', () => {
  let clock: FakeClock;
  let notes: Note[];
  let published: (readonly string[])[];
  let poison: Poison;
  beforeEach(() => {
    clock = new FakeClock();
    clock.advance(1_000_000);
    notes = [];
    published = [];
    poison = new Poison({
      clock,
      journal: { note: (note) => notes.push(note) },
      publish: (kinds) => published.push(kinds),
    });
  });

  const boom = (id: string) => ({ method: 'GET', path: '/boom', id });
  const lost = (id: string, generation: number): void => poison.recordLoss({ ...boom(id), generation });
  const settled = (id: string, isServed: boolean): void => poison.recordSettlement({ ...boom(id), isServed });
  const ended = (generation: number, ending = CRASH): void =>
    poison.recordEnd({ generation, replica: `S${generation}`, ending });
  const isPoison = (): boolean => published.at(-1)?.includes('GET /boom') === true;

  /** What the question was answered so far. */
  function judged(...generations: number[]): { verdict: boolean | undefined } {
    const answer: { verdict: boolean | undefined } = { verdict: undefined };
    poison.judge(generations, (verdict) => {
      assert.equal(answer.verdict, undefined, 'answered twice');
      answer.verdict = verdict;
    });
    return answer;
  }

  it('are to blame when two instances ended by themselves', () => {
    ended(1);
    const answer = judged(1, 2);
    assert.equal(answer.verdict, undefined);
    ended(2);
    assert.equal(answer.verdict, true);
    assert.equal(clock.pending, 0);
  });

  for (const [what, ending] of [
    ['was killed from outside', KILLED],
    ['was taken away', endingOf('removed', 'its instance is gone')],
    ['was replaced because its probes failed', endingOf('unhealthy', 'probes fail')],
  ] as const) {
    it(`are not to blame when one of the two ${what}`, () => {
      const answer = judged(1, 2);
      ended(1, ending);
      assert.equal(answer.verdict, false);
    });
  }

  it('are not to blame if no end follows within a second', () => {
    ended(1);
    const answer = judged(1, 2);
    clock.advance(999);
    assert.equal(answer.verdict, undefined);
    clock.advance(1);
    assert.equal(answer.verdict, false);
    ended(2);
  });

  it('are to blame when two of three instances ended by themselves', () => {
    ended(1, KILLED);
    const answer = judged(1, 2, 3);
    ended(2);
    ended(3);
    assert.equal(answer.verdict, true);
  });

  it('make their kind poison, noted once with its details', () => {
    lost('a', 1);
    lost('a', 2);
    ended(1);
    assert.equal(isPoison(), false);
    ended(2);
    assert.equal(isPoison(), true);
    settled('a', false);
    lost('b', 3);
    ended(3);
    assert.deepEqual(notes, [
      { kind: 'poison', cause: 'GET /boom was on S1, S2 when they ended; requests a' },
    ]);
  });

  it('make their kind poison, end or loss first', () => {
    ended(1);
    ended(2);
    lost('a', 1);
    lost('a', 2);
    assert.equal(isPoison(), true);
  });

  it('make their kind poison as two requests without retries', () => {
    for (const [id, generation] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      lost(id, generation);
      ended(generation);
      settled(id, false);
    }
    assert.equal(isPoison(), true);
    assert.match(notes[0]?.cause ?? '', /requests a, b$/);
  });

  it('are waited for while they may yet be served', () => {
    lost('a', 1);
    ended(1);
    lost('b', 2);
    ended(2);
    assert.equal(isPoison(), false);
    settled('a', false);
    settled('b', true);
    assert.equal(isPoison(), false);
  });

  it('do not make their kind poison once another replica served one', () => {
    for (const generation of [1, 2, 3]) {
      for (let number = 0; number < 20; number++) lost(`${generation}-${number}`, generation);
      ended(generation);
      settled(`${generation}-0`, true);
      for (let number = 1; number < 20; number++) settled(`${generation}-${number}`, generation < 3);
      clock.advance(1000);
    }
    assert.deepEqual(published, []);
    assert.deepEqual(notes, []);
  });

  it('do not make their kind poison after kill -9', () => {
    for (const generation of [1, 2, 3]) {
      lost('a', generation);
      ended(generation, KILLED);
    }
    settled('a', false);
    assert.deepEqual(published, []);
  });

  it('do not make their kind poison over a minute apart', () => {
    lost('a', 1);
    ended(1);
    settled('a', false);
    clock.advance(60_000);
    lost('b', 2);
    ended(2);
    settled('b', false);
    assert.deepEqual(published, []);
  });

  it('do not make their kind poison long after the connection closed', () => {
    lost('a', 1);
    lost('a', 2);
    settled('a', false);
    clock.advance(5000);
    ended(1);
    ended(2);
    assert.deepEqual(published, []);
  });

  it('are poison for a minute from the last end', () => {
    lost('a', 1);
    lost('a', 2);
    ended(1);
    ended(2);
    settled('a', false);
    clock.advance(30_000);
    lost('b', 3);
    ended(3);
    settled('b', false);
    clock.advance(59_999);
    assert.equal(isPoison(), true);
    clock.advance(1);
    assert.equal(isPoison(), false);
    assert.equal(clock.pending, 0);
  });

  it('are poison no longer once one of them is served', () => {
    lost('a', 1);
    lost('a', 2);
    ended(1);
    ended(2);
    lost('b', 3);
    settled('b', true);
    assert.deepEqual(published, [['GET /boom'], []]);
  });

  it('are noted in a short line, however many there are', () => {
    for (let generation = 1; generation <= 30; generation++) {
      poison.recordLoss({ method: 'GET', path: `/${'p'.repeat(500)}`, id: 'i'.repeat(200), generation });
      ended(generation);
    }
    assert.equal(notes.length, 1);
    const { cause = '' } = notes[0]!;
    assert.ok(cause.length > 100 && cause.length <= 200, cause);
  });

  it('are forgotten: memory does not grow with their number', () => {
    for (let number = 0; number < 5000; number++) {
      poison.recordLoss({ method: 'GET', path: `/${number}`, id: 'a', generation: number });
      ended(number);
    }
    lost('a', 1);
    lost('a', 2);
    assert.deepEqual(published, []);
  });
});
