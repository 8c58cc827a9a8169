import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fillTemplates, hasTemplate, specForPlace } from '../../lib/core/replica-spec.ts';
import { specWith } from '../helpers/replica-spec.ts';

const PLACE = { name: 'S2', id: 7 };

describe('a template', () => {
  for (const [text, filled] of [
    ['{name}-{index}:{port}', 'S2-7:5000'],
    ['{{name}} {name}', '{name} S2'],
    ['{{name} {name}}', '{S2 S2}'],
    ['{other} {} {"name":1}', '{other} {} {"name":1}'],
  ] as const) {
    it(`turns ${text} into ${filled}`, () => {
      assert.equal(fillTemplates(text, PLACE, 5000), filled);
    });
  }

  it('is known to be in a text', () => {
    assert.ok(hasTemplate('data-{name}'));
    assert.ok(!hasTemplate('data-{other}'));
  });
});

it('a spec without a template is the same for every replica', () => {
  const spec = specWith({ env: [['A', '1']], volumes: [{ source: 'a', target: '/a', isReadOnly: true }] });
  assert.deepEqual(specForPlace(spec, PLACE, 5000), spec);
});
