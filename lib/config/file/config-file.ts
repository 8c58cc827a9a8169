/**
 * Reads a file of options, in YAML or JSON: names without the dashes in front, and their values as on the command line.
 * Every problem is reported with its line and column, as `FILE:LINE:COLUMN: …`, and none keeps the others from being
 * found. Nothing of the file is executed or resolved beyond plain YAML 1.2: an alias, a tag or a second document is an
 * error.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { errnoOf, messageOf } from '../../platform/errors.ts';
import type { Source } from '../check.ts';
import { KEYS, type Key, OPTIONS, type Option } from '../options.ts';
import { didYouMean, quote, quoteIfOdd } from '../suggest.ts';
import type { Yaml, YamlMap } from './yaml.ts';

/** More than any list of options; bounds the read of a device, which may never end. */
const MAX_BYTES = 1_048_576;

const KEY_OF_NAME: ReadonlyMap<string, Key> = new Map(KEYS.map((key) => [OPTIONS[key].flag, key]));

/** What a file says. */
export interface FileReading {
  readonly sources: ReadonlyMap<Key, Source>;
  /** Options that have no usable value: checks that depend on them are skipped. */
  readonly unread: ReadonlySet<Key>;
  readonly problems: readonly string[];
}

/** The text of the file; or the problem, phrased to follow the name of the option. */
export function readConfigFile(path: string): { readonly text: string } | { readonly problem: string } {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(MAX_BYTES + 1);
      let length = 0;
      let readBytes: number;
      do {
        readBytes = readSync(file, bytes, length, bytes.length - length, null);
        length += readBytes;
      } while (readBytes > 0 && length < bytes.length);
      if (length > MAX_BYTES) return { problem: `must name a file of at most 1 MiB, not ${quote(path)}` };
      return { text: bytes.toString('utf8', 0, length) };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return { problem: `cannot be read: ${errnoOf(error) || messageOf(error)} at ${quote(path)}` };
  }
}

/** What the text of a file says; `path` is its name in messages. */
export function parseConfigFile(text: string, path: string): FileReading {
  return new FileParser(text, path).parse();
}

/** Loaded where a file is read: it takes 20 ms and is not needed otherwise. */
function loadYaml(): Yaml {
  return createRequire(import.meta.url)('yaml') as Yaml;
}

class FileParser {
  readonly #text: string;
  readonly #path: string;
  readonly #yaml = loadYaml();
  readonly #lines = new this.#yaml.LineCounter();
  readonly #sources = new Map<Key, Source>();
  readonly #unread = new Set<Key>();
  readonly #problems: string[] = [];
  /** Where each name was first. */
  readonly #seen = new Map<string, number>();

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
  }

  parse(): FileReading {
    const { isMap, parseDocument } = this.#yaml;
    const document = parseDocument(this.#text, {
      lineCounter: this.#lines,
      // reported here with both places
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'error',
    });
    const faults = [...document.errors, ...document.warnings];
    for (const { message, pos } of faults) this.#report(pos[0], lowerFirst(message));
    const { contents } = document;
    if (faults.length > 0) return this.#reading();
    if (isMap(contents)) for (const { key, value } of contents.items) this.#readPair(key, value);
    else if (contents !== null)
      this.#report(startOf(contents), 'must be options and their values, such as port: 8080');
    return this.#reading();
  }

  #reading(): FileReading {
    return { sources: this.#sources, unread: this.#unread, problems: this.#problems };
  }

  #readPair(keyNode: unknown, valueNode: unknown): void {
    const name = this.#scalarText(keyNode);
    const at = startOf(keyNode);
    if (name === undefined) return this.#report(at, 'the name of an option must be a word');
    const first = this.#seen.get(name);
    if (first !== undefined)
      return this.#report(at, `${quoteIfOdd(name)} is given twice, first in line ${this.#placeOf(first)[0]}`);
    this.#seen.set(name, at);
    const key = KEY_OF_NAME.get(name);
    if (key === undefined)
      return this.#report(at, `${quoteIfOdd(name)} is not an option${didYouMean(name, KEY_OF_NAME.keys())}`);
    if (key === 'config') return this.#report(at, 'config names this file, and cannot be in it');
    const texts = this.#textsOf(OPTIONS[key], valueNode);
    if (typeof texts === 'string') {
      this.#unread.add(key);
      return this.#report(valueNode === null ? at : startOf(valueNode), `${name} ${texts}`);
    }
    const label = this.#label(startOf(valueNode), name);
    const separator = OPTIONS[key].separator ?? ' ';
    const items = OPTIONS[key].readItems === undefined ? undefined : texts;
    this.#sources.set(key, {
      name: label,
      origin: 'file',
      text: texts.join(separator),
      ...(items && { items }),
    });
  }

  /** The items of a value, one where it is no list; or what is wrong with it. */
  #textsOf(option: Option<unknown>, node: unknown): readonly string[] | string {
    const { separator, readItems, isPairs } = option;
    const { isMap, isSeq, isAlias } = this.#yaml;
    if (isAlias(node)) return 'must be a value, not an alias';
    if (isMap(node)) return isPairs ? this.#pairsOf(node) : 'must be a value, not a map';
    if (!isSeq(node)) {
      const text = this.#scalarText(node);
      return text === undefined ? 'has no value; an empty one is written ""' : [text];
    }
    if (separator === undefined) return 'must be one value, not a list';
    const texts = node.items.map((item) => this.#scalarText(item));
    const found = texts.filter((text) => text !== undefined);
    if (found.length < texts.length) return 'must be a list of values';
    // an item of its own is not split again
    if (readItems === undefined && found.some((text) => text.includes(separator)))
      return `must have one value in each item of the list, without ${quote(separator)}`;
    return found;
  }

  /** `NAME=VALUE` for each pair of a map; or what is wrong with it. */
  #pairsOf({ items }: YamlMap): readonly string[] | string {
    const pairs = items.map(({ key, value }) => [this.#scalarText(key), this.#scalarText(value)]);
    const isWhole = pairs.every((pair) => pair.every((text) => text !== undefined));
    return isWhole
      ? pairs.map((pair) => pair.join('='))
      : 'must have a value for each name; an empty one is written ""';
  }

  /** A scalar as it is written; undefined for anything else, and for a null. */
  #scalarText(node: unknown): string | undefined {
    const { isScalar } = this.#yaml;
    if (!isScalar(node) || node.value === null) return undefined;
    // a number is not normalised: 0x10 is no port, and 1.10 may be a version
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  #report(at: number, problem: string): void {
    this.#problems.push(this.#label(at, problem));
  }

  #label(at: number, rest: string): string {
    return `${this.#path}:${this.#placeOf(at).join(':')}: ${rest}`;
  }

  #placeOf(at: number): readonly [line: number, column: number] {
    const { line, col } = this.#lines.linePos(at);
    return [Math.max(1, line), Math.max(1, col)];
  }
}

function startOf(node: unknown): number {
  const { range } = (node ?? {}) as { readonly range?: readonly number[] | null };
  return range?.[0] ?? 0;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
