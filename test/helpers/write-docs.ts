/** Writes the generated parts of the documentation: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GENERATED_BLOCKS, readPage } from '../docs/generated.ts';
import { withBlock } from './docs-block.ts';

for (const { page, name, text } of GENERATED_BLOCKS) {
  writeFileSync(join(import.meta.dirname, '../..', page), withBlock(readPage(page), name, text()));
}
