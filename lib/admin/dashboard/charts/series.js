/**
 * The last minutes of some numbers, second by second: what the charts draw, and a sentence on it.
 * It runs without a document.
 */

/** @import { History, Sample } from '../../../api/snapshot.ts' */

/** What is kept of a second, in the order of the columns. */
const FIELDS = /** @type {const} */ ([
  'requests',
  '2xx',
  '3xx',
  '4xx',
  '5xx',
  'errors',
  'p50',
  'p99',
  'inFlight',
  'queued',
  'desired',
  'ready',
]);
/** @typedef {(typeof FIELDS)[number]} Field */

/** @param {Sample} sample */
function rowOf({ requestsPerSecond, byClass, errorsPerSecond, ...rest }) {
  const { p50Ms, p99Ms, inFlight, queued, desired, ready } = rest;
  return [requestsPerSecond, ...byClass, errorsPerSecond, p50Ms, p99Ms, inFlight, queued, desired, ready];
}

/** @param {History} history */
function columnsOf({ requestsPerSecond, byClass, errorsPerSecond, ...rest }) {
  const { p50Ms, p99Ms, inFlight, queued, desired, ready } = rest;
  return [requestsPerSecond, ...byClass, errorsPerSecond, p50Ms, p99Ms, inFlight, queued, desired, ready];
}

export class Series {
  #windowS;
  /** @type {number[]} seconds since the epoch */
  #times = [];
  /** @type {(number | null)[][]} a column for each field */
  #columns = FIELDS.map(() => []);

  /** @param {number} windowS */
  constructor(windowS) {
    this.#windowS = windowS;
  }

  /**
   * @param {number} atMs not before the last one; what is, begins anew
   * @param {Sample} sample
   */
  push(atMs, sample) {
    const atS = atMs / 1000;
    if (atS < (this.#times.at(-1) ?? 0)) this.clear();
    this.#times.push(atS);
    for (const [field, value] of rowOf(sample).entries()) this.#columns[field]?.push(value);
    this.#forget();
  }

  /**
   * Takes what the balancer kept: it stands in place of what is known of that time, with a gap behind older things.
   * @param {History} history
   */
  load(history) {
    const [firstMs] = history.atMs;
    if (firstMs === undefined) return;
    const older = this.#times.findIndex((time) => time >= firstMs / 1000);
    if (older !== -1) for (const column of [this.#times, ...this.#columns]) column.splice(older);
    this.breakOff();
    this.append(history);
  }

  /** Takes what follows the last value. @param {History} history */
  append(history) {
    this.#times.push(...history.atMs.map((atMs) => atMs / 1000));
    for (const [field, values] of columnsOf(history).entries()) this.#columns[field]?.push(...values);
    this.#forget();
  }

  /** Leaves a gap behind the last value: nothing is known of what follows. */
  breakOff() {
    const last = this.#times.at(-1);
    if (last === undefined) return;
    this.#times.push(last + 0.001);
    for (const column of this.#columns) column.push(null);
  }

  clear() {
    for (const column of [this.#times, ...this.#columns]) column.length = 0;
  }

  /** Seconds since the epoch. @returns {number[]} */
  get times() {
    return this.#times;
  }

  /** @param {Field} field @returns {(number | null)[]} one value for each of `times` */
  column(field) {
    return this.#columns[FIELDS.indexOf(field)] ?? [];
  }

  #forget() {
    const oldest = (this.#times.at(-1) ?? 0) - this.#windowS;
    const kept = this.#times.findIndex((time) => time >= oldest);
    if (kept > 0) for (const column of [this.#times, ...this.#columns]) column.splice(0, kept);
  }

  /**
   * Lowest, mean and highest of a number; undefined where it has no value.
   * @param {Field} field
   */
  range(field) {
    const values = this.column(field).filter((value) => value !== null);
    if (values.length === 0) return undefined;
    const sum = values.reduce((total, value) => total + value, 0);
    return { lowest: Math.min(...values), mean: sum / values.length, highest: Math.max(...values) };
  }
}

/**
 * The end of an axis from 0 that holds `highest`: 1, 2 or 5 times a power of ten, so that it seldom moves.
 * @param {number} highest
 * @param {number} least
 */
export function axisEnd(highest, least) {
  const wanted = Math.max(highest, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 2, 5, 10].find((factor) => factor * power >= wanted * (1 - 1e-9)) ?? 10) * power;
}
