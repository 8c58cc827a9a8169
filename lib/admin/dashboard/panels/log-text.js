/** Lines of logs as the panel shows them. It runs without a document. */
import { plural } from '../view/format.js';

/** @import { LogLine } from '../../../api/types.ts' */

/** Colours and other commands to a terminal: ECMA-48, section 5.4 (CSI), and OSC up to its end. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
const ID_SHOWN = 12;

/** Without the commands that only a terminal understands. @param {string} text */
export function withoutEscapes(text) {
  return text.replace(ESCAPES, '');
}

/** An id of an instance, short as engines show it. @param {string} instance */
export function shortId(instance) {
  return instance.slice(0, ID_SHOWN);
}

/**
 * What stands between a line and the one of the same replica before it; '' for nothing.
 * @param {LogLine} line
 * @param {string | undefined} before the instance of that one
 */
export function breakBefore({ instance, missed }, before) {
  const parts = [
    before !== undefined && before !== instance ? `instance ${shortId(instance)}` : '',
    missed > 0 ? `${plural(missed, 'line')} came too fast to be shown` : '',
  ];
  return parts.filter(Boolean).join('; ');
}

/**
 * True where every word of the filter is in the line.
 * @param {LogLine} line
 * @param {string} filter
 */
export function lineMatches({ replica, text }, filter) {
  const said = `${replica} ${text}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => said.includes(word));
}

/**
 * What the panel is about.
 * @param {string} replica '' for all
 * @param {string} instance '' for all
 */
export function titleOf(replica, instance) {
  if (replica === '') return 'Logs of all replicas';
  return instance === '' ? `Log of ${replica}` : `Log of ${replica}, instance ${shortId(instance)}`;
}
