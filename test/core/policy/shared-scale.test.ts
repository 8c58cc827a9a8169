import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ScaleSettings } from '../../../lib/core/policy/autoscale.ts';
import {
  agreedSettings,
  changed,
  merged,
  parseReport,
  type ScaleAgreement,
} from '../../../lib/core/policy/shared-scale.ts';

const AGREEMENT = {
  min: { value: 1, version: 3, by: 'a' },
  isPaused: { value: false, version: 1, by: 'b' },
  size: { value: 4, version: 2, by: 'a' },
};
const REPORT = { isScaling: true, load: 1.5, isPressed: false, isBusy: true, agreement: AGREEMENT };

test('a report is read from its own JSON', () => {
  for (const report of [
    REPORT,
    { ...REPORT, agreement: {} },
    { ...REPORT, agreement: { size: { ...AGREEMENT.size, value: null } } },
  ])
    assert.deepEqual(parseReport(JSON.parse(JSON.stringify(report))), report);
});

test('anything else than a report is none', () => {
  const bad = [
    undefined,
    null,
    7,
    {},
    { ...REPORT, load: -1 },
    { ...REPORT, load: 'many' },
    { ...REPORT, isBusy: 1 },
    { ...REPORT, agreement: undefined },
    { ...REPORT, agreement: null },
    { ...REPORT, agreement: { min: 3 } },
    { ...REPORT, agreement: { min: { ...AGREEMENT.min, version: 1.5 } } },
    { ...REPORT, agreement: { min: { ...AGREEMENT.min, by: 7 } } },
    { ...REPORT, agreement: { min: { ...AGREEMENT.min, value: null } } },
    { ...REPORT, agreement: { isPaused: { ...AGREEMENT.isPaused, value: 1 } } },
    { ...REPORT, agreement: { size: { ...AGREEMENT.size, value: '4' } } },
  ];
  for (const value of bad) assert.equal(parseReport(value), undefined, JSON.stringify(value));
});

/** One balancer makes one change with one version, so the value follows from both. */
const anyChange = fc
  .record({ version: fc.integer({ min: 1, max: 3 }), by: fc.constantFrom('a', 'b', 'c') })
  .map(({ version, by }) => ({ version, by, value: version * 10 + by.charCodeAt(0) }));
const anyAgreement = fc.record(
  { min: anyChange, max: anyChange, size: anyChange },
  { requiredKeys: [], noNullPrototype: true },
) as fc.Arbitrary<ScaleAgreement>;

test('balancers agree whichever order they read changes in', () => {
  fc.assert(
    fc.property(anyAgreement, anyAgreement, anyAgreement, (one, two, three) => {
      const all = merged(merged(one, two), three);
      assert.deepEqual(merged(two, merged(three, one)), all);
      assert.equal(merged(all, one), all);
    }),
  );
});

test('a change beats every change that its balancer knew', () => {
  const one = changed({}, { max: 5 }, 'a');
  const two = changed(one, { max: 6 }, 'b');
  assert.equal(merged(one, two).max?.value, 6);
});

test('settings changed apart hold together', () => {
  const both = merged(changed({}, { min: 2 }, 'a'), changed({}, { target: 9 }, 'b'));
  assert.deepEqual([both.min?.value, both.target?.value], [2, 9]);
});

const SETTINGS: ScaleSettings = {
  min: 2,
  max: 6,
  target: 4,
  upWindowMs: 6000,
  windowMs: 60_000,
  downWindowMs: 300_000,
  downStep: 1,
  idleMs: 0,
  isPaused: false,
};

test('of two bounds that cross the one changed earlier gives way', () => {
  const min = changed({}, { min: 5 }, 'b');
  const max = changed({}, { max: 3 }, 'a');
  const boundsOf = (agreement: ScaleAgreement) => {
    const settings = agreedSettings(SETTINGS, agreement);
    return [settings.min, settings.max];
  };
  assert.deepEqual(boundsOf(merged(min, max)), [3, 3]);
  assert.deepEqual(boundsOf(merged(max, changed(max, { min: 5 }, 'b'))), [5, 5]);
});
