import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type End, endingFrom } from '../../lib/drivers/ending.ts';

const end = (what: Partial<End>): End => ({
  code: null,
  signal: null,
  outOfMemory: false,
  stderr: '',
  stdout: '',
  ...what,
});

const ERROR = 'Error: boom\n';

describe('an ending', () => {
  /** What is known, and the kind, status, signal and text of it. */
  const table: readonly (readonly [string, Partial<End>, string, number | null, string | null, string])[] = [
    ['a plain exit', { code: 0 }, 'exit', 0, null, 'exit 0'],
    ['an exit status', { code: 3 }, 'exit', 3, null, 'exit 3'],
    ['what it wrote', { code: 3, stderr: ERROR }, 'exit', 3, null, 'exit 3: Error: boom'],
    ['what it wrote to stdout', { code: 3, stdout: ERROR }, 'exit', 3, null, 'exit 3: Error: boom'],
    ['no line of a good end', { code: 0, stderr: ERROR }, 'exit', 0, null, 'exit 0'],
    ['a signal', { signal: 'SIGTERM' }, 'signal', null, 'SIGTERM', 'SIGTERM'],
    [
      'no line of one that was killed',
      { signal: 'SIGKILL', stderr: ERROR },
      'signal',
      null,
      'SIGKILL',
      'SIGKILL',
    ],
    ['a signal as a shell reports it', { code: 137 }, 'signal', 137, 'SIGKILL', 'SIGKILL'],
    [
      'what it wrote before it aborted',
      { code: 134, stderr: ERROR },
      'signal',
      134,
      'SIGABRT',
      'SIGABRT: Error: boom',
    ],
    ['a status above every signal', { code: 255 }, 'exit', 255, null, 'exit 255'],
    ['a lack of memory', { code: 137, outOfMemory: true }, 'out-of-memory', 137, 'SIGKILL', 'out of memory'],
    [
      'a lack of memory that ended a worker of it',
      { code: 1, stderr: ERROR, outOfMemory: true },
      'exit',
      1,
      null,
      'exit 1: Error: boom (a process of it was killed: out of memory)',
    ],
  ];
  for (const [title, what, kind, code, signal, text] of table) {
    it(`tells ${title}`, () => {
      assert.deepEqual(endingFrom(end(what)), { kind, code, signal, text });
    });
  }
});
