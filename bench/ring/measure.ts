/**
 * The figures of one contender with one size of fleet: times by tinybench, shares and moves by counting.
 * Times are medians; a lookup is timed in batches, for one call is shorter than reading the clock.
 */
import { randomUUID } from 'node:crypto';
import { Bench, type Task } from 'tinybench';
import { CountedIds } from '../../lib/proxy/request-ids.ts';
import type { Contender, Fleet, Keys } from './contenders.ts';

export interface Figures {
  readonly name: string;
  readonly setting: string;
  readonly replicas: number;
  /** Keys of 6, 10 and 36 bytes. */
  readonly lookupShortNs: number;
  readonly lookupNs: number;
  readonly lookupUuidNs: number;
  /** The balancer's own: an id that is made, a string of 10 characters, a whole number. */
  readonly lookupIdNs: number | undefined;
  readonly lookupTextNs: number | undefined;
  readonly lookupNumberNs: number | undefined;
  readonly buildMs: number;
  readonly changeMs: number;
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

function medianMs(task: Task | undefined): number {
  const result = task?.result;
  if (result?.state === 'completed') return result.latency.p50;
  if (result?.state === 'errored') throw result.error;
  throw new Error(`${task?.name ?? 'a task'} was not measured`);
}

type Times = Omit<Figures, 'name' | 'setting' | 'replicas' | 'tableBytes' | keyof Quality>;
type Quality = Pick<Figures, 'imbalance' | 'moved' | 'movedOfOthers'>;

function timesOf(contender: Contender, fleet: Fleet, replicas: number): Times {
  const bench = new Bench({ time: 120, iterations: 3, warmupTime: 60, warmupIterations: 1 });
  const add = (name: string, run: () => number) =>
    bench.add(name, () => {
      work += run();
    });
  const one = Math.floor(replicas / 2);
  let isThere = true;
  add('short', () => fleet.lookUp(SHORT));
  add('medium', () => fleet.lookUp(MEDIUM));
  add('uuid', () => fleet.lookUp(UUIDS));
  const { own } = fleet;
  if (own) {
    add('id', () => own.lookUpIds(IDS, BATCH));
    add('text', () => own.lookUpTexts(MEDIUM.texts));
    add('number', () => own.lookUpNumbers(NUMBERS));
  }
  add('build', () => contender.create(replicas).ownerOf('a'));
  add('change', () => {
    if (isThere) fleet.remove(one);
    else fleet.add(one);
    isThere = !isThere;
    return fleet.ownerOf('a');
  });
  bench.runSync();
  if (!isThere) fleet.add(one);

  const lookupNs = (name: string) => (medianMs(bench.getTask(name)) * 1e6) / BATCH;
  return {
    lookupShortNs: lookupNs('short'),
    lookupNs: lookupNs('medium'),
    lookupUuidNs: lookupNs('uuid'),
    lookupIdNs: own && lookupNs('id'),
    lookupTextNs: own && lookupNs('text'),
    lookupNumberNs: own && lookupNs('number'),
    buildMs: medianMs(bench.getTask('build')),
    changeMs: medianMs(bench.getTask('change')),
  };
}

function ownersOf(fleet: Fleet): Uint16Array {
  const owners = new Uint16Array(KEYS);
  for (let index = 0; index < KEYS; index++) owners[index] = fleet.ownerOf(`user-${index}`);
  return owners;
}

function qualityOf(fleet: Fleet, replicas: number): Quality {
  const before = ownersOf(fleet);
  const counts = new Uint32Array(replicas);
  for (const owner of before) counts[owner]!++;
  const gone = Math.floor(replicas / 2);
  fleet.remove(gone);
  const after = ownersOf(fleet);
  let moved = 0;
  for (let index = 0; index < KEYS; index++) if (before[index] !== after[index]) moved++;
  return {
    imbalance: Math.max(...counts) / (KEYS / replicas),
    moved: moved / KEYS,
    movedOfOthers: (moved - counts[gone]!) / KEYS,
  };
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

/** Measures `contender` with a fleet of this size, the first in the process; takes seconds. */
export function measure(contender: Contender, replicas: number): Figures {
  const fleet = contender.create(replicas);
  return {
    name: contender.name,
    setting: contender.setting(replicas),
    replicas,
    ...timesOf(contender, fleet, replicas),
    ...qualityOf(fleet, replicas),
    tableBytes: fleet.tableBytes ?? grownBytes(contender, replicas),
  };
}
