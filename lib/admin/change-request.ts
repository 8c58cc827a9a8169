/**
 * Parses the bodies of `/add`, `/rm`, `/scale`, `/weight`, `/drain` and `/undrain`.
 * Types are checked before values, values before lengths, so that the error names the first thing to mend. What depends
 * on the replicas there are (a name that is taken or unknown, too many) is checked by the fleet.
 */

import { didYouMean, quote } from '../config/suggest.ts';
import { isReplicaName, isReplicaNameOrAddress, MAX_WEIGHT, NAME_SHAPE } from '../core/replica.ts';
import { BalancerError } from '../platform/errors.ts';
import { isList, isObject, type Json, type JsonObject, parseJson, typeOf } from './json.ts';

export interface Change {
  readonly count: number;
  /** At most `count`, each once; the fleet chooses the rest. */
  readonly names: readonly string[];
  /** Also beyond the bounds of autoscaling, which are moved then. */
  readonly isForced: boolean;
}

/** Settings of autoscaling; what is absent stays as it is. */
export interface ScaleChange {
  readonly min?: number;
  readonly max?: number;
  readonly target?: number;
  readonly paused?: boolean;
}

/** By name, whole numbers from 0 to MAX_WEIGHT. */
export type Weights = ReadonlyMap<string, number>;

const WEIGHTS_EXAMPLE = '{"S1":5,"S2":1}';

/** The largest `n` of any fleet. */
const MAX_COUNT = 10_000;
/** The largest target of autoscaling. */
const MAX_TARGET = 1_000_000;

const ADDITION = {
  example: '{"n":2,"hostnames":["S4","S5"]}',
  fields: ['n', 'hostnames', 'weights', 'force'],
} as const;
const REMOVAL = { example: '{"n":2,"hostnames":["S4","S5"]}', fields: ['n', 'hostnames', 'force'] } as const;
const SCALE_SETTINGS = ['min', 'max', 'target', 'paused'] as const;
const SCALE = {
  example: '{"n":5}',
  fields: ['n', ...SCALE_SETTINGS, 'force'],
} as const;
const NAMES = { example: '{"hostnames":["S4","S5"]}', fields: ['hostnames'] } as const;

const NAME_RULE = `must be ${NAME_SHAPE}`;

/** What a name may be, and how to say so. */
interface NameRule {
  readonly accepts: (name: string) => boolean;
  readonly text: string;
}

const REPLICA_NAMES: NameRule = { accepts: isReplicaName, text: NAME_RULE };
const SERVER_NAMES: NameRule = {
  accepts: isReplicaNameOrAddress,
  text: `${NAME_RULE}, or HOST:PORT`,
};

const TOO_MANY_NAMES = {
  add: 'Length of hostname list is more than newly added instances',
  remove: 'Length of hostname list is more than removable instances',
} as const;

function refuse(problem: string): never {
  throw new BalancerError('bad-request', problem);
}

/** What a body would add; throws BalancerError `bad-request` that names the field and what it must be. */
export function parseAddition(body: string): Change & { readonly weights: Weights } {
  const value = parseObject(body, ADDITION);
  const change = changeIn(value, 'add');
  const given = value.get('weights');
  if (given === undefined) return { ...change, weights: new Map() };
  if (!isObject(given)) refuse(`weights must be an object such as {"S4":2}, not ${typeOf(given)}`);
  const weights = weightsIn(given, 'weights.');
  const unnamed = [...weights.keys()].find((name) => !change.names.includes(name));
  if (unnamed !== undefined) refuse(`weights has ${quote(unnamed)}, which is not one of hostnames`);
  return { ...change, weights };
}

/** What a body would remove. Throws as `parseAddition`. */
export function parseRemoval(body: string): Change {
  return changeIn(parseObject(body, REMOVAL), 'remove');
}

function changeIn(value: JsonObject, kind: keyof typeof TOO_MANY_NAMES): Change {
  const count = countOf(value.get('n'));
  const names = namesOf(value.get('hostnames'));
  if (names.length > count) refuse(TOO_MANY_NAMES[kind]);
  return { count, names, isForced: flagOf(value, 'force') ?? false };
}

/** The weights in a body, one at least. Throws as `parseAddition`. */
export function parseWeights(body: string): Weights {
  if (/^\s*$/.test(body)) refuse(`The body is empty; send JSON such as ${WEIGHTS_EXAMPLE}`);
  const value = parseJson(body);
  if (!isObject(value)) refuse(`The body must be an object such as ${WEIGHTS_EXAMPLE}, not ${typeOf(value)}`);
  if (value.size === 0) refuse(`The body must name a replica, as in ${WEIGHTS_EXAMPLE}`);
  return weightsIn(value, '');
}

function weightsIn(value: JsonObject, prefix: string): Weights {
  const rule = `must be a whole number from 0 to ${MAX_WEIGHT}`;
  const weights = new Map<string, number>();
  for (const [name, weight] of value) {
    if (!SERVER_NAMES.accepts(name)) refuse(`${quote(name)} is not the name of a replica`);
    if (typeof weight !== 'number') {
      const shape = prefix === '' && isObject(weight) ? `; send ${WEIGHTS_EXAMPLE}` : '';
      refuse(`${prefix}${name} ${rule}, not ${typeOf(weight)}${shape}`);
    }
    if (!Number.isInteger(weight) || weight < 0 || weight > MAX_WEIGHT)
      refuse(`${prefix}${name} ${rule}, not ${weight}`);
    weights.set(name, weight);
  }
  return weights;
}

/** The number of replicas in a body. Throws as `parseAddition`. */
export function parseSize(body: string): { readonly count: number; readonly isForced: boolean } {
  return sizeIn(parseObject(body, SCALE));
}

function sizeIn(value: JsonObject): { readonly count: number; readonly isForced: boolean } {
  return { count: countOf(value.get('n')), isForced: flagOf(value, 'force') ?? false };
}

/** The number of replicas in a body, or settings of autoscaling. Throws as `parseAddition`. */
export function parseScale(
  body: string,
): { readonly count: number; readonly isForced: boolean } | { readonly change: ScaleChange } {
  const value = parseObject(body, SCALE);
  const settings = SCALE_SETTINGS.filter((field) => value.has(field));
  if (settings.length === 0) {
    if (!value.has('n')) refuse(`${N_MISSING}; or, for autoscaling, any of ${listed(SCALE_SETTINGS)}`);
    return sizeIn(value);
  }
  const other = ['n', 'force'].find((field) => value.has(field));
  if (other !== undefined) refuse(`${other} and ${settings[0]} do not go together`);
  const min = wholeOf(value, 'min', 0, MAX_COUNT);
  const max = wholeOf(value, 'max', 1, MAX_COUNT);
  const target = wholeOf(value, 'target', 1, MAX_TARGET);
  const paused = flagOf(value, 'paused');
  return {
    change: {
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      ...(target !== undefined && { target }),
      ...(paused !== undefined && { paused }),
    },
  };
}

function flagOf(value: JsonObject, field: string): boolean | undefined {
  const flag = value.get(field);
  if (flag === undefined || typeof flag === 'boolean') return flag;
  return refuse(`${field} must be true or false, not ${typeOf(flag)}`);
}

function wholeOf(value: JsonObject, field: string, from: number, to: number): number | undefined {
  const number = value.get(field);
  const rule = `must be a whole number from ${from} to ${to}`;
  if (number === undefined) return undefined;
  if (typeof number !== 'number') return refuse(`${field} ${rule}, not ${typeOf(number)}`);
  if (!Number.isInteger(number) || number < from || number > to) refuse(`${field} ${rule}, not ${number}`);
  return number;
}

/** The names in a body, one at least. Throws as `parseAddition`. */
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
    const hint = didYouMean(field, fields) || `; the ${known} ${listed(fields)}`;
    if (!fields.includes(field)) refuse(`Unknown field ${quote(field)}${hint}`);
  }
  return value;
}

/** `a`, `a and b`, `a, b and c`. */
function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}

const COUNT_RULE = `must be a whole number from 1 to ${MAX_COUNT}`;
const N_MISSING = `n is missing; it ${COUNT_RULE}`;

function countOf(value: Json | undefined): number {
  if (value === undefined) refuse(N_MISSING);
  if (typeof value !== 'number') refuse(`n ${COUNT_RULE}, not ${typeOf(value)}`);
  if (!Number.isInteger(value) || value < 1 || value > MAX_COUNT) refuse(`n ${COUNT_RULE}, not ${value}`);
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
