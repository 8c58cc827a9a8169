/**
 * `bench/results/<case>.json`: one case's rows with what they hold for, so that a table can be made from them later.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES } from './cases.ts';
import type { Machine } from './machine.ts';
import type { Row } from './stats.ts';

export interface Result {
  readonly case: string;
  readonly title: string;
  /** Day of the run, as `2026-01-31`. */
  readonly date: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  /** Peer to version, of those in the rows. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

/** Rounds numbers to five significant digits, which is beyond what they are good for. */
function tidy(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

/** Writes a result over the one that the case had. */
export function writeResult(dir: string, result: Result): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${result.case}.json`), `${JSON.stringify(result, tidy, 2)}\n`);
}

/** The results that are there, in the order of the cases. */
export function readResults(dir: string): Result[] {
  const names = readdirSync(dir);
  return CASES.map((each) => `${each.name}.json`)
    .filter((name) => names.includes(name))
    .map((name) => JSON.parse(readFileSync(join(dir, name), 'utf8')) as Result);
}
