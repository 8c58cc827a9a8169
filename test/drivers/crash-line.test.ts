import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crashLine } from '../../lib/drivers/crash-line.ts';
import { CRASH_REPORTS } from './crash-reports.ts';

describe('crashLine', () => {
  for (const { title, stderr = '', stdout = '', line } of CRASH_REPORTS) {
    it(`finds the reason in the output of ${title}`, () => {
      assert.equal(crashLine(stderr, stdout), line);
    });
  }

  it('limits its length', () => {
    assert.equal(crashLine('x'.repeat(2000), '').length, 201);
  });
});
