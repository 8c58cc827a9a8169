/** The report as one HTML file that needs no other: charts inline, no script, nothing from a network. Pure. */
import { FONT } from './chart.ts';
import { TITLE } from './report-markdown.ts';
import type { Chart, Section, Table } from './section.ts';

const STYLE = `
:root { color-scheme: light; }
body { font: 16px/1.55 ${FONT}; color: #1f2933; background: #f5f6f8; margin: 0; }
main { max-width: 944px; margin: 0 auto; padding: 32px 16px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 21px; margin: 48px 0 8px; }
nav a { margin-right: 16px; }
.facts, .limits { color: #52606d; font-size: 14px; }
figure { margin: 20px 0; padding: 16px; background: #fff; border: 1px solid #e1e5ea; border-radius: 8px; }
figure svg { display: block; width: 100%; height: auto; }
.table { overflow-x: auto; margin: 20px 0; }
table { border-collapse: collapse; background: #fff; font-size: 13.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th, td { border: 1px solid #e1e5ea; padding: 5px 9px; text-align: left; vertical-align: top; }
th { background: #eef1f4; }
@media print { body { background: #fff; } figure, tr { break-inside: avoid; } }
`;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
export const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);

function figure({ svg, alt, name }: Chart): string {
  const labelled = svg.replace('<svg ', `<svg role="img" aria-label="${escapeHtml(alt)}" `);
  return `<figure id="${name}">${labelled}</figure>`;
}

function htmlTable({ caption, head, rows }: Table): string {
  const line = (tag: 'th' | 'td', cells: readonly string[]) =>
    `<tr>${cells.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('')}</tr>`;
  const body = rows.map((row) => line('td', row)).join('\n');
  return `<div class="table"><table><caption>${escapeHtml(caption)}</caption><thead>${line('th', head)}</thead><tbody>
${body}
</tbody></table></div>`;
}

function sectionHtml({ id, title, findings, parts, limits }: Section): string {
  return `<section id="${id.toLowerCase()}">
<h2>${id} ${escapeHtml(title)}</h2>
${findings.map((finding) => `<p>${escapeHtml(finding)}</p>`).join('\n')}
${parts.map((part) => (part.kind === 'chart' ? figure(part) : htmlTable(part))).join('\n')}
<p class="limits">Not shown: ${escapeHtml(limits.join(' '))}</p>
</section>`;
}

export function htmlReport(sections: readonly Section[], circumstances: string): string {
  const links = sections.map(
    ({ id, title }) => `<a href="#${id.toLowerCase()}">${id} ${escapeHtml(title)}</a>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${TITLE}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${TITLE}</h1>
<p class="facts">${escapeHtml(circumstances)}</p>
<nav>${links.join('\n')}</nav>
${sections.map(sectionHtml).join('\n')}
</main>
</body>
</html>
`;
}
