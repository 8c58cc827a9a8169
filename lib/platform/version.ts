/** The version of the program. Must not hold: what it is for. */
import { readFileSync } from 'node:fs';

/** From package.json, which lies above the sources and above the compiled tree alike. */
export function programVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        version: string;
      };
      return version;
    } catch {
      // the other one, then
    }
  }
  return 'of unknown version';
}
