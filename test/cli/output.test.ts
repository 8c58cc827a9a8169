import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { counted, cut, duration, percent, printable, table, wrapped } from '../../lib/cli/output.ts';

describe('table', () => {
  const rows = [
    { name: 'S1', count: 5, why: '' },
    { name: 'web_a', count: 1200, why: 'busy' },
  ];
  const name = { title: 'NAME', cell: (row: (typeof rows)[number]) => row.name };
  const count = {
    title: 'N',
    align: 'right',
    cell: (row: (typeof rows)[number]) => String(row.count),
  } as const;

  it('aligns columns under their titles, numbers to the right', () => {
    const why = { title: 'WHY', cell: (row: (typeof rows)[number]) => row.why };
    assert.deepEqual(table([name, count, why], rows), [
      'NAME      N  WHY',
      'S1        5',
      'web_a  1200  busy',
    ]);
  });

  it('omits an empty column', () => {
    assert.deepEqual(table([name, { title: 'WHY', cell: () => '' }], rows), ['NAME', 'S1', 'web_a']);
  });

  it('omits columns and cuts one as far as narrow terminals need', () => {
    const why = { title: 'WHY', cell: () => 'a long reason for it', isFlexible: true };
    const all = [name, { ...count, drop: 1 }, why];
    assert.deepEqual(table(all, rows, 33), [
      'NAME      N  WHY',
      'S1        5  a long reason for it',
      'web_a  1200  a long reason for it',
    ]);
    assert.deepEqual(table(all, rows, 27).at(-1), 'web_a  1200  a long reason…');
    assert.deepEqual(table(all, rows, 20).at(-1), 'web_a  a long reaso…');
    assert.deepEqual(table(all, rows, 4).at(-1), 'web…');
  });

  it('ignores colours in the width', () => {
    const red = { title: 'NAME', cell: (row: (typeof rows)[number]) => `\u001b[31m${row.name}\u001b[39m` };
    assert.deepEqual(table([red, count], rows), [
      'NAME      N',
      '\u001b[31mS1\u001b[39m        5',
      '\u001b[31mweb_a\u001b[39m  1200',
    ]);
  });
});

describe('duration', () => {
  for (const [ms, text] of [
    [0, '0ms'],
    [849.6, '850ms'],
    [1000, '1s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [184_000, '3m 4s'],
    [7_500_000, '2h 5m'],
    [273_600_000, '3d 4h'],
  ] as const) {
    it(`is ${text} for ${ms}`, () => assert.equal(duration(ms), text));
  }
});

describe('output', () => {
  it('shows shares with one decimal, and plural nouns', () => {
    assert.deepEqual([1 / 3, 0, 0.0005, 0.0004].map(percent), ['33.3 %', '0.0 %', '0.1 %', '<0.1 %']);
    assert.deepEqual([counted(1, 'request'), counted(0, 'request')], ['1 request', '0 requests']);
  });

  it('is cut without losing the end of a colour', () => {
    assert.equal(cut('\u001b[31mabcdef\u001b[39m', 4), '\u001b[31mabc\u001b[39m…');
    assert.equal(cut('abc', 3), 'abc');
  });

  it('wraps prose between words', () => {
    assert.deepEqual(wrapped('one two three four', 9), ['one two', 'three', 'four']);
  });

  it('contains no mark that turns untrusted text around', () => {
    assert.equal(printable('a\u202eb\u2066c'), 'a\ufffdb\ufffdc');
  });

  it('contains no control character of untrusted text', () => {
    assert.equal(printable('a\u001b[2Jb\nc\u009bd'), 'a\ufffd[2Jb\ufffdc\ufffdd');
  });
});
