/** The options as the panel shows them. It runs without a document. */

/** @import { OptionView } from '../../../api/types.ts' */

const SOURCES = {
  flag: 'flag',
  environment: 'environment',
  file: 'file',
  program: 'program',
  socket: 'socket',
  default: 'default',
};

/** Where a value came from: `flag --port`, `file ringlb.yaml:3`, `default`. @param {OptionView} option */
export function sourceOf({ source, from }) {
  return from === null ? SOURCES[source] : `${SOURCES[source]} ${from}`;
}

/** What applies another value. @param {OptionView} option */
export function appliedBy({ takes }) {
  return takes === 'live' ? 'reload' : 'restart';
}

/**
 * True where every word of the filter is in what the row says.
 * @param {OptionView} option
 * @param {string} filter
 */
export function optionMatches(option, filter) {
  const said = [option.option, option.value, sourceOf(option), appliedBy(option)].join(' ').toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => said.includes(word));
}
