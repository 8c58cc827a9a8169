/**
 * What is generated: which block of which page of the documentation, which files, and their text. `npm run docs` writes
 * them, and the tests compare them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deployReport, readDeployResults } from '../../bench/deploy/results.ts';
import { allFacts, comparisonTable, METHOD, shortTable } from '../../bench/proxy/docs-tables.ts';
import { readResults } from '../../bench/proxy/results.ts';
import { optionTable } from '../../lib/config/help.ts';
import { optionTypes } from '../helpers/option-types.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

export interface GeneratedBlock {
  /** Below the repository. */
  readonly page: string;
  readonly name: string;
  readonly text: () => string;
}

function benchmarkTable(): string {
  const results = readResults(join(REPOSITORY, 'bench/results'));
  return `${shortTable(results)}\n\n${METHOD}\n\n${allFacts(results)}`;
}

/** A line for each decision: its number, and its title as a link. */
function decisionList(): string {
  const names = readdirSync(join(REPOSITORY, 'docs/decisions')).filter((name) => /^\d{4}-.*\.md$/.test(name));
  const titleOf = (name: string) => /^# (.*)$/m.exec(readPage(`docs/decisions/${name}`))?.[1] ?? name;
  return names
    .toSorted()
    .map((name) => `- ${name.slice(0, 4)} [${titleOf(name)}](${name})`)
    .join('\n');
}

export const GENERATED_BLOCKS: readonly GeneratedBlock[] = [
  { page: 'docs/configuration.md', name: 'options', text: optionTable },
  { page: 'docs/benchmarks.md', name: 'bench:proxy', text: benchmarkTable },
  { page: 'docs/deploy.md', name: 'bench:deploy', text: () => deployReport(readDeployResults()) },
  { page: 'docs/decisions/README.md', name: 'decisions', text: decisionList },
  {
    page: 'README.md',
    name: 'bench:proxy',
    text: () => comparisonTable(readResults(join(REPOSITORY, 'bench/results'))),
  },
];

/** Files that are generated as a whole. */
export const GENERATED_FILES: readonly { readonly path: string; readonly text: () => string }[] = [
  { path: 'lib/api/balancer-options.ts', text: optionTypes },
];

/** The text of a page, named by its path below the repository. */
export function readPage(page: string): string {
  return readFileSync(join(REPOSITORY, page), 'utf8');
}
