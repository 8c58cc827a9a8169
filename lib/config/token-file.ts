/**
 * The admin token out of a file, so that it stands in no command line and no environment.
 * Must not hold: what a token may be (`value-parsers.ts`), what it opens.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, messageOf } from '../platform/errors.ts';
import { quote } from './suggest.ts';
import { type Read, token } from './value-parsers.ts';

/** More than any token; a larger file is something else, and a device may never end. */
const MAX_BYTES = 4096;

/** The file's one line, without the line's end; or what is wrong, as the end of a sentence about the option. */
export function readTokenFile(path: string): Read<string> {
  const shown = quote(path);
  let text: string;
  try {
    text = firstBytes(path);
  } catch (error) {
    return { problem: `cannot be read: ${errnoOf(error) || messageOf(error)} at ${shown}` };
  }
  const line = text.replace(/\r?\n$/, '');
  if (line.trim() === '') return { problem: `must name a file that holds the token; ${shown} is blank` };
  const read = token.read(line);
  return 'value' in read ? read : { problem: `must name a file with one token, which ${read.problem}` };
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
