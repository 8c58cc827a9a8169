import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BalancerError, ERRORS, errnoOf, isBalancerError, messageOf } from '../../lib/platform/errors.ts';

describe('the table of errors', () => {
  for (const [code, { status, message, mayRetry }] of Object.entries(ERRORS)) {
    it(`gives ${code} an error status, or that of a redirect`, () => {
      assert.ok(code === 'tls-redirect' ? status === 308 : status >= 400 && status < 600);
    });

    it(`allows a retry of ${code} only as a replica failure`, () => {
      assert.ok(!mayRetry || (status >= 502 && message !== undefined));
    });
  }

  it('gives every mistake in a name status 400', () => {
    assert.equal(ERRORS['bad-request'].status, 400);
    assert.equal(ERRORS['name-held'].status, 400);
  });
});

describe('BalancerError', () => {
  it('has the code, its status, and the message it is given', () => {
    const error = new BalancerError('start-failed', 'S1 ended at once: exit 1');
    assert.equal(error.code, 'start-failed');
    assert.equal(error.status, 502);
    assert.equal(error.message, 'S1 ended at once: exit 1');
    assert.equal(error.name, 'BalancerError');
  });

  it('has the message of the table by default', () => {
    assert.equal(new BalancerError('none-eligible').message, 'No replica is eligible');
    assert.equal(new BalancerError('bad-request').message, 'bad-request');
  });

  it('keeps its cause', () => {
    const cause = new Error('below');
    assert.equal(new BalancerError('internal', 'above', { cause }).cause, cause);
  });
});

describe('isBalancerError', () => {
  const error: unknown = new BalancerError('name-held', 'x');

  it('accepts any code, or only those it is given', () => {
    assert.equal(isBalancerError(error), true);
    assert.equal(isBalancerError(error, 'internal', 'name-held'), true);
    assert.equal(isBalancerError(error, 'internal'), false);
  });

  it('rejects what only looks like one', () => {
    assert.equal(isBalancerError({ code: 'name-held', status: 400 }), false);
    assert.equal(isBalancerError(new Error('name-held')), false);
    assert.equal(isBalancerError(undefined), false);
  });
});

describe('errnoOf', () => {
  it("is a system error's code, and empty for anything else", () => {
    assert.equal(errnoOf(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), 'ECONNREFUSED');
    assert.equal(errnoOf(Object.assign(new Error('x'), { code: 5 })), '');
    assert.equal(errnoOf(new Error('x')), '');
    assert.equal(errnoOf({ code: 'ECONNREFUSED' }), '');
    assert.equal(errnoOf(null), '');
  });
});

describe('messageOf', () => {
  it('returns a sentence for any thrown value', () => {
    assert.equal(messageOf(new TypeError('x')), 'x');
    assert.equal(messageOf('x'), 'x');
    assert.equal(messageOf(undefined), 'undefined');
  });
});
