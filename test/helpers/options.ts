/** Loading options as a test writes them: one line of words. Must not hold: what any option means. */
import assert from 'node:assert/strict';
import { type Config, ConfigError, type Environment, loadSettings } from '../../lib/config/config.ts';
import { splitCommandLine } from '../../lib/config/flags.ts';

/** One line of words, or the words where some have blanks in them. */
type Line = string | readonly string[];
const words = (line: Line): readonly string[] =>
  typeof line === 'string' ? line.split(' ').filter(Boolean) : line;

export function load(line: Line, environment: Environment = {}): Config {
  const { flags, words: extra } = splitCommandLine(words(line));
  assert.deepEqual(extra, [], 'every word belongs to an option');
  return loadSettings(flags, environment, []).config;
}

/** What is wrong with the options; nothing where they load. */
export function problemsOf(line: Line, environment: Environment = {}): readonly string[] {
  try {
    load(line, environment);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
}
