import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Belief } from '../../../lib/core/discovery/belief.ts';

const GRACE_MS = 30_000;

describe('what a source is believed to have', () => {
  let belief: Belief<{ readonly name: string }>;
  beforeEach(() => {
    belief = new Belief(GRACE_MS);
  });

  /** A look at a source that lists the letters of `names`. */
  const look = (names: string, nowMs: number): string => {
    belief.note(
      [...names].map((name) => ({ name })),
      nowMs,
    );
    return believed();
  };
  const believed = (): string =>
    belief.servers
      .map(({ name }) => name)
      .sort()
      .join('');

  it('is nothing before the first look', () => {
    assert.equal(believed(), '');
  });

  it('is the first list, even an empty one', () => {
    assert.equal(look('', 0), '');
    assert.equal(look('ab', 1), 'ab');
  });

  it('follows a list that loses half of its servers at once', () => {
    look('abcd', 0);
    assert.equal(look('ab', 1), 'ab');
    assert.equal(look('a', 2), 'a');
  });

  it('keeps all servers when more than half are gone', () => {
    look('abc', 0);
    assert.equal(look('a', 1), 'abc');
  });

  it('keeps the only server when the list is empty', () => {
    look('a', 0);
    assert.equal(look('', 1), 'a');
  });

  it('believes an empty list on a second look after the grace', () => {
    look('abc', 0);
    look('', 1000);
    assert.equal(look('', 1000 + GRACE_MS), '');
  });

  it('never believes an empty list within the grace, however often repeated', () => {
    look('abc', 0);
    for (let nowMs = 1000; nowMs < 1000 + GRACE_MS; nowMs += 1000) assert.equal(look('', nowMs), 'abc');
  });

  it('does not believe a single look, however short the grace', () => {
    belief = new Belief(0);
    look('abc', 0);
    assert.equal(look('', 1), 'abc');
    assert.equal(look('', 1), '');
  });

  it('takes in new servers while it doubts', () => {
    look('abc', 0);
    assert.equal(look('d', 1), 'abcd');
    assert.equal(look('e', 2), 'abce');
  });

  it('measures what is gone by what was there before the doubt', () => {
    look('a', 0);
    assert.equal(look('bcd', 1), 'abcd');
    assert.equal(look('bcd', 2), 'abcd');
    assert.equal(look('bcd', 1 + GRACE_MS), 'bcd');
  });

  it('begins a new grace once the servers were back', () => {
    look('abc', 0);
    look('', 1000);
    look('abc', 2000);
    look('', 3000);
    assert.equal(look('', 1000 + GRACE_MS), 'abc');
    assert.equal(look('', 3000 + GRACE_MS), '');
  });

  it('begins a new grace after a look that failed', () => {
    look('abc', 0);
    look('', 1000);
    belief.noteFailure();
    assert.equal(look('', 1000 + GRACE_MS), 'abc');
  });

  it('measures by the state before the doubt after failed looks too', () => {
    look('a', 0);
    look('bcd', 1);
    belief.noteFailure();
    assert.equal(look('bcd', 2), 'abcd');
  });

  it('keeps its servers through looks that fail', () => {
    look('abc', 0);
    belief.noteFailure();
    assert.equal(believed(), 'abc');
  });

  it('says when a doubted list may count', () => {
    look('abc', 0);
    assert.equal(belief.doubtEndsInMs(500), undefined);
    look('', 1000);
    assert.equal(belief.doubtEndsInMs(2000), GRACE_MS - 1000);
    assert.equal(belief.doubtEndsInMs(1001 + GRACE_MS), 0);
  });
});
