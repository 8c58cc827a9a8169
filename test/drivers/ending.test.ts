import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type End, endingOf } from '../../lib/drivers/ending.ts';

const end = (what: Partial<End>): End => ({
  code: null,
  signal: null,
  outOfMemory: false,
  stderr: '',
  ...what,
});

describe('an ending in words', () => {
  const table: readonly (readonly [string, Partial<End>, string])[] = [
    ['a plain exit', { code: 0 }, 'exit 0'],
    ['an exit status', { code: 3 }, 'exit 3'],
    ['a signal', { signal: 'SIGTERM' }, 'SIGTERM'],
    ['a signal as a shell reports it', { code: 137 }, 'SIGKILL'],
    ['a status above every signal', { code: 255 }, 'exit 255'],
    ['a lack of memory, whatever else is known', { code: 137, outOfMemory: true }, 'out of memory'],
    [
      'the last line of a shell',
      { code: 127, stderr: 'sh: 1: foo: not found\n' },
      'exit 127: sh: 1: foo: not found',
    ],
    ['the last line where none names an error', { code: 1, stderr: 'one\ntwo\n\n' }, 'exit 1: two'],
    ['no line of a good end', { code: 0, stderr: 'Error: ignored\n' }, 'exit 0'],
    [
      'no control characters',
      { code: 1, stderr: 'Error: \u001b[31mred\u0000\t!\n' },
      'exit 1: Error: [31mred !',
    ],
  ];
  for (const [title, what, words] of table) {
    it(`tells ${title}`, () => {
      assert.equal(endingOf(end(what)), words);
    });
  }

  it('finds the error in what node writes when it crashes', () => {
    const stderr = [
      'node:internal/modules/run_main:107',
      '    triggerUncaughtException(',
      '    ^',
      "Error: Cannot find module '/x.js'",
      '    at Module._resolveFilename (node:internal/modules/cjs/loader:1475:15)',
      '    at async failed (node:internal/x:1:2)',
      '',
      'Node.js v26.10.0',
    ].join('\n');
    assert.equal(endingOf(end({ code: 1, stderr })), "exit 1: Error: Cannot find module '/x.js'");
  });

  it('is bounded in length', () => {
    assert.equal(endingOf(end({ code: 1, stderr: 'x'.repeat(2000) })).length, 'exit 1: '.length + 201);
  });
});
