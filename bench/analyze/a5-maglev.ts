/**
 * Section 5.3 of the Maglev paper again: how evenly three ways fill a table with 1,000 backends, and how much of
 * Maglev's table changes when some of them fail at once. Pure but for the clock of the build times.
 */
import { maglevPlacement } from '../../lib/core/hashing/maglev.ts';
import { ringPlacement } from '../../lib/core/hashing/ring.ts';
import type { Member } from '../../lib/core/replica.ts';
import { MAGLEV } from './published.ts';
import { seeded, shuffled } from './random.ts';
import { arcShares, buildRendezvous } from './rivals.ts';
import { movedShare, spreadOf, tally } from './statistics.ts';

export type Method = 'maglev' | 'karger' | 'rendezvous';

/** The busiest and the idlest backend beside the mean, as 0.1 for 10 % above it; over the draws of names. */
export interface Balance {
  readonly method: Method;
  readonly slots: number;
  readonly draws: number;
  readonly over: { readonly mean: number; readonly low: number; readonly high: number };
  readonly under: number;
}

export interface Changed {
  readonly slots: number;
  readonly failures: number;
  readonly repetitions: number;
  /** Mean share of entries that changed. */
  readonly changed: number;
}

export interface MaglevStudy {
  readonly backends: number;
  readonly balances: readonly Balance[];
  /** Karger's circle without a table: the largest arc beside the mean. */
  readonly arcs: Balance['over'];
  readonly changes: readonly Changed[];
  readonly builds: readonly { readonly slots: number; readonly ms: number }[];
}

/** Sizes of the study; smaller in tests. */
export interface MaglevSizes {
  readonly backends: number;
  readonly tables: readonly {
    readonly slots: number;
    readonly draws: number;
    readonly repetitions: number;
  }[];
  readonly failures: readonly number[];
  readonly seed: number;
}

export const PAPER_SIZES: Omit<MaglevSizes, 'seed'> = {
  backends: MAGLEV.backends,
  tables: [
    { slots: MAGLEV.small, draws: 5, repetitions: 20 },
    { slots: MAGLEV.large, draws: 1, repetitions: 5 },
  ],
  failures: [1, 2, 5, 10, 20, 30, 40, 50],
};

export function backends(draw: number, count: number): readonly Member[] {
  return Array.from({ length: count }, (_, ordinal) => ({
    name: `backend-${draw}-${ordinal}`,
    id: ordinal + 1,
    ordinal,
  }));
}

const BUILDERS: Readonly<Record<Method, (members: readonly Member[], table: Uint16Array) => void>> = {
  maglev: (members, table) => maglevPlacement(table.length).build(members, table),
  karger: (members, table) => ringPlacement(table.length, MAGLEV.views).build(members, table),
  rendezvous: buildRendezvous,
};

const rangeOf = (values: readonly number[]) => ({
  mean: values.reduce((sum, value) => sum + value, 0) / values.length,
  low: Math.min(...values),
  high: Math.max(...values),
});

function balanceOf(method: Method, slots: number, draws: number, count: number): Balance {
  const spreads = Array.from({ length: draws }, (_, draw) => {
    const table = new Uint16Array(slots);
    BUILDERS[method](backends(draw, count), table);
    return spreadOf(tally(table, count));
  });
  return {
    method,
    slots,
    draws,
    over: rangeOf(spreads.map(({ imbalance }) => imbalance - 1)),
    under: rangeOf(spreads.map(({ least, mean }) => 1 - least / mean)).mean,
  };
}

/** Mean share of Maglev's entries that change when `failures` backends go at once. */
export function changedBy(
  failures: number,
  table: { readonly slots: number; readonly repetitions: number },
  { backends: count, seed }: Pick<MaglevSizes, 'backends' | 'seed'>,
): Changed {
  const { slots, repetitions } = table;
  const placement = maglevPlacement(slots);
  const members = backends(0, count);
  const before = new Uint16Array(slots);
  const after = new Uint16Array(slots);
  placement.build(members, before);
  const random = seeded(seed, failures);
  let sum = 0;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    placement.build(shuffled(members, random).slice(failures), after);
    sum += movedShare(before, after);
  }
  return { slots, failures, repetitions, changed: sum / repetitions };
}

/** Milliseconds that Maglev takes for a table, the fastest of six: other work can only slow one down. */
export function buildMs(slots: number, count: number): number {
  const placement = maglevPlacement(slots);
  const table = new Uint16Array(slots);
  const members = backends(0, count);
  const times = Array.from({ length: 6 }, () => {
    const startMs = performance.now();
    placement.build(members, table);
    return performance.now() - startMs;
  });
  return Math.min(...times);
}

export async function studyMaglev(
  sizes: MaglevSizes,
  onProgress: (share: number, doing: string) => Promise<void>,
): Promise<MaglevStudy> {
  const balances: Balance[] = [];
  const changes: Changed[] = [];
  const steps = sizes.tables.length * (3 + sizes.failures.length);
  const progress = (doing: string) => onProgress((balances.length + changes.length) / steps, doing);
  for (const table of sizes.tables) {
    for (const method of ['maglev', 'karger', 'rendezvous'] as const) {
      await progress(`${method} at ${table.slots} entries`);
      balances.push(balanceOf(method, table.slots, table.draws, sizes.backends));
    }
    for (const failures of sizes.failures) {
      await progress(`${failures} failures at ${table.slots} entries`);
      changes.push(changedBy(failures, table, sizes));
    }
  }
  const arcs = Array.from(
    { length: 5 },
    (_, draw) => spreadOf(arcShares(backends(draw, sizes.backends), MAGLEV.views)).imbalance - 1,
  );
  return {
    backends: sizes.backends,
    balances,
    arcs: rangeOf(arcs),
    changes,
    builds: sizes.tables.map(({ slots }) => ({ slots, ms: buildMs(slots, sizes.backends) })),
  };
}
