import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isToken } from '../../lib/core/http-token.ts';

test('a token has the characters of RFC 9110 and no others', () => {
  const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const expected = new Set(`!#$%&'*+-.^_\`|~0123456789${letters}`);
  assert.deepEqual(
    all.filter((char) => isToken(`a${char}`)),
    all.filter((char) => expected.has(char)),
  );
});

test('an empty text is no token', () => {
  assert.equal(isToken(''), false);
});
