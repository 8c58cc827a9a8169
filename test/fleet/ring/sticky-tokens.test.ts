import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TOKEN_LENGTH } from '../../../lib/core/sticky-cookie.ts';
import { type StickyTokenOptions, StickyTokens } from '../../../lib/fleet/ring/sticky-tokens.ts';

const OPTIONS: StickyTokenOptions = {
  sticky: 'lb',
  stickySecret: 'a-secret-of-the-fleet',
  adminToken: '',
  pool: 'ringlb',
};

function tokenOf(name: string, options: Partial<StickyTokenOptions> = {}): string {
  return new StickyTokens({ ...OPTIONS, ...options }).tokenOf(name);
}

describe('tokens of sticky cookies', () => {
  it('are an HMAC-SHA256 of pool and name, as written once for all', () => {
    // printf 'ringlb\0S1' | openssl dgst -sha256 -hmac a-secret-of-the-fleet -binary | basenc --base64url | cut -c1-22
    assert.equal(tokenOf('S1'), 'c94Qs_V449JKTL9bgqPoNL');
    assert.equal(tokenOf('S1').length, TOKEN_LENGTH);
  });

  it('are those of every balancer with the secret', () => {
    assert.equal(tokenOf('S1'), tokenOf('S1', { adminToken: 'another-token' }));
  });

  it('differ by name, pool and secret', () => {
    const tokens = [
      tokenOf('S1'),
      tokenOf('S2'),
      tokenOf('S1', { pool: 'other' }),
      tokenOf('S1', { stickySecret: 'another-secret-here' }),
      tokenOf('S1', { stickySecret: '', adminToken: 'correct-horse' }),
      tokenOf('S1', { stickySecret: '' }),
    ];
    assert.equal(new Set(tokens).size, tokens.length);
  });

  it('are empty without a cookie', () => {
    assert.equal(tokenOf('S1', { sticky: '' }), '');
  });

  it('say where their secret comes from', () => {
    const sourceOf = (options: Partial<StickyTokenOptions>): string =>
      new StickyTokens({ ...OPTIONS, ...options }).secretSource;
    assert.equal(sourceOf({}), 'secret');
    assert.equal(sourceOf({ stickySecret: '', adminToken: 'correct-horse' }), 'admin-token');
    assert.equal(sourceOf({ stickySecret: '' }), 'pool');
  });
});
