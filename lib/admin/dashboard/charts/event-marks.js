/**
 * Events as marks in a chart: which events are worth one, and which are near a moment. It runs without a document.
 */
import { took } from '../view/format.js';

/** @import { FleetEvent } from '../../../api/types.ts' */
/** @typedef {{ readonly atS: number, readonly isBad: boolean, readonly replica: string | null, readonly text: string }} Mark */

/** Kinds that are bad news; every other one is plain. */
export const BAD_KINDS = new Set([
  'panic',
  'unhealthy',
  'ejected',
  'died',
  'poison',
  'engine-lost',
  'source-lost',
  'start-failed',
  'scale-blocked',
  'deploy-rolled-back',
  'cancelled',
]);
/** What follows from something that has a mark needs none. */
const UNMARKED = new Set(['started', 'healthy', 'adopted', 'drained']);
const MOST = 400;

export class EventMarks {
  /** @type {Mark[]} */
  #marks = [];

  /**
   * @param {readonly FleetEvent[]} events the oldest first
   * @param {boolean} isFirst they are all there are
   */
  add(events, isFirst) {
    if (isFirst) this.#marks.length = 0;
    for (const { time, kind, replica, ms } of events) {
      if (UNMARKED.has(kind)) continue;
      const text = [replica, kind.replaceAll('-', ' '), ms === null ? '' : `in ${took(ms)}`];
      const atS = Date.parse(time) / 1000;
      this.#marks.push({ atS, isBad: BAD_KINDS.has(kind), replica, text: text.filter(Boolean).join(' ') });
    }
    this.#marks.splice(0, this.#marks.length - MOST);
  }

  /**
   * Marks of a stretch of time; of one replica, and of none in particular, where one is named.
   * @param {number} fromS
   * @param {number} toS
   * @param {string | undefined} replica
   */
  between(fromS, toS, replica) {
    return this.#marks.filter(
      (mark) =>
        mark.atS >= fromS &&
        mark.atS <= toS &&
        (replica === undefined || mark.replica === null || mark.replica === replica),
    );
  }
}

/**
 * Marks of which those nearer to each other than `apartS` are one, at the time of the first, and bad where one is.
 * @param {readonly Mark[]} marks in the order of their times
 * @param {number} apartS
 */
export function merged(marks, apartS) {
  /** @type {Mark[]} */
  const kept = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    if (last === undefined || mark.atS - last.atS >= apartS) kept.push(mark);
    else if (mark.isBad) kept.splice(-1, 1, { ...last, isBad: true });
  }
  return kept;
}
