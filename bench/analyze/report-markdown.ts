/** The report as Markdown, with its charts as files beside it. Pure. */
import type { Section, Table } from './section.ts';

export const TITLE = 'ringlb: how evenly, how steadily, how fast';

/** A cell may hold anything but what would end it. */
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');

function markdownTable({ caption, head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [`**${caption}**`, '', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function sectionText({ id, title, findings, parts, limits }: Section): string {
  return [
    `## ${id} ${title}`,
    ...findings
      .map((finding) => `- ${cell(finding)}`)
      .join('\n')
      .split('\n\n'),
    ...parts.map((part) =>
      part.kind === 'table' ? markdownTable(part) : `![${part.title}](${part.name}.svg)`,
    ),
    `Not shown: ${limits.join(' ')}`,
  ].join('\n\n');
}

export function markdownReport(sections: readonly Section[], circumstances: string): string {
  return `${[`# ${TITLE}`, circumstances, ...sections.map(sectionText)].join('\n\n')}\n`;
}
