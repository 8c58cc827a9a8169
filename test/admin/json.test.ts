import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isList, isObject, type Json, parseJson } from '../../lib/admin/json.ts';

/** The value as JSON.parse would give it. */
function plain(value: Json): unknown {
  if (isList(value)) return value.map(plain);
  if (!isObject(value)) return value;
  // as JSON.parse does, also for a key like __proto__
  const entries = [...value].map(([key, item]) => [
    key,
    { value: plain(item), enumerable: true, writable: true, configurable: true },
  ]);
  return Object.defineProperties({}, Object.fromEntries(entries));
}

/** What is left of a text by JSON.parse, or undefined where it throws. */
function reference(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function tried(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: plain(parseJson(text)) };
  } catch {
    return undefined;
  }
}

describe('parseJson', () => {
  it('reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        assert.deepEqual(tried(text), { value: JSON.parse(text) });
      }),
    );
  });

  it('agrees with JSON.parse but for duplicate keys, depth and infinity', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"a"',
      '"b"',
      '"\\n"',
      '"\\x"',
      '"',
      '1',
      '-',
      '0',
      '.',
      'e',
      '+',
      'true',
      'null',
      ' ',
      '\n',
      '\u0000',
      'é',
      '{"a":',
      '[1,',
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (candidate) => {
        const expected = reference(candidate);
        const isDoubled = /"a".*"a"|"b".*"b"|\{"a":.*"a"/s.test(candidate);
        if (expected !== undefined && isDoubled) return;
        assert.deepEqual(tried(candidate), expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses a key that comes twice at any depth', () => {
    assert.throws(() => parseJson('{"a":[{"b":1,"b":1}]}'), { message: 'The body has "b" twice' });
  });

  it('lets the same key stand in two objects', () => {
    assert.deepEqual(tried('[{"a":1},{"a":2}]'), { value: [{ a: 1 }, { a: 2 }] });
  });

  it('reads eight levels and refuses the ninth', () => {
    assert.ok(tried('[[[[[[[[1]]]]]]]]'));
    assert.throws(() => parseJson('[[[[[[[[[]]]]]]]]]'), /nested deeper than 8 levels/);
    assert.throws(() => parseJson('[[[[[[[[{}]]]]]]]]'), /nested deeper than 8 levels/);
  });

  it('reads a string of 64 KiB', () => {
    const text = '\\"a'.repeat(20_000);
    assert.deepEqual(tried(`"${text}"`), { value: '"a'.repeat(20_000) });
  });
});
