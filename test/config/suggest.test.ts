import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { didYouMean, orList, quote } from '../../lib/config/suggest.ts';

describe('quote', () => {
  for (const [text, shown] of [
    ['a', '"a"'],
    ['', '""'],
    ['a"b\n\u001b', '"a\\"b\\n\\u001b"'],
    ['http://bob:secret@a:1,http://c@b:2', '"http://…@a:1,http://…@b:2"'],
    ['x'.repeat(80), `"${'x'.repeat(80)}"`],
    ['x'.repeat(81), `"${'x'.repeat(80)}…"`],
  ] as const) {
    it(`shows ${JSON.stringify(text.slice(0, 10))} of ${text.length} characters`, () => {
      assert.equal(quote(text), shown);
    });
  }
});

describe('orList', () => {
  it('joins words for a sentence', () => {
    assert.equal(orList([]), '');
    assert.equal(orList(['a']), 'a');
    assert.equal(orList(['a', 'b']), 'a or b');
    assert.equal(orList(['a', 'b', 'c']), 'a, b or c');
  });
});

describe('didYouMean', () => {
  const known = ['--port', '--replicas', '--retries', '--upstreams'];

  for (const [word, meant] of [
    ['--prot', '--port'],
    ['--ports', '--port'],
    ['--por', '--port'],
    ['--pxrt', '--port'],
    ['--replcias', '--replicas'],
    ['--retrys', '--retries'],
    ['--upstream', '--upstreams'],
  ] as const) {
    it(`finds ${meant} for ${word}`, () => {
      assert.equal(didYouMean(word, known), `; did you mean ${meant}?`);
    });
  }

  for (const word of ['--zzzz', '', 'x'.repeat(100_000)]) {
    it(`finds nothing for ${JSON.stringify(word.slice(0, 10))}`, () => {
      assert.equal(didYouMean(word, known), '');
    });
  }
});
