import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { load, problemsOf } from '../helpers/options.ts';

describe('--admin-token-file', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringlb-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const file = (text: string): string => {
    const path = join(folder, 'token');
    writeFileSync(path, text);
    return path;
  };

  for (const text of ['correct-horse', 'correct-horse\n', 'correct-horse\r\n']) {
    it(`holds the token: ${JSON.stringify(text)}`, () => {
      assert.equal(load(`--admin-token-file ${file(text)}`).adminToken, 'correct-horse');
      assert.equal(load('', { LB_ADMIN_TOKEN_FILE: file(text) }).adminToken, 'correct-horse');
    });
  }

  for (const [title, text, problem] of [
    ['nothing', '', /must name a file that holds the token; ".*token" is blank$/],
    ['an empty line', '\n', /is blank$/],
    ['blanks', '  \t\n', /is blank$/],
    ['a short token', 'short\n', /must name a file with one token, which must have 8 characters or more$/],
    ['two lines', 'correct-horse\nbattery\n', /which must be letters, digits and/],
    ['a blank at the end', 'correct-horse ', /which must be letters, digits and/],
    ['bytes', '\u0000'.repeat(5000), /which must be letters, digits and/],
  ] as const) {
    it(`is refused with ${title} in it, without showing it`, () => {
      const [found, ...more] = problemsOf(`--admin-token-file ${file(text)}`);
      assert.match(found ?? '', problem);
      assert.match(found ?? '', /^--admin-token-file /);
      assert.ok(!found?.includes('short') && !found?.includes('horse'));
      assert.deepEqual(more, []);
    });
  }

  it('is refused where it is missing, or a folder', () => {
    const missing = join(folder, 'missing');
    assert.deepEqual(problemsOf('', { LB_ADMIN_TOKEN_FILE: missing }), [
      `LB_ADMIN_TOKEN_FILE cannot be read: ENOENT at "${missing}"`,
    ]);
    assert.deepEqual(problemsOf(`--admin-token-file ${folder}`), [
      `--admin-token-file cannot be read: EISDIR at "${folder}"`,
    ]);
  });

  it('conflicts with --admin-token, wherever each is given', () => {
    const path = file('correct-horse');
    assert.deepEqual(problemsOf(`--admin-token-file ${path}`, { LB_ADMIN_TOKEN: 'correct-horse' }), [
      'LB_ADMIN_TOKEN and --admin-token-file are both given; give one',
    ]);
  });

  it('allows an admin port wider than loopback', () => {
    assert.equal(
      load(`--admin-host 0.0.0.0 --admin-token-file ${file('correct-horse')}`).adminToken,
      'correct-horse',
    );
  });
});
