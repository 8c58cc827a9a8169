/** Text of many scripts in a terminal: what it takes, where it is cut and where it is wrapped. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cut, padded, table, widthOf, wrapped } from '../../../lib/cli/output.ts';

describe('the width of text', () => {
  for (const [text, width] of [
    ['', 0],
    ['abc', 3],
    ['\u001b[31mred\u001b[39m', 3],
    ['é', 1],
    ['e\u0301\u0301', 1],
    ['設定', 4],
    ['カナ', 4],
    ['\uff76\uff85', 2],
    ['한글', 4],
    ['ｆｕｌｌ', 8],
    ['🚀', 2],
    ['→ × …', 5],
    ['𠮷', 2],
  ] as const)
    it(`is ${width} for ${JSON.stringify(text)}`, () => assert.equal(widthOf(text), width));
});

describe('wide text', () => {
  it('is cut before the character that does not fit', () => {
    assert.equal(cut('設定ファイル', 6), '設定…');
    assert.equal(cut('a設定', 4), 'a設…');
    assert.equal(cut('e\u0301e\u0301e\u0301', 2), 'e\u0301…');
    assert.equal(cut('abc', 0), '');
  });

  it('is padded to columns', () => assert.equal(padded('設', 4), '設  '));

  it('is wrapped where it has no blanks', () => {
    assert.deepEqual(wrapped('in 設定ファイル', 6), ['in', '設定フ', 'ァイル']);
    assert.deepEqual(wrapped('a-word-that-is-long', 8), ['a-word-t', 'hat-is-l', 'ong']);
  });
});

describe('columns of a narrow terminal', () => {
  const rows = [{ name: 'a-name-of-a-replica-that-is-very-long', why: 'a reason that is as long as that' }];
  const name = { title: 'NAME', cell: (row: (typeof rows)[number]) => row.name, least: 8 };
  const why = { title: 'WHY', cell: (row: (typeof rows)[number]) => row.why, isFlexible: true };
  const state = { title: 'STATE', cell: () => 'healthy', drop: 1 };

  it('are cut, the widest first, before one is left out', () => {
    assert.deepEqual(table([name, state, why], rows, 60), [
      'NAME                      STATE    WHY',
      'a-name-of-a-replica-tha…  healthy  a reason that is as long…',
    ]);
  });

  it('are left out where even the least of the others does not fit', () => {
    assert.deepEqual(table([name, state, why], rows, 24), ['NAME        WHY', 'a-name-of…  a reason th…']);
  });
});
