/**
 * A strict JSON parser (RFC 8259) for request bodies, which also refuses what JSON.parse accepts silently: a key that
 * is twice in an object, nesting deeper than 8, a number that is infinite.
 * Invariants: objects become maps, so that no key (`__proto__`) has a meaning; time and memory are linear in the
 * text.
 */

import { quote } from '../config/suggest.ts';
import { BalancerError } from '../platform/errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

const MAX_DEPTH = 8;

const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a string may not hold them (RFC 8259 section 7)
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

/** The value that `text` is; throws BalancerError `bad-request` with what is wrong and where. */
export function parseJson(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

/** What a value is called in a sentence. */
export function typeOf(value: Json): string {
  if (value === null) return 'null';
  if (isList(value)) return 'a list';
  if (isObject(value)) return 'an object';
  return `a ${typeof value}`;
}

export function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

export function isObject(value: Json): value is JsonObject {
  return value instanceof Map;
}

function refuse(problem: string): never {
  throw new BalancerError('bad-request', problem);
}

/** A place in the text that moves forward; every method leaves it behind what it read. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Json {
    this.#match(SPACE);
    const first = this.#text[this.#at];
    if (depth === MAX_DEPTH && (first === '{' || first === '[')) {
      refuse(`The body is nested deeper than ${MAX_DEPTH} levels`);
    }
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#list(depth);
    if (first === '"') return this.#string();
    const word = this.#match(WORD);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    return this.#number();
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at < this.#text.length) this.#unexpected();
  }

  #object(depth: number): JsonObject {
    const object = new Map<string, Json>();
    this.#at++;
    if (this.#skip('}')) return object;
    do {
      this.#match(SPACE);
      const key = this.#string();
      if (object.has(key)) refuse(`The body has ${quote(key)} twice`);
      if (!this.#skip(':')) this.#unexpected();
      object.set(key, this.value(depth + 1));
    } while (this.#skip(','));
    if (!this.#skip('}')) this.#unexpected();
    return object;
  }

  #list(depth: number): readonly Json[] {
    const list: Json[] = [];
    this.#at++;
    if (this.#skip(']')) return list;
    do list.push(this.value(depth + 1));
    while (this.#skip(','));
    if (!this.#skip(']')) this.#unexpected();
    return list;
  }

  #string(): string {
    const literal = this.#match(STRING) ?? this.#unexpected();
    // the grammar has been checked; this only undoes the escapes
    return JSON.parse(literal) as string;
  }

  #number(): number {
    const literal = this.#match(NUMBER) ?? this.#unexpected();
    const value = Number(literal);
    return Number.isFinite(value) ? value : refuse(`The number ${quote(literal)} is too large`);
  }

  /** What the sticky pattern matches here, moved over; undefined and not moved where it does not. */
  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** Moves over space and `character`, and tells whether it was there. */
  #skip(character: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #unexpected(): never {
    if (this.#at >= this.#text.length) refuse('The body is not JSON: it ends too early');
    const rest = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    return refuse(`The body is not JSON: unexpected ${quote(rest)} at character ${this.#at + 1}`);
  }
}
