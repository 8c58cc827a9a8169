/** The report as Markdown, with its charts as files beside it. Pure. */
import type { Layout, Numbered } from './numbering.ts';

export const TITLE = 'ringlb: how evenly, how steadily, how fast';

/** A cell may hold anything but what would end it. */
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');

function tableText({ label, table: { caption, head, rows } }: Numbered): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  const title = `**${label}.** ${cell(caption)}`;
  return [title, '', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function partText(part: Layout['sections'][number]['parts'][number]): string {
  switch (part.kind) {
    case 'figure': {
      const { name, title } = part.chart;
      return `![${title}](${name}.svg)\n\n**${part.label}.** ${cell(part.caption)} Data: [${name}.csv](${name}.csv)`;
    }
    case 'table':
      return tableText(part);
    case 'reference':
      return `${part.label}, in the appendix: ${cell(part.table.caption)}.`;
  }
}

function sectionText({ id, title, findings, parts, limits }: Layout['sections'][number]): string {
  return [
    `## ${id} ${title}`,
    ...findings
      .map((finding) => `- ${cell(finding)}`)
      .join('\n')
      .split('\n\n'),
    ...parts.map(partText),
    `Not shown: ${limits.join(' ')}`,
  ].join('\n\n');
}

export function markdownReport({ sections, appendix }: Layout, circumstances: string): string {
  const tables = appendix.length === 0 ? [] : ['## Appendix: tables', ...appendix.map(tableText)];
  return `${[`# ${TITLE}`, circumstances, ...sections.map(sectionText), ...tables].join('\n\n')}\n`;
}
