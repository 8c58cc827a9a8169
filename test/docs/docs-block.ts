/**
 * The generated parts of a page of the documentation: what stands between `<!-- NAME -->` and `<!-- /NAME -->`.
 */

/** Where the block's text begins and ends; throws where a marker is missing. */
function boundsOf(page: string, name: string): { readonly start: number; readonly end: number } {
  const opening = `<!-- ${name} -->\n`;
  const start = page.indexOf(opening) + opening.length;
  const end = page.indexOf(`\n<!-- /${name} -->`, start - 1);
  if (start < opening.length || end < 0) {
    throw new Error(`the page needs the lines <!-- ${name} --> and <!-- /${name} -->`);
  }
  return { start, end };
}

/** The text of a block, without the line ends at the markers. */
export function blockOf(page: string, name: string): string {
  const { start, end } = boundsOf(page, name);
  return page.slice(start, end);
}

/** The page with other text in the block. */
export function withBlock(page: string, name: string, text: string): string {
  const { start, end } = boundsOf(page, name);
  return `${page.slice(0, start)}${text}\n${page.slice(Math.max(end + 1, start))}`;
}
