/** The experiments in their order, and what becomes of a run of them. */
import type { Host } from '../proxy/machine.ts';
import { type Repeated, runA1 } from './a1.ts';
import { viewA1 } from './a1-view.ts';
import { type A2, runA2 } from './a2.ts';
import { viewA2 } from './a2-view.ts';
import { type A3, runA3 } from './a3.ts';
import { viewA3 } from './a3-view.ts';
import { type A4, runA4 } from './a4.ts';
import { viewA4 } from './a4-view.ts';
import { type A5, runA5 } from './a5.ts';
import { viewA5 } from './a5-view.ts';
import { type A6, runA6 } from './a6.ts';
import { viewA6 } from './a6-view.ts';
import { type A7, runA7 } from './a7.ts';
import { viewA7 } from './a7-view.ts';
import { type A8, runA8 } from './a8.ts';
import { viewA8 } from './a8-view.ts';
import type { Lab } from './lab.ts';
import type { ExperimentId, StudyOptions } from './options.ts';
import type { Progress } from './progress.ts';
import type { Section } from './section.ts';

export interface Results {
  readonly a1?: Repeated;
  readonly a2?: A2;
  readonly a3?: A3;
  readonly a4?: A4;
  readonly a5?: A5;
  readonly a6?: A6;
  readonly a7?: A7;
  readonly a8?: A8;
}

/** What the results hold for. */
export interface Facts {
  /** Day of the run, as `2026-01-31`. */
  readonly date: string;
  readonly seconds: number;
  readonly host: Host;
  /** Of the program that was studied, or of the study where that ran already. */
  readonly version: string;
  /** Runnable processes before the start; above the number of cores, others were at work. */
  readonly loadBefore: number;
  readonly options: Pick<StudyOptions, 'only' | 'driver' | 'requests' | 'concurrency' | 'seed' | 'seeds'> & {
    readonly url: string | null;
  };
}

interface Experiment {
  readonly title: string;
  /** About how many seconds it takes, for the progress bar. */
  readonly weight: number;
  run(lab: Lab): Promise<unknown>;
}

const EXPERIMENT: Readonly<Record<ExperimentId, Experiment>> = {
  a1: { title: 'A-1 distribution', weight: 4, run: runA1 },
  a2: { title: 'A-2 scaling', weight: 24, run: runA2 },
  a3: { title: 'A-3 failure', weight: 30, run: runA3 },
  a4: { title: 'A-4 hash functions', weight: 12, run: runA4 },
  a5: { title: 'A-5 literature', weight: 30, run: runA5 },
  a6: { title: 'A-6 scale', weight: 12, run: runA6 },
  a7: { title: 'A-7 autoscaling', weight: 325, run: (lab) => runA7(lab) },
  a8: { title: 'A-8 one slow replica', weight: 150, run: (lab) => runA8(lab) },
};

/** How much there is to do, in the terms of `runAll`. */
export function weightOf(ids: readonly ExperimentId[]): number {
  return ids.reduce((sum, id) => sum + EXPERIMENT[id].weight, 0);
}

/** Runs the experiments that the options name. */
export async function runAll(lab: Omit<Lab, 'progress'>, progress: Progress): Promise<Results> {
  const results: Partial<Record<ExperimentId, unknown>> = {};
  for (const id of lab.options.only) {
    const { title, weight, run } = EXPERIMENT[id];
    progress.begin(title, weight);
    results[id] = await run({ ...lab, progress: (share, doing) => progress.update(share, doing) });
  }
  return results as Results;
}

/** The report's sections, in the order of the experiments. */
export function sectionsOf({ a1, a2, a3, a4, a5, a6, a7, a8 }: Results): readonly Section[] {
  return [
    a1 && viewA1(a1),
    a2 && viewA2(a2),
    a3 && viewA3(a3),
    a4 && viewA4(a4),
    a5 && viewA5(a5),
    a6 && viewA6(a6),
    a7 && viewA7(a7),
    a8 && viewA8(a8),
  ].filter((section) => section !== undefined);
}

/** `seed 1`, or `seeds 1 to 10`. */
export function seedsIn({ seed, seeds }: Pick<StudyOptions, 'seed' | 'seeds'>): string {
  return seeds === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + seeds - 1}`;
}

/** One sentence on what the figures hold for. */
export function circumstances({ host, options, date, seconds, loadBefore, version }: Facts): string {
  const balancer = options.url === null ? `driver ${options.driver}` : `the balancer at ${options.url}`;
  const busy =
    loadBefore > host.cores / 2
      ? ` Others were at work on the machine when it began (load ${loadBefore.toFixed(1)}), so times are worse than they could be.`
      : '';
  return `ringlb ${version}, ${date}, ${Math.round(seconds)} s; ${host.cpu}, ${host.cores} cores, ${host.memoryGiB} GiB, Linux ${host.kernel}, Node ${host.node}; ${balancer}, ${options.requests} requests, ${options.concurrency} at a time, ${seedsIn(options)}.${busy}`;
}
