import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  breakBefore,
  lineMatches,
  titleOf,
  withoutEscapes,
} from '../../../lib/admin/dashboard/panels/log-text.js';
import type { LogLine } from '../../../lib/api/types.ts';

const line = (differs: Partial<LogLine> = {}): LogLine => ({
  ...{ id: 'a-1', time: '2026-11-26T20:00:00Z', replica: 'S1', instance: '4711' },
  ...{ stream: 'stdout', text: 'GET /home 200', missed: 0 },
  ...differs,
});

describe('the log panel', () => {
  it('leaves out commands to a terminal', () => {
    assert.equal(withoutEscapes('\x1b[1;31mERROR\x1b[0m at\x1b]0;title\x07 start\x1b(B'), 'ERROR at start');
    assert.equal(withoutEscapes('[31m is text'), '[31m is text');
  });

  it('tells where another instance begins, and what is missing', () => {
    assert.equal(breakBefore(line(), undefined), '');
    assert.equal(breakBefore(line(), '4711'), '');
    assert.equal(breakBefore(line({ instance: 'c0ffee0123456789' }), '4711'), 'instance c0ffee012345');
    assert.equal(breakBefore(line({ missed: 1 }), '4711'), '1 line came too fast to be shown');
  });

  it('finds lines that have every word of a filter', () => {
    assert.equal(lineMatches(line(), 'home s1'), true);
    assert.equal(lineMatches(line(), 'home s2'), false);
    assert.equal(lineMatches(line(), ''), true);
  });

  it('is titled by replica and instance', () => {
    assert.equal(titleOf('', ''), 'Logs of all replicas');
    assert.equal(titleOf('S1', ''), 'Log of S1');
    assert.equal(titleOf('S1', 'c0ffee0123456789'), 'Log of S1, instance c0ffee012345');
  });
});
