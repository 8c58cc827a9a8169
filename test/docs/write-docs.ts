/** Writes the generated parts of the documentation, and generated files: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withBlock } from './docs-block.ts';
import { GENERATED_BLOCKS, GENERATED_FILES, readPage } from './generated.ts';

const write = (path: string, text: string): void =>
  writeFileSync(join(import.meta.dirname, '../..', path), text);
for (const { page, name, text } of GENERATED_BLOCKS) {
  write(page, withBlock(readPage(page), name, text()));
}
for (const { path, text } of GENERATED_FILES) write(path, text());
