import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { optionMatches, sourceOf } from '../../../lib/admin/dashboard/panels/config-text.js';
import type { OptionView } from '../../../lib/api/types.ts';

const PORT: OptionView = {
  ...{ option: 'port', value: '8080', default: '5000' },
  ...{ source: 'file', from: 'ringlb.yaml:3', takes: 'start' },
};

describe('an option in the panel', () => {
  it('names where its value came from', () => {
    assert.equal(sourceOf(PORT), 'file ringlb.yaml:3');
    assert.equal(sourceOf({ ...PORT, source: 'flag', from: '--port' }), 'flag --port');
    assert.equal(sourceOf({ ...PORT, source: 'default', from: null }), 'default');
  });

  it('is found by name, value, source and what applies it', () => {
    for (const filter of ['port 80', 'ringlb.yaml', 'restart', ''])
      assert.equal(optionMatches(PORT, filter), true, filter);
    assert.equal(optionMatches(PORT, 'port reload'), false);
  });
});
