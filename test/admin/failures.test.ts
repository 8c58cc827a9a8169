import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { FailureLimit, MOST_REPEATS, MOST_TRIES } from '../../lib/admin/failures.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

describe('the limit on wrong tokens', () => {
  let clock: FakeClock;
  let limit: FailureLimit;
  beforeEach(() => {
    clock = new FakeClock();
    limit = new FailureLimit(clock);
  });

  /** Tries as many tokens as are looked at, up to `most`; each another where `same` is not given. */
  function tries(peer: string, most: number, same?: string): number {
    for (let count = 0; count < most; count++) {
      const digest = same ?? `token ${count} at ${clock.nowMs()}`;
      if (limit.waitMs(peer, digest) > 0) return count;
      limit.recordFailure(peer, digest);
    }
    return most;
  }

  it('lets an address try some tokens, then makes it wait', () => {
    assert.equal(tries('10.0.0.1', 1000), MOST_TRIES);
    assert.equal(limit.waitMs('10.0.0.1', 'the right one'), 1000);
  });

  it('gives one try back each second', () => {
    tries('10.0.0.1', 1000);
    clock.advance(3000);
    assert.equal(tries('10.0.0.1', 1000), 3);
    clock.advance(1000 * MOST_TRIES);
    assert.equal(tries('10.0.0.1', 1000), MOST_TRIES);
  });

  it('takes no try from another address', () => {
    tries('10.0.0.1', 1000);
    assert.equal(limit.waitMs('10.0.0.2', 'any'), 0);
  });

  it('takes a network of IPv6 for one address', () => {
    tries('2001:db8::1', 1000);
    assert.ok(limit.waitMs('2001:db8::2', 'any') > 0);
    assert.equal(limit.waitMs('2001:db8:0:1::2', 'any'), 0);
  });

  it('leaves tries to others at an address that repeats one token', () => {
    for (let second = 0; second < 100; second++) {
      tries('10.0.0.1', 1000, 'an old token');
      assert.equal(limit.waitMs('10.0.0.1', 'the right one'), 0);
      clock.advance(1000);
    }
    assert.equal(tries('10.0.0.1', 1000), MOST_TRIES - MOST_REPEATS + 1);
  });

  it('remembers 4096 addresses, and forgets who failed longest ago', () => {
    tries('2001:db8::1', 1000);
    for (let index = 1; index < 4096; index++) limit.recordFailure(`10.1.${index >> 8}.${index & 255}`, 'x');
    assert.ok(limit.waitMs('2001:db8::1', 'any') > 0);
    limit.recordFailure('10.2.0.0', 'x');
    assert.equal(limit.waitMs('2001:db8::1', 'any'), 0);
  });
});
