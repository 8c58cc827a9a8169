/**
 * The generated parts of the README: what stands between `<!-- NAME -->` and `<!-- /NAME -->`.
 * Must not hold: what any part says.
 */

/** Where the block's text begins and ends; throws where a marker is missing. */
function boundsOf(readme: string, name: string): { readonly start: number; readonly end: number } {
  const opening = `<!-- ${name} -->\n`;
  const start = readme.indexOf(opening) + opening.length;
  const end = readme.indexOf(`\n<!-- /${name} -->`, start - 1);
  if (start < opening.length || end < 0) {
    throw new Error(`README.md needs the lines <!-- ${name} --> and <!-- /${name} -->`);
  }
  return { start, end };
}

/** The text of a block, without the line ends at the markers. */
export function blockOf(readme: string, name: string): string {
  const { start, end } = boundsOf(readme, name);
  return readme.slice(start, end);
}

/** The README with other text in the block. */
export function withBlock(readme: string, name: string, text: string): string {
  const { start, end } = boundsOf(readme, name);
  return `${readme.slice(0, start)}${text}\n${readme.slice(Math.max(end + 1, start))}`;
}
