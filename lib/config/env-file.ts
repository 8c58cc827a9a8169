/**
 * Environment variables from files, in the format of `docker run --env-file`: a `NAME=VALUE` or `NAME` in each line,
 * comments behind `#` at the beginning of a line, values taken literally. Contents are never repeated in a message.
 */
import { readFileSync } from 'node:fs';
import { errnoOf, messageOf } from '../platform/errors.ts';
import { parseVariable, type Variable } from './parsers/spec-parsers.ts';
import type { ParseResult } from './parsers/value-parsers.ts';
import { quote } from './suggest.ts';

/** The variables of the file in order, or the problem, phrased to follow the option's name. */
export function readEnvFile(path: string): ParseResult<readonly Variable[]> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { problem: `cannot be read: ${errnoOf(error) || messageOf(error)} at ${quote(path)}` };
  }
  const variables: Variable[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const parsed = parseVariable(line.trimStart());
    if ('problem' in parsed) {
      // a file that a shell is to read looks like this
      const problem = /^\s*export\s/.test(line)
        ? 'must be NAME=VALUE without export, the value without quotes'
        : parsed.problem;
      return { problem: `${quote(path)} line ${index + 1} ${problem}` };
    }
    variables.push(parsed.value);
  }
  return { value: variables };
}
