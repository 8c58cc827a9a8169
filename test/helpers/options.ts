/** Loading options as a test writes them: one line of words. Must not hold: what any option means. */
import assert from 'node:assert/strict';
import { cut } from '../../lib/command-line.ts';
import { type Config, ConfigError, type Environment, loadFlags } from '../../lib/config.ts';

const words = (line: string): readonly string[] => line.split(' ').filter(Boolean);

export function load(line: string, environment: Environment = {}): Config {
  const { flags, words: extra } = cut(words(line));
  assert.deepEqual(extra, [], 'every word belongs to an option');
  return loadFlags(flags, environment, []);
}

/** What is wrong with the options; nothing where they load. */
export function problemsOf(line: string, environment: Environment = {}): readonly string[] {
  try {
    load(line, environment);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
}
