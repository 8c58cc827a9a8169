import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tellingLine } from '../../lib/drivers/crash-line.ts';
import { CRASH_REPORTS } from './crash-reports.ts';

describe('the line that says why a program ended', () => {
  for (const { title, stderr = '', stdout = '', line } of CRASH_REPORTS) {
    it(`is found in the output of ${title}`, () => {
      assert.equal(tellingLine(stderr, stdout), line);
    });
  }

  it('is bounded in length', () => {
    assert.equal(tellingLine('x'.repeat(2000), '').length, 201);
  });
});
