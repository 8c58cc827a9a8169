/**
 * The last minutes of some numbers, second by second: what the charts draw, and a sentence on it.
 * Must not hold: drawing, or anything of the document; it runs without one.
 */

/** @typedef {readonly (number | null)[]} Row one value for each line; null where there is none */

export class Series {
  #windowS;
  /** @type {number[]} seconds since the epoch */
  #times = [];
  /** @type {(number | null)[][]} a column for each line */
  #columns;

  /**
   * @param {number} lines
   * @param {number} windowS
   */
  constructor(lines, windowS) {
    this.#windowS = windowS;
    this.#columns = Array.from({ length: lines }, () => []);
  }

  /**
   * @param {number} atMs not before the last one; what is, begins anew
   * @param {Row} row
   */
  push(atMs, row) {
    const atS = atMs / 1000;
    if (atS < (this.#times.at(-1) ?? 0)) this.clear();
    this.#times.push(atS);
    for (const [line, column] of this.#columns.entries()) column.push(row[line] ?? null);
    const old = this.#times.findIndex((time) => time >= atS - this.#windowS);
    for (const column of [this.#times, ...this.#columns]) column.splice(0, old);
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

  /** As the chart library wants it: times, then a list for each line. */
  get table() {
    return /** @type {[number[], ...(number | null)[][]]} */ ([this.#times, ...this.#columns]);
  }

  /**
   * Lowest, mean and highest of a line; undefined where it has no value.
   * @param {number} line
   */
  range(line) {
    const values = (this.#columns[line] ?? []).filter((value) => value !== null);
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
