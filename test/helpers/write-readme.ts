/**
 * Writes the generated parts of README.md anew: `npm run readme`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { optionTable } from '../../lib/config/help.ts';
import { withBlock } from './readme-block.ts';

const readme = new URL('../../README.md', import.meta.url);
writeFileSync(readme, withBlock(readFileSync(readme, 'utf8'), 'options', optionTable()));
