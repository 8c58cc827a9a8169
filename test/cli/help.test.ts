/** Help in terminals of any width, and of the words that are not commands for a balancer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMMANDS, parseInvocation } from '../../lib/cli/invocation.ts';
import { KEYS, OPTIONS } from '../../lib/config/options.ts';

function helpOf(args: string, columns?: number): string {
  const invocation = parseInvocation(args.split(' '), {}, columns);
  assert.ok(invocation.kind === 'help');
  return invocation.text;
}

const words = (text: string) => text.split(/\s+/).sort();

describe('help', () => {
  for (const columns of [40, 60, 80])
    for (const args of ['help', ...COMMANDS.map(({ name }) => `help ${name}`), 'help completion'])
      it(`${args} fits a terminal of ${columns} columns, and is whole`, () => {
        const text = helpOf(args, columns);
        // a word alone, such as an address, may be longer
        const long = text.split('\n').filter((line) => line.length > columns && line.trim().includes(' '));
        assert.deepEqual(long, []);
        assert.deepEqual(words(text), words(helpOf(args)));
      });

  it('has every flag of serve in a line of its own, however narrow', () => {
    const lines = helpOf('help', 40).split('\n');
    for (const key of KEYS)
      assert.ok(
        lines.some((line) => line.split(' ')[2] === `--${OPTIONS[key].flag}`),
        key,
      );
  });

  it('in a wide terminal is as in a file', () => {
    assert.equal(helpOf('help', 200), helpOf('help'));
    assert.equal(helpOf('help add', 200), helpOf('help add'));
  });

  for (const [word, usage] of [
    ['completion', /source <\(ringlb completion bash\)\n\nUsage: ringlb completion bash\|zsh$/m],
    ['version', /^Usage: ringlb version$/m],
    ['help', /^Usage: ringlb help \[COMMAND\]$/m],
  ] as const)
    it(`of ${word} says what it is`, () => {
      assert.match(helpOf(`help ${word}`), usage);
      if (word !== 'help') assert.equal(helpOf(`${word} --help`), helpOf(`help ${word}`));
    });

  it('leaves a completion script as it is', () => {
    assert.equal(helpOf('completion bash', 40), helpOf('completion bash'));
  });
});
