import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashText } from '../../../lib/core/hashing/hash.ts';
import {
  findKey,
  formatSource,
  hashKeyOf,
  isRequestId,
  type KeyFacts,
  parseHashKey,
  placementKey,
} from '../../../lib/core/hashing/hash-key.ts';
import { ALGORITHMS } from '../../../lib/core/hashing/slot-table.ts';

function sourcesOf(text: string) {
  const parsed = parseHashKey(text);
  assert.ok('value' in parsed, text);
  return parsed.value;
}

/** The value found, or undefined. */
function keyOf(sources: string, facts: Partial<KeyFacts>): string | undefined {
  return findKey(sourcesOf(sources), { url: '/', rawHeaders: [], clientIp: '', ...facts })?.value;
}

const ALL = 'request-id, client-ip,path,uri,header:X-User,cookie:Sid,query:User';

test('parseHashKey reads every source, with blanks between them', () => {
  assert.deepEqual(sourcesOf(ALL), [
    { kind: 'request-id' },
    { kind: 'client-ip' },
    { kind: 'path' },
    { kind: 'uri' },
    { kind: 'header', name: 'x-user' },
    { kind: 'cookie', name: 'Sid' },
    { kind: 'query', name: 'User' },
  ]);
});

test('formatSource writes what parseHashKey reads', () => {
  const written = sourcesOf(ALL).map(formatSource).join(',');
  assert.equal(written, 'request-id,client-ip,path,uri,header:x-user,cookie:Sid,query:User');
  assert.deepEqual(sourcesOf(written), sourcesOf(ALL));
});

const WRONG: readonly (readonly [string, string])[] = [
  ['', ''],
  ['path,', ''],
  ['cookies', 'cookies'],
  ['path:x', 'path:x'],
  ['header', 'header'],
  ['header:', 'header:'],
  ['header:a b', 'header:a b'],
  ['header:a:b', 'header:a:b'],
  ['cookie:a=b', 'cookie:a=b'],
  ['query:', 'query:'],
  ['query:a b', 'query:a b'],
  ['path,Path', 'Path'],
];

for (const [text, item] of WRONG) {
  test(`parseHashKey refuses "${text}" and names what is wrong in it`, () => {
    const parsed = parseHashKey(text);
    assert.ok('problem' in parsed);
    assert.match(parsed.problem, /^must be a comma-separated list of request-id, /);
    assert.ok(parsed.problem.endsWith(`, and "${item}" is not one of them`), parsed.problem);
  });
}

const RAW = [
  'Host',
  'a',
  'X-USER',
  '',
  'x-uSeR',
  'ann',
  'X-User',
  'bob',
  'X-Request-ID',
  'r-7',
  'X-Users',
  'no',
];

type Case = readonly [sources: string, what: string, facts: Partial<KeyFacts>, value: string | undefined];

const headers = (...rawHeaders: readonly string[]) => ({ rawHeaders });
const cookies = (...values: readonly string[]) => headers(...values.flatMap((value) => ['Cookie', value]));
const url = (target: string) => ({ url: target });
const peer = (clientIp: string) => ({ clientIp });

const CASES: readonly Case[] = [
  ['request-id', 'the id of a request', headers(...RAW), 'r-7'],
  ['request-id', 'no id where there is none', headers('X-Request-Ids', 'r'), undefined],
  ['header:X-User', 'a header in any case, the first that is not empty', headers(...RAW), 'ann'],
  ['header:a~b', 'no header that differs in more than case', headers('a^b', '1'), undefined],
  ['header:x-user', 'no value as if it were a name', headers('A', 'x-user', 'B', 'c'), undefined],
  ['header:x-none,cookie:c,path', 'the next source where the first is missing', url('/p?q=1'), '/p'],
  ['path', 'the path without its query', url('/a%20b/?c?d'), '/a%20b/'],
  ['path', 'the whole path where there is no query', url('/a/b'), '/a/b'],
  ['uri', 'the whole target', url('/a?b=%41#c'), '/a?b=%41#c'],
  ['client-ip', 'an IPv4 peer', peer('10.0.0.1'), '10.0.0.1'],
  ['client-ip', 'an IPv6 peer', peer('2001:db8::1'), '2001:db8::1'],
  ['client-ip', 'no address of a socket that is gone', {}, undefined],

  ['cookie:sid', 'a cookie among others', cookies('a=1; sid=x=y==; b=2'), 'x=y=='],
  ['cookie:sid', 'a cookie with odd blanks around it', cookies('a=1;\t sid \t= x \t;b=2'), 'x'],
  ['cookie:sid', 'a cookie in the second Cookie header', cookies('a=1', 'sid=x'), 'x'],
  ['cookie:a', 'a cookie in a header of any case', headers('COOKIE', 'a=1'), '1'],
  ['cookie:a', 'the first cookie of a name that is not empty', cookies('a=; a=2; a=3'), '2'],
  ['cookie:Sid', 'no cookie that differs in case', cookies('sid=x; SID=y'), undefined],
  ['cookie:a', 'a cookie with its quotes', cookies('a="1 2"'), '"1 2"'],
  ['cookie:a', 'no cookie in a pair without =', cookies('a; b=a; ;;=a'), undefined],
  ['cookie:a', 'a cookie after pairs without =', cookies('b; c;;a=1'), '1'],
  ['cookie:id', 'no cookie whose name only ends so', cookies('sid=1; x id=2'), undefined],
  ['cookie:a', 'raw bytes at the end of a cookie', cookies('a=\xc3\xa0'), '\xc3\xa0'],
  ['cookie:a', 'no cookie in another header', headers('Set-Cookie', 'a=1'), undefined],

  ['query:b', 'a parameter among others', url('/?a=1&b=2&c=3'), '2'],
  ['query:c', 'the last parameter', url('/?a=1&c=3=4?5'), '3=4?5'],
  ['query:a', 'the first parameter of a name that is not empty', url('/?a=&a&a=2&a=3'), '2'],
  ['query:a', 'a percent-encoded value as bytes', url('/?a=%41%c3%A0+%2b'), 'A\xc3\xa0++'],
  ['query:a', 'a malformed value as it is', url('/?a=%4&b=1'), '%4'],
  ['query:a', 'what is well-formed beside what is not', url('/?a=%zz%%41%'), '%zz%A%'],
  ['query:a_b', 'a percent-encoded name', url('/?x=1&a%5Fb=2'), '2'],
  ['query:a%20b', 'a name given percent-encoded', url('/?a%20b=2'), '2'],
  ['query:a', 'no parameter in the path', url('/a=1'), undefined],
  ['query:a', 'no parameter without =', url('/?ab&a'), undefined],
  ['query:a', 'no parameter in an empty query', url('/?'), undefined],
  ['query:a', 'no parameter whose name only ends so', url('/?ba=1&=a'), undefined],
];

for (const [sources, what, facts, value] of CASES) {
  test(`findKey with ${sources} finds ${what}`, () => assert.equal(keyOf(sources, facts), value));
}

test('findKey says which source gave the key', () => {
  const sources = sourcesOf('cookie:a,header:x-user,path');
  const found = findKey(sources, { url: '/', rawHeaders: RAW, clientIp: '' });
  assert.deepEqual(found, { source: { kind: 'header', name: 'x-user' }, value: 'ann' });
});

test('findKey finds no key where no source has a value', () => {
  const sources = sourcesOf('request-id,header:a,cookie:b,query:c,client-ip');
  assert.equal(
    findKey(sources, { url: '/?c=', rawHeaders: ['a', '', 'cookie', 'b='], clientIp: '' }),
    undefined,
  );
});

test('a raw and a percent-encoded UTF-8 value make the same key', () => {
  const bytes = (text: string) => Buffer.from(text).toString('latin1');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      const encoded = keyOf('query:a', { url: `/?a=${encodeURIComponent(text)}` });
      assert.equal(encoded, bytes(text));
    }),
  );
});

test('findKey takes any header and target without an error', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '=', ';', '%', '4', '&', '?', ' ', '"', '\xff') });
  fc.assert(
    fc.property(text, text, (cookie, url) => {
      const value = keyOf('cookie:a,query:a', { url, rawHeaders: ['Cookie', cookie] });
      assert.notEqual(value, '');
    }),
  );
});

test('hashKeyOf hashes the text for maglev and ring, whatever it is', () => {
  for (const value of ['', '7', '123456', 'user-1']) {
    assert.equal(hashKeyOf(value, 'maglev'), hashText(value));
    assert.equal(hashKeyOf(value, 'ring'), hashText(value));
  }
});

const NUMBERS: readonly (readonly [string, number])[] = [
  ['0', 0],
  ['132574', 132574],
  ['007', 7],
  ['4294967295', 4294967295],
  ['4294967296', 0],
  ['999999999999999', 999999999999999 % 2 ** 32],
];

for (const [value, expected] of NUMBERS) {
  test(`hashKeyOf takes ${value} for the request number in the classic ring`, () => {
    assert.equal(hashKeyOf(value, 'classic'), expected);
  });
}

for (const value of ['', '-1', '1.5', '1e3', ' 1', '0x10', '٣', '1234567890123456', 'user-1', '12\n']) {
  test(`hashKeyOf hashes ${JSON.stringify(value)} as text in the classic ring too`, () => {
    assert.equal(hashKeyOf(value, 'classic'), hashText(value));
  });
}

test('hashKeyOf is an unsigned 32-bit integer', () => {
  const value = fc.oneof(fc.string(), fc.nat().map(String));
  fc.assert(
    fc.property(value, fc.constantFrom(...ALGORITHMS), (text, algorithm) => {
      const hash = hashKeyOf(text, algorithm);
      assert.equal(hash, hash >>> 0);
    }),
  );
});

for (const [title, sources, rawHeaders, source, value] of [
  ['the first source that it has', 'header:x-user,path', ['X-User', '7'], 'header:x-user', '7'],
  ['the next where that is missing', 'header:x-user,path', [], 'path', '/x'],
  ['its id where it has none of them', 'header:x-user', [], 'request-id', 'made-1'],
  [
    'its key where it has one, with p2c as the last',
    'header:x-user,p2c',
    ['X-User', '7'],
    'header:x-user',
    '7',
  ],
  ['its load where it has no key, with p2c as the last', 'header:x-user,p2c', [], 'p2c', ''],
  ['its load where p2c is all there is', 'p2c', ['X-Request-Id', '7'], 'p2c', ''],
  [
    'the id that was settled on, where that alone is asked for',
    'request-id',
    ['X-Request-Id', 'a b'],
    'request-id',
    'made-1',
  ],
] as const) {
  test(`a request is placed by ${title}`, () => {
    const facts = { url: '/x', rawHeaders, clientIp: '' };
    const key = placementKey(sourcesOf(sources), facts, 'made-1');
    assert.deepEqual([formatSource(key.source), key.value], [source, value]);
  });
}

test("a client's request id is kept if printable and short", () => {
  assert.deepEqual(['a', 'x'.repeat(128), '', 'a b', 'x'.repeat(129), 'é'].map(isRequestId), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('p2c is refused anywhere but at the end of a list', () => {
  for (const text of ['p2c,path', 'p2c,p2c', 'path,p2c,uri'])
    assert.match((parseHashKey(text) as { problem: string }).problem, /p2c last/);
});
