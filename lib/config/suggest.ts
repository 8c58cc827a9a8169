/**
 * Quotes rejected input safely in error messages and suggests the known word that was probably meant.
 * Pure, and bounded in work and output whatever the input.
 */

/** Maximum of characters of an input that a message repeats. */
const MAX_SHOWN = 80;

/** What comes before the host in a URL: a user, maybe with a password. */
const USER_INFO = /(?<=:\/\/)[^\s/@]*@/g;

/** `text` in double quotes without passwords of URLs, control characters escaped, cut after 80 characters. */
export function quote(text: string): string {
  const shown = text.replace(USER_INFO, '…@');
  return JSON.stringify(shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}…` : shown);
}

/** A name from the input, in quotes only if it has unusual characters. */
export function quoteIfOdd(name: string): string {
  return /^[\w-]{1,60}$/.test(name) ? name : quote(name);
}

/** Words joined for a sentence: `a`, `a or b`, `a, b or c`. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** `; did you mean X?` for the known word at most a third of its letters away from `word`, else ''. */
export function didYouMean(word: string, known: Iterable<string>): string {
  let best = '';
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    // too different in length; this also bounds the work for a very long word
    if (Math.abs(candidate.length - word.length) * 3 > candidate.length) continue;
    const distance = editDistance(word, candidate);
    if (distance * 3 <= candidate.length && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best === '' ? '' : `; did you mean ${best}?`;
}

/** Letters inserted, deleted, replaced or swapped with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = last[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let cost = Math.min(replaced, last[column]! + 1, current[column - 1]! + 1);
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwap) cost = Math.min(cost, before[column - 2]! + 1);
      current.push(cost);
    }
    before = last;
    last = current;
  }
  return last[b.length]!;
}
