/** The report as one HTML file that needs no other: charts inline, no script, nothing from a network. Pure. */
import { FONT } from './chart.ts';
import type { Figure, Layout, Numbered } from './numbering.ts';
import { TITLE } from './report-markdown.ts';

const STYLE = `
:root { color-scheme: light; }
body { font: 16px/1.55 ${FONT}; color: #1f2933; background: #f5f6f8; margin: 0; }
main { max-width: 944px; margin: 0 auto; padding: 32px 16px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 21px; margin: 48px 0 8px; }
nav a { display: inline-block; margin-right: 16px; }
.facts, .limits { color: #52606d; font-size: 14px; }
figure { margin: 20px 0; padding: 16px; background: #fff; border: 1px solid #e1e5ea; border-radius: 8px; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { margin-top: 10px; font-size: 14px; color: #3e4c59; }
.files { white-space: nowrap; margin-left: 6px; }
.note { font-size: 14px; }
.table { overflow-x: auto; margin: 20px 0; }
table { border-collapse: collapse; background: #fff; font-size: 13.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 6px; }
th, td { border: 1px solid #e1e5ea; padding: 5px 9px; text-align: left; vertical-align: top; }
th { background: #eef1f4; }
@media screen and (max-width: 720px) {
  figure { overflow-x: auto; }
  figure svg { width: 720px; }
}
@page { size: A4; margin: 18mm 16mm; }
@media print {
  body { background: #fff; font-size: 10.5pt; line-height: 1.4; color: #000; }
  main { max-width: none; padding: 0; }
  nav, .files { display: none; }
  h2 { break-after: avoid; font-size: 14pt; margin-top: 18pt; }
  a { color: inherit; text-decoration: none; }
  figure { break-inside: avoid; border: 0; padding: 0; margin: 12pt 0; }
  figcaption, .facts, .limits, .note { font-size: 9pt; color: #000; }
  .table { overflow: visible; }
  table { font-size: 7.5pt; width: 100%; }
  th, td { padding: 2pt 3pt; }
  thead { display: table-header-group; }
  tr, caption { break-inside: avoid; }
  caption, thead { break-after: avoid; }
  tbody tr:first-child, tbody tr:last-child { break-before: avoid; }
  #appendix { break-before: page; }
}
`;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
export const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);

function figureHtml({ label, caption, chart: { svg, alt, name } }: Figure): string {
  const labelled = svg.replace('<svg ', `<svg role="img" aria-label="${escapeHtml(alt)}" `);
  const files = `<span class="files"><a href="${name}.svg">SVG</a> <a href="${name}.csv">CSV</a></span>`;
  return `<figure id="${name}">${labelled}
<figcaption><b>${label}.</b> ${escapeHtml(caption)} ${files}</figcaption></figure>`;
}

function tableHtml({ label, table: { caption, head, rows } }: Numbered): string {
  const line = (tag: 'th' | 'td', cells: readonly string[]) =>
    `<tr>${cells.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('')}</tr>`;
  const body = rows.map((row) => line('td', row)).join('\n');
  const title = `<caption><b>${label}.</b> ${escapeHtml(caption)}</caption>`;
  return `<div class="table" id="${idOf(label)}"><table>${title}<thead>${line('th', head)}</thead><tbody>
${body}
</tbody></table></div>`;
}

const idOf = (label: string) => label.toLowerCase().replace(' ', '-');

function partHtml(part: Layout['sections'][number]['parts'][number]): string {
  switch (part.kind) {
    case 'figure':
      return figureHtml(part);
    case 'table':
      return tableHtml(part);
    case 'reference':
      return `<p class="note"><a href="#${idOf(part.label)}">${part.label}</a>: ${escapeHtml(part.table.caption)}.</p>`;
  }
}

function sectionHtml({ id, title, findings, parts, limits }: Layout['sections'][number]): string {
  return `<section id="${id.toLowerCase()}">
<h2>${id} ${escapeHtml(title)}</h2>
${findings.map((finding) => `<p>${escapeHtml(finding)}</p>`).join('\n')}
${parts.map(partHtml).join('\n')}
<p class="limits">Not shown: ${escapeHtml(limits.join(' '))}</p>
</section>`;
}

function appendixHtml(appendix: readonly Numbered[]): string {
  if (appendix.length === 0) return '';
  return `<section id="appendix">
<h2>Appendix: tables</h2>
${appendix.map(tableHtml).join('\n')}
</section>`;
}

export function htmlReport({ sections, appendix }: Layout, circumstances: string): string {
  const links = sections.map(
    ({ id, title }) => `<a href="#${id.toLowerCase()}">${id} ${escapeHtml(title)}</a>`,
  );
  if (appendix.length > 0) links.push('<a href="#appendix">Appendix</a>');
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
${appendixHtml(appendix)}
</main>
</body>
</html>
`;
}
