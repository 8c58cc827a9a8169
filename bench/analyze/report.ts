/**
 * Writes the report: `report.html`, `report.md`, `results.json`, and each figure as SVG with its data as CSV. What an
 * earlier run left is deleted first, so that no figure stands beside a report that it does not belong to.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { csvOf } from './figure-data.ts';
import { layoutOf } from './numbering.ts';
import { htmlReport } from './report-html.ts';
import { markdownReport } from './report-markdown.ts';
import { circumstances, type Facts, type Results, sectionsOf } from './study.ts';

const OURS = /^(report\.(html|md)|results\.json|a\d-[a-z]+\.(svg|csv))$/;

/** JSON knows no NaN (a bucket without requests) and would write null, which is what it means. */
function toJson(facts: Facts, results: Results): string {
  return `${JSON.stringify({ ...facts, results }, null, 1)}\n`;
}

/** Writes all files into `dir`; gives the names of those that a reader opens. */
export function writeReport(dir: string, facts: Facts, results: Results): readonly string[] {
  const sections = sectionsOf(results);
  const about = circumstances(facts);
  mkdirSync(dir, { recursive: true });
  for (const name of readdirSync(dir)) if (OURS.test(name)) rmSync(join(dir, name));
  for (const part of sections.flatMap(({ parts }) => parts))
    if (part.kind === 'chart') {
      writeFileSync(join(dir, `${part.name}.svg`), `${part.svg}\n`);
      writeFileSync(join(dir, `${part.name}.csv`), csvOf(part.data));
    }
  const layout = layoutOf(sections, facts);
  writeFileSync(join(dir, 'report.md'), markdownReport(layout, about));
  writeFileSync(join(dir, 'report.html'), htmlReport(layout, about));
  writeFileSync(join(dir, 'results.json'), toJson(facts, results));
  return ['report.html', 'report.md', 'results.json'].map((name) => join(dir, name));
}
