/** The version of the program. */
import { readFileSync } from 'node:fs';

/** From package.json, above the sources or above the compiled tree. */
export function programVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        version: string;
      };
      return version;
    } catch {
      // try the next one
    }
  }
  return 'of unknown version';
}
