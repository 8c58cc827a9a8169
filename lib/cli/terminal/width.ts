/**
 * How many columns of a terminal a text takes.
 * Source: Unicode Standard Annex #11 (East Asian Width); as wcwidth does, by code point.
 */

/** Two columns: East Asian wide and fullwidth characters, and emoji that are shown as such. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;
/** None: what is drawn over the character before. */
const COMBINING = /[\p{Mn}\p{Me}]/u;
const PLAIN = /^[\u0020-\u007e]*$/;

/** The columns of text without control sequences. */
export function columnsOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}
