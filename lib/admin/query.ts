/**
 * Checks query parameters as strictly as bodies: a typing mistake must not pass silently, least of all where a dry run
 * was meant.
 */

import { didYouMean, orList, quote } from '../config/suggest.ts';
import { BalancerError } from '../platform/errors.ts';

/**
 * Throws `bad-request` for a parameter that is none of `known`, or is there twice, unless it is one of `lists`, which
 * may be there several times.
 */
export function checkParameters(
  query: URLSearchParams,
  known: readonly string[],
  lists: readonly string[] = [],
): void {
  const all = [...known, ...lists];
  for (const name of query.keys()) {
    const hint = didYouMean(name, all) || (all.length > 0 ? `; there is ${orList(all)}` : '; there are none');
    if (!all.includes(name)) refuse(`Unknown parameter ${quote(name)}${hint}`);
    if (lists.includes(name)) continue;
    if (query.getAll(name).length > 1) refuse(`The parameter ${quote(name)} is there twice`);
  }
}

const ON: readonly string[] = ['', '1', 'true', 'on'];
const OFF: readonly string[] = ['0', 'false', 'off'];

/** True where the flag is there and not off. Throws `bad-request` for a value that is neither. */
export function flagIn(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)?.toLowerCase();
  if (value === undefined || OFF.includes(value)) return false;
  if (!ON.includes(value)) refuse(`${name} must be true or false, not ${quote(value)}`);
  return true;
}

export function refuse(problem: string): never {
  throw new BalancerError('bad-request', problem);
}
