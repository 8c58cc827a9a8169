/**
 * Which replicas the table shows, and in which order: by trouble or by a column, with a filter, a limit, and a pause
 * while somebody is about to press a button. It runs without a document.
 */
import { isLeaving, rankOf, WELL } from './trouble.js';

/** @import { ReplicaSnapshot } from '../../../api/snapshot.ts' */

/** @typedef {{ readonly replica: ReplicaSnapshot, readonly outlier: string | undefined, readonly rank: number }} Entry */
/** @typedef {keyof typeof COLUMNS} Column */
/** @typedef {{ readonly column: Column, readonly isDescending: boolean }} Sorting */

/** What each column sorts by. */
const COLUMNS = {
  state: (/** @type {Entry} */ { rank }) => rank,
  name: (/** @type {Entry} */ { replica }) => replica.name,
  restarts: (/** @type {Entry} */ { replica }) => replica.restarts,
  inFlight: (/** @type {Entry} */ { replica }) => replica.inFlight,
  queued: (/** @type {Entry} */ { replica }) => replica.queued,
  share: (/** @type {Entry} */ { replica }) => replica.share,
  requests: (/** @type {Entry} */ { replica }) => replica.requestsPerSecond,
  p50: (/** @type {Entry} */ { replica }) => replica.p50Ms,
  p99: (/** @type {Entry} */ { replica }) => replica.p99Ms,
  errors: (/** @type {Entry} */ { replica }) => replica.errorsPerSecond,
  probes: (/** @type {Entry} */ { replica }) => replica.probes.recent.filter((passed) => !passed).length,
};

/** Numbers begin with the largest, words and trouble with the first. @type {ReadonlySet<Column>} */
const ASCENDING = new Set(/** @type {const} */ (['state', 'name']));

/** @param {string} text @returns {text is Column} */
export function isColumn(text) {
  return Object.hasOwn(COLUMNS, text);
}

/** By this column in its first direction. @param {Column} column @returns {Sorting} */
export function by(column) {
  return { column, isDescending: !ASCENDING.has(column) };
}

/**
 * What a press on a column's heading leads to: its first direction, then the other.
 * @param {Sorting} sorting
 * @param {Column} column
 */
export function pressed(sorting, column) {
  return sorting.column === column ? { column, isDescending: !sorting.isDescending } : by(column);
}

/**
 * @param {readonly ReplicaSnapshot[]} replicas
 * @param {ReadonlyMap<string, string>} outliers
 * @returns {readonly Entry[]}
 */
export function entriesOf(replicas, outliers) {
  return replicas.map((replica) => ({
    replica,
    // the next one of its name may be there already
    outlier: isLeaving(replica) ? undefined : outliers.get(replica.name),
    rank: rankOf(replica, outliers),
  }));
}

/** @param {Entry} entry */
export function isTrouble({ rank }) {
  return rank < WELL;
}

/**
 * True where every word of the filter is in what the row says.
 * @param {Entry} entry
 * @param {string} filter
 */
export function matches({ replica, outlier }, filter) {
  const { name, state, drained, endpoint, image, cause } = replica;
  const said = [name, drained ? 'drained' : state, endpoint, image, cause, outlier].join(' ').toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => said.includes(word));
}

/**
 * Equal ones stay in the balancer's order; what has no value is last.
 * @param {readonly Entry[]} entries
 * @param {Sorting} sorting
 */
export function sorted(entries, { column, isDescending }) {
  const value = COLUMNS[column];
  const sign = isDescending ? -1 : 1;
  return entries.toSorted((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    if (typeof a === 'string' || typeof b === 'string') return sign * BY_NAME.compare(`${a}`, `${b}`);
    return sign * (a - b);
  });
}

/** `S2` before `S10`. */
const BY_NAME = new Intl.Collator('en', { numeric: true });
