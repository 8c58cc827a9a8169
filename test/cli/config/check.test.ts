import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConfigError } from '../../../lib/config/config.ts';
import { runCommand } from '../../helpers/cli/cli.ts';

describe('ringlb check', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringlb-check-'));
    file = join(folder, 'ringlb.yaml');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('shows what a valid file means', async () => {
    writeFileSync(file, 'port: 8080\nrise: 4\n');
    const { lines, exitStatus } = await runCommand(1, ['check', file], {
      environment: { LB_ADMIN_PORT: '' },
    });
    assert.equal(exitStatus, 0);
    assert.match(lines[0]!, /is valid: 2 options given; \d+ others by default$/);
    assert.deepEqual(
      lines.slice(2).map((line) => line.replace(file, 'F').split(/ {2,}/)),
      [
        ['OPTION', 'VALUE', 'FROM', 'TAKEN BY'],
        ['port', '8080', 'F:1:7', 'start'],
        ['rise', '4', 'F:2:7', 'reload'],
      ],
    );
  });

  it('fails with every problem of a wrong file', async () => {
    writeFileSync(file, 'prot: 8080\nrise: many\n');
    await assert.rejects(runCommand(1, ['check', file]), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(
        error.problems.map((problem) => problem.replace(file, 'F').split(': ')[0]),
        ['F:1:1', 'F:2:7'],
      );
      return true;
    });
  });

  it('speaks of a file that cannot be read as the operand that it is', async () => {
    for (const name of [join(folder, 'nowhere.yaml'), ''])
      await assert.rejects(runCommand(1, ['check', name]), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /^FILE (cannot be read|must not be empty)/);
        return true;
      });
  });

  for (const [title, args, note] of [
    ['no file', [], /^say which file$/],
    ['two files', ['a', 'b'], /^check takes one file$/],
  ] as const) {
    it(`refuses ${title}`, async () => {
      const { notes, exitStatus } = await runCommand(1, ['check', ...args]);
      assert.equal(exitStatus, 2);
      assert.match(notes[0]!, note);
    });
  }

  it('has no options that locate a balancer', async () => {
    const { notes } = await runCommand(1, ['check', 'f', '--url', 'http://x']);
    assert.match(notes[0]!, /^--url is not an option of check/);
  });
});
