import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { helpText, optionTable } from '../../lib/config/help.ts';
import { environmentName, KEYS, OPTIONS, type Option } from '../../lib/config/options.ts';
import { blockOf } from '../docs/docs-block.ts';

describe('the option table', () => {
  for (const key of KEYS) {
    const option: Option<unknown> = OPTIONS[key];
    it(`has a default for ${option.flag} that its own parser accepts`, () => {
      assert.ok('value' in option.read(option.default));
    });
  }

  it('gives every option a flag of its own', () => {
    assert.equal(new Set(KEYS.map((key) => OPTIONS[key].flag)).size, KEYS.length);
  });

  it('derives the environment variable from the flag', () => {
    assert.equal(environmentName('probe-interval'), 'LB_PROBE_INTERVAL');
  });
});

describe('the help', () => {
  it('fits 100 columns', () => {
    const tooLong = helpText()
      .split('\n')
      .filter((line) => line.length > 100);
    assert.deepEqual(tooLong, []);
  });

  it('lists every flag, variable and default', () => {
    const text = helpText();
    for (const key of KEYS) {
      const { flag, default: standard } = OPTIONS[key];
      assert.ok(text.includes(`  --${flag} `), flag);
      assert.ok(text.includes(`  ${environmentName(flag)} `), flag);
      if (standard !== '') assert.ok(text.includes(`default ${standard})`), flag);
    }
  });
});

describe('docs/configuration.md', () => {
  it('holds the table of options (npm run docs writes it)', () => {
    const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    assert.equal(blockOf(page, 'options'), optionTable());
  });
});
