import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isNewer, parseReport, type ScaleAgreement } from '../../../lib/core/policy/shared-scale.ts';

const AGREEMENT = {
  version: 3,
  by: 'a',
  min: 1,
  max: 9,
  target: 8,
  isPaused: false,
  size: { n: 4, version: 2 },
};
const REPORT = { isScaling: true, load: 1.5, isPressed: false, isBusy: true, agreement: AGREEMENT };

test('a report is read from its own JSON', () => {
  for (const report of [
    REPORT,
    { ...REPORT, agreement: null },
    { ...REPORT, agreement: { ...AGREEMENT, size: null } },
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
    { ...REPORT, agreement: { ...AGREEMENT, version: 1.5 } },
    { ...REPORT, agreement: { ...AGREEMENT, by: 7 } },
    { ...REPORT, agreement: { ...AGREEMENT, size: { n: '4' } } },
  ];
  for (const value of bad) assert.equal(parseReport(value), undefined, JSON.stringify(value));
});

const anyAgreement = fc.option(
  fc
    .record({ version: fc.integer({ min: 1, max: 3 }), by: fc.constantFrom('a', 'b', 'c') })
    .map((some): ScaleAgreement => ({ ...AGREEMENT, ...some })),
);

test('of two agreements the same one counts on either balancer', () => {
  fc.assert(
    fc.property(anyAgreement, anyAgreement, (one, other) => {
      const isSame = one?.version === other?.version && one?.by === other?.by;
      assert.equal(isNewer(one, other) || isNewer(other, one), !isSame);
      assert.ok(!(isNewer(one, other) && isNewer(other, one)));
    }),
  );
});
