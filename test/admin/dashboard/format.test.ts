import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as format from '../../../lib/admin/dashboard/view/format.js';

/** The narrow space before a unit, as one that can be read. */
const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('a number on the page', () => {
  for (const [value, text] of [
    [null, '–'],
    [0, '0'],
    [0.04, '<0.1'],
    [0.1, '0.1'],
    [12.34, '12.3'],
    [99.94, '99.9'],
    [99.96, '100'],
    [1234.5, '1,235'],
  ] as const) {
    it(`is ${text} for ${value} a second`, () => assert.equal(format.rate(value), text));
  }

  for (const [ms, text] of [
    [null, '–'],
    [0.42, '0.42 ms'],
    [9.994, '9.99 ms'],
    [9.996, '10.0 ms'],
    [99.96, '100 ms'],
    [1234, '1,234 ms'],
    [9994, '9,994 ms'],
    [30_000, '30.0 s'],
  ] as const) {
    it(`is ${text} for a latency of ${ms} ms`, () => assert.equal(plain(format.latency(ms)), text));
  }

  for (const [ms, text] of [
    [0, '0 ms'],
    [0.5, '0.5 ms'],
    [800, '800 ms'],
    [1500, '1.5 s'],
    [40_000, '40 s'],
  ] as const) {
    it(`is ${text} for ${ms} ms at an axis`, () => assert.equal(plain(format.axisTime(ms)), text));
  }

  for (const [share, text] of [
    [0, '0.0 %'],
    [0.0001, '<0.1 %'],
    [1 / 3, '33.3 %'],
    [1, '100.0 %'],
  ] as const) {
    it(`is ${text} for a share of ${share}`, () => assert.equal(plain(format.percent(share)), text));
  }
});

describe('text from elsewhere', () => {
  for (const [text, shown] of [
    ['abc\u202edef', 'abc\\u202edef'],
    ['\u2066x\u2069', '\\u2066x\\u2069'],
    ['a\u0007\u200bb', 'a\\u0007\\u200bb'],
    ['שלום, naïve', 'שלום, naïve'],
  ] as const) {
    it(`is shown as ${shown}`, () => assert.equal(format.visible(text), shown));
  }
});

describe('a time on the page', () => {
  for (const [ms, text] of [
    [-5, '0 s'],
    [999, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 m 0 s'],
    [3_723_000, '1 h 2 m'],
    [90_000_000, '1 d 1 h'],
  ] as const) {
    it(`is ${text} for ${ms} ms`, () => assert.equal(plain(format.duration(ms)), text));
  }

  for (const [ms, text] of [
    [null, '–'],
    [183.4, '183 ms'],
    [4100, '4.1 s'],
    [61_000, '1 m 1 s'],
  ] as const) {
    it(`is ${text} for a change that took ${ms} ms`, () => assert.equal(plain(format.took(ms)), text));
  }

  it('has its day where that is not today', () => {
    const at = new Date(2026, 10, 20, 9, 5, 7).getTime();
    assert.equal(format.moment(at, at + 1000), '09:05:07');
    assert.equal(format.moment(at, at + 86_400_000), '20 Nov 09:05:07');
  });

  it('counts one thing and several', () => {
    assert.equal(format.plural(1, 'replica'), '1 replica');
    assert.equal(format.plural(2, 'replica'), '2 replicas');
  });
});
