/** The completion scripts, in the shells that they are for. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { parseInvocation } from '../../lib/cli/invocation.ts';
import { skipUnless } from '../helpers/skip.ts';

const SHELLS = {
  bash: { args: ['--norc', '-c'], prepare: '' },
  // bashcompinit gives the function arrays as bash has them
  zsh: { args: ['-f', '-c'], prepare: 'setopt ksharrays shwordsplit' },
} as const;

for (const [shell, { args, prepare }] of Object.entries(SHELLS)) {
  const skip = skipUnless(spawnSync(shell, ['-c', 'true']).status === 0, `no ${shell}`);

  describe(`the completion for ${shell}`, { skip }, () => {
    /** What is offered for the last of these words. */
    function offered(...words: readonly string[]): readonly string[] {
      const invocation = parseInvocation(['completion', shell], {});
      assert.ok(invocation.kind === 'help');
      const list = words.map((word) => `'${word}'`).join(' ');
      const script = `${invocation.text}\n${prepare}\nCOMP_WORDS=(ringlb ${list})\nCOMP_CWORD=${words.length}\n_ringlb\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
      const { status, stdout, stderr } = spawnSync(shell, [...args, script], { encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, '']);
      return stdout.split('\n').filter(Boolean).sort();
    }

    it('offers commands', () => {
      assert.deepEqual(offered('st'), ['status']);
      assert.deepEqual(offered('help', 'dr'), ['drain']);
      assert.deepEqual(offered('completion', ''), ['bash', 'zsh']);
    });

    it('offers the options of a command, and those of serve', () => {
      assert.deepEqual(offered('status', '--w'), ['--watch']);
      assert.deepEqual(offered('rm', '--dry-run', '--js'), ['--json']);
      assert.deepEqual(offered('--probe-ti'), ['--probe-timeout']);
      assert.deepEqual(offered('serve', '--admin-p'), ['--admin-port']);
    });
  });
}
