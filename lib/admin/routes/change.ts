/**
 * Parses the bodies of `/add`, `/rm`, `/scale`, `/drain` and `/undrain`.
 * Types are checked before values, values before lengths, so that the error names the first thing to mend. What depends
 * on the replicas there are (a name that is taken or unknown, too many) is checked by the fleet.
 */

import { didYouMean, quote } from '../../config/suggest.ts';
import { isReplicaName } from '../../core/replica.ts';
import { BalancerError } from '../../platform/errors.ts';
import { isList, isObject, type Json, type JsonObject, parseJson, typeOf } from '../json.ts';

export interface Change {
  readonly count: number;
  /** At most `count`, each once; the fleet chooses the rest. */
  readonly names: readonly string[];
}

/** The largest `n` of any fleet. */
export const MAX_COUNT = 10_000;

const CHANGE = { example: '{"n":2,"hostnames":["S4","S5"]}', fields: ['n', 'hostnames'] } as const;
const SCALE = { example: '{"n":5}', fields: ['n'] } as const;
const NAMES = { example: '{"hostnames":["S4","S5"]}', fields: ['hostnames'] } as const;

const NAME_RULE = 'must be 1 to 63 letters, digits, _ . and -, the first a letter or a digit';

/** What a name may be, and how to say so. */
interface NameRule {
  readonly accepts: (name: string) => boolean;
  readonly text: string;
}

const REPLICA_NAMES: NameRule = { accepts: isReplicaName, text: NAME_RULE };
/** A fixed server is called by its address. */
const ADDRESS = /^(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;
const SERVER_NAMES: NameRule = {
  accepts: (name) => isReplicaName(name) || ADDRESS.test(name),
  text: `${NAME_RULE}, or HOST:PORT`,
};

const TOO_MANY_NAMES = {
  add: 'Length of hostname list is more than newly added instances',
  remove: 'Length of hostname list is more than removable instances',
} as const;

function refuse(problem: string): never {
  throw new BalancerError('bad-request', problem);
}

/** The change in a body; throws BalancerError `bad-request` that names the field and what it must be. */
export function parseChange(body: string, kind: keyof typeof TOO_MANY_NAMES): Change {
  const value = parseObject(body, CHANGE);
  const count = countOf(value.get('n'));
  const names = namesOf(value.get('hostnames'));
  if (names.length > count) refuse(TOO_MANY_NAMES[kind]);
  return { count, names };
}

/** The number of replicas in a body. Throws as `parseChange`. */
export function parseScale(body: string): number {
  return countOf(parseObject(body, SCALE).get('n'));
}

/** The names in a body, one at least. Throws as `parseChange`. */
export function parseNames(body: string): readonly string[] {
  const names = namesOf(parseObject(body, NAMES).get('hostnames'), SERVER_NAMES);
  if (names.length === 0) refuse(`hostnames must name a replica, as in ${NAMES.example}`);
  return names;
}

function parseObject(
  body: string,
  { example, fields }: { readonly example: string; readonly fields: readonly string[] },
): JsonObject {
  if (/^\s*$/.test(body)) refuse(`The body is empty; send JSON such as ${example}`);
  const value = parseJson(body);
  if (!isObject(value)) refuse(`The body must be an object such as ${example}, not ${typeOf(value)}`);
  for (const field of value.keys()) {
    const known = fields.length === 1 ? 'field is' : 'fields are';
    const hint = didYouMean(field, fields) || `; the ${known} ${fields.join(' and ')}`;
    if (!fields.includes(field)) refuse(`Unknown field ${quote(field)}${hint}`);
  }
  return value;
}

function countOf(value: Json | undefined): number {
  const rule = `must be a whole number from 1 to ${MAX_COUNT}`;
  if (value === undefined) refuse(`n is missing; it ${rule}`);
  if (typeof value !== 'number') refuse(`n ${rule}, not ${typeOf(value)}`);
  if (!Number.isInteger(value) || value < 1 || value > MAX_COUNT) refuse(`n ${rule}, not ${value}`);
  return value;
}

function namesOf(value: Json | undefined, rule = REPLICA_NAMES): readonly string[] {
  if (value === undefined) return [];
  if (!isList(value)) refuse(`hostnames must be a list of names, not ${typeOf(value)}`);
  const notText = value.findIndex((name) => typeof name !== 'string');
  if (notText >= 0) refuse(`hostnames[${notText}] must be a name, not ${typeOf(value[notText] ?? null)}`);
  const names = new Set<string>();
  for (const [index, name] of value.entries()) {
    const text = String(name);
    if (!rule.accepts(text)) refuse(`hostnames[${index}] ${rule.text}, not ${quote(text)}`);
    if (names.has(text)) refuse(`hostnames has ${quote(text)} twice`);
    names.add(text);
  }
  return [...names];
}
