/**
 * One contender with one size of fleet: times by tinybench, shares and moves by counting.
 * Times are medians; a lookup is timed in batches, for one call is shorter than reading the clock.
 */
import { randomUUID } from 'node:crypto';
import { Bench, type Task } from 'tinybench';
import { CountedIds } from '../../lib/proxy/headers/request-ids.ts';
import type { Contender, Fleet, Keys } from './contenders.ts';

/** Times, by what was timed; undefined where a contender has no such thing. */
export interface Times {
  /** Lookups of keys of 6, 10 and 36 bytes. */
  readonly shortNs: number;
  readonly mediumNs: number;
  readonly uuidNs: number;
  /** The balancer's own: of an id that is made, a string of 10 characters, a whole number. */
  readonly idNs: number | undefined;
  readonly textNs: number | undefined;
  readonly numberNs: number | undefined;
  readonly buildMs: number;
  readonly changeMs: number;
}

/** What does not depend on the machine. */
export interface Quality {
  readonly setting: string;
  readonly tableBytes: number;
  /** Largest share ÷ mean share. */
  readonly imbalance: number;
  /** Keys whose owner changed when one replica went, as a share of all keys. */
  readonly moved: number;
  /** Those among them that the replica had not owned. */
  readonly movedOfOthers: number;
}

/** More than npm hashring's cache of 5,000 holds, so each of its lookups is one. */
const BATCH = 8192;
/** Keys whose owners are counted. */
export const KEYS = 500_000;

/** As header values are: flat, one byte a character. */
const flat = (text: string) => Buffer.from(text, 'latin1').toString('latin1');

function batchOf(key: (index: number) => string): Keys {
  const texts = Array.from({ length: BATCH }, (_, index) => flat(key(index)));
  const starts = new Uint32Array(BATCH + 1);
  for (const [index, { length }] of texts.entries()) starts[index + 1] = starts[index]! + length;
  const all = Buffer.from(texts.join(''), 'latin1');
  return { texts, bytes: new DataView(all.buffer, all.byteOffset, all.length), starts };
}

const SHORT = batchOf((index) => String(100_000 + ((index * 7919) % 900_000)));
const MEDIUM = batchOf((index) => `user-${10_000 + ((index * 7919) % 90_000)}`);
const UUIDS = batchOf(() => randomUUID());
const NUMBERS = Uint32Array.from(SHORT.texts, Number);

const IDS = new CountedIds();

/** What all timed work adds up to, which the report asks for, so that no compiler may drop the work. */
let work = 0;

export function workDone(): number {
  return work;
}

/** The median time of each call in ms, by its name. */
function mediansMs(runs: Readonly<Record<string, () => number>>): Map<string, number> {
  const bench = new Bench({ time: 120, iterations: 3, warmupTime: 60, warmupIterations: 1 });
  for (const [name, run] of Object.entries(runs)) {
    bench.add(name, () => {
      work += run();
    });
  }
  bench.runSync();
  return new Map(bench.tasks.map((task) => [task.name, medianMs(task)]));
}

function medianMs({ name, result }: Task): number {
  if (result.state === 'completed') return result.latency.p50;
  if (result.state === 'errored') throw result.error;
  throw new Error(`${name} was not measured`);
}

/** Times `contender` with a fleet of this size, the first in the process; takes two seconds. */
export function timesOf(contender: Contender, replicas: number): Times {
  const fleet = contender.create(replicas);
  const { own } = fleet;
  const lookups = mediansMs({
    short: () => fleet.lookUp(SHORT),
    medium: () => fleet.lookUp(MEDIUM),
    uuid: () => fleet.lookUp(UUIDS),
    ...(own && {
      id: () => own.lookUpIds(IDS, BATCH),
      text: () => own.lookUpTexts(MEDIUM.texts),
      number: () => own.lookUpNumbers(NUMBERS),
    }),
  });
  const one = Math.floor(replicas / 2);
  let isThere = true;
  // behind the lookups: where several fleets were made, V8 makes lookups of 14 ns of those of 12
  const changes = mediansMs({
    build: () => contender.create(replicas).ownerOf('a'),
    change: () => {
      if (isThere) fleet.remove(one);
      else fleet.add(one);
      isThere = !isThere;
      return fleet.ownerOf('a');
    },
  });
  if (!isThere) fleet.add(one);
  const lookupNs = (name: string) => (lookups.get(name)! * 1e6) / BATCH;
  return {
    shortNs: lookupNs('short'),
    mediumNs: lookupNs('medium'),
    uuidNs: lookupNs('uuid'),
    idNs: own && lookupNs('id'),
    textNs: own && lookupNs('text'),
    numberNs: own && lookupNs('number'),
    buildMs: changes.get('build')!,
    changeMs: changes.get('change')!,
  };
}

function ownersOf(fleet: Fleet): Uint16Array {
  const owners = new Uint16Array(KEYS);
  for (let index = 0; index < KEYS; index++) owners[index] = fleet.ownerOf(`user-${index}`);
  return owners;
}

/** What the heap holds after collections, typed arrays included. */
function heldBytes(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What the heap grows by when one more fleet is made. */
function grownBytes(contender: Contender, replicas: number): number {
  const before = heldBytes();
  const fleet = contender.create(replicas);
  const grown = heldBytes() - before;
  work += fleet.ownerOf('a');
  return grown;
}

/** Counts owners of a fleet of this size, the first in the process; takes seconds. */
export function qualityOf(contender: Contender, replicas: number): Quality {
  const fleet = contender.create(replicas);
  const before = ownersOf(fleet);
  const counts = new Uint32Array(replicas);
  for (const owner of before) counts[owner]!++;
  const gone = Math.floor(replicas / 2);
  fleet.remove(gone);
  const after = ownersOf(fleet);
  let moved = 0;
  for (let index = 0; index < KEYS; index++) if (before[index] !== after[index]) moved++;
  return {
    setting: contender.setting(replicas),
    tableBytes: fleet.tableBytes ?? grownBytes(contender, replicas),
    imbalance: Math.max(...counts) / (KEYS / replicas),
    moved: moved / KEYS,
    movedOfOthers: (moved - counts[gone]!) / KEYS,
  };
}
