/** Reads a secret from a file, so that it appears in no command line and no environment. */
import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, messageOf } from '../platform/errors.ts';
import type { ParseResult, ValueParser } from './parsers/value-parsers.ts';
import { quote } from './suggest.ts';

/** More than any secret; bounds the read of a device, which may never end. */
const MAX_BYTES = 4096;

/** The file's one line without its line end, as `kind` reads it; or the problem, phrased to follow the option's name. */
export function readSecretFile(path: string, kind: ValueParser<string>): ParseResult<string> {
  const shown = quote(path);
  let text: string;
  try {
    text = firstBytes(path);
  } catch (error) {
    return { problem: `cannot be read: ${errnoOf(error) || messageOf(error)} at ${shown}` };
  }
  const line = text.replace(/\r?\n$/, '');
  if (line.trim() === '')
    return { problem: `must name a file that holds the ${kind.unit}; ${shown} is blank` };
  const read = kind.read(line);
  return 'value' in read
    ? read
    : { problem: `must name a file with one ${kind.unit}, which ${read.problem}` };
}

function firstBytes(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(MAX_BYTES);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, MAX_BYTES, null));
  } finally {
    closeSync(file);
  }
}
