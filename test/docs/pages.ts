/** The pages of the documentation, as paths below the repository. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const REPOSITORY = join(import.meta.dirname, '../..');

/** Every Markdown file that is written for readers: the root's, `docs/` and the map of `lib/`. */
export function pages(): readonly string[] {
  const markdown = (folder: string) =>
    readdirSync(join(REPOSITORY, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  return [...markdown('.'), ...markdown('docs'), ...markdown('docs/decisions'), 'lib/README.md'];
}
