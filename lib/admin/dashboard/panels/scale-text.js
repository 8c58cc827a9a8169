/** The size of the fleet in words. It runs without a document. */
import { count, duration, plural } from '../view/format.js';

/** @import { ScaleView } from '../../../api/scale.ts' */

/** How many there are. @param {ScaleView} scale */
export function sizeOf({ n, ready, desired }) {
  const wanted = desired === n ? '' : `, ${count(desired)} wanted`;
  return `${plural(n, 'replica')}, ${count(ready)} ready${wanted}`;
}

/** Whether autoscaling is on, and within which bounds. @param {ScaleView} scale */
export function stateOf({ state, min, max, target }) {
  if (state === 'off') return 'Autoscaling is off: the size stays as it was set.';
  const words = { on: 'Autoscaling', paused: 'Autoscaling is paused', blocked: 'Autoscaling is blocked' };
  const bounds = `from ${count(min)} to ${plural(max, 'replica')}`;
  return `${words[state]}: ${bounds}, ${plural(target, 'request')} in flight each.`;
}

/** The last change that autoscaling made; '' before the first. @param {ScaleView} scale @param {number} nowMs */
export function changeOf({ changed }, nowMs) {
  if (changed === null) return '';
  const { from, to, reason, L, T, time } = changed;
  const ago = duration(nowMs - Date.parse(time));
  const numbers = `load ${L.toLocaleString('en-GB', { maximumFractionDigits: 1 })}, target ${count(T)}`;
  return `Last change ${ago} ago: from ${count(from)} to ${count(to)} (${reason.replaceAll('-', ' ')}; ${numbers}).`;
}

/** Which of the balancers that share the pool adds and removes; '' where there are no others. @param {ScaleView} scale */
export function actingOf({ acting }) {
  if (acting === null) return '';
  const which = acting.isSelf ? 'This balancer' : `Another balancer (${acting.title})`;
  return `${which} acts for the pool, by the load of all.`;
}
