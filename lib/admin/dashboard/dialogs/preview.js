/**
 * What a dry run says, in words. Must not hold: anything of the document; it runs without one.
 */
import { count, percent, plural } from '../view/format.js';

/** @import { Preview } from '../../../api/types.ts' */

/** @typedef {'add' | 'remove'} Kind */

const VERBS = { add: ['joins', 'join'], remove: ['leaves', 'leave'] };
const WORDS = { add: ['Add', 'Added'], remove: ['Remove', 'Removed'] };

/**
 * Whom it is about.
 * @param {Kind} kind
 * @param {Preview} preview
 */
export function namesIn(kind, preview) {
  return kind === 'add' ? preview.added : preview.removed;
}

/**
 * @param {Kind} kind
 * @param {Preview} preview
 */
export function sentencesOf(kind, preview) {
  const names = namesIn(kind, preview);
  const { N, moved, inFlight, tunnels } = preview;
  const before = kind === 'add' ? N - names.length : N + names.length;
  const sentences = [
    `${listOf(names)} ${VERBS[kind][names.length === 1 ? 0 : 1]}: from ${before} to ${plural(N, 'replica')}.`,
    `${percent(moved)} of all keys move to another replica.`,
  ];
  if (kind === 'remove')
    sentences.push(
      `${plural(inFlight, 'request')} in flight and ${plural(tunnels, 'open tunnel')} there may finish first.`,
    );
  return sentences.join(' ');
}

/**
 * What the button says, and what is said once it is done.
 * @param {Kind} kind
 * @param {Preview} preview
 */
export function wordsOf(kind, preview) {
  const names = namesIn(kind, preview);
  const who = names.length === 1 ? names[0] : plural(names.length, 'replica');
  const [act, done] = WORDS[kind];
  return { act: `${act} ${who}`, done: `${done} ${who}.` };
}

/** `S1`, `S1 and S2`, `S1, S2, S3 and 3 more`. @param {readonly string[]} names */
function listOf(names) {
  if (names.length <= 4) return new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(names);
  return `${names.slice(0, 3).join(', ')} and ${count(names.length - 3)} more`;
}

/** What setting the size would do. @param {Preview} preview */
export function resizeOf(preview) {
  const { added, removed, N } = preview;
  if (added.length > 0) return sentencesOf('add', preview);
  return removed.length > 0 ? sentencesOf('remove', preview) : `There are ${plural(N, 'replica')} already.`;
}
