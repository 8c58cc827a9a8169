/**
 * what a client notices of a death, a hang, growth and shrinking, under a steady load; and how long the fleet is
 * short of a replica after each of 20 kills. Every endpoint is checked first.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { A1_REPLICAS, warmUp } from './a1.ts';
import type { Balancer } from './balancer.ts';
import { checkEndpoints, type EndpointResult } from './endpoints.ts';
import { type Fault, faultProblem, makeFault } from './faults.ts';
import { resizeTo, restore } from './fleet-size.ts';
import { type Lab, part } from './lab.ts';
import { requestIds } from './random.ts';
import { type Sample, SteadyLoad } from './steady.ts';
import { type Bucket, timelineOf } from './timeline.ts';
import { type Look, Watch } from './watch.ts';

/** Sizes of the experiment; smaller in tests. */
const FULL = { perSecond: 400, kills: 20, calmMs: 2000 };
type Sizes = typeof FULL;
const SLOW_MS = 1000;
/** Between two kills: as much as connections need to settle. */
const BETWEEN_KILLS_MS = 150;

/** Something that was done to the fleet under load. */
export interface Moment {
  readonly what: string;
  readonly atMs: number;
  /** Until all replicas there should be were healthy again. */
  readonly wholeAfterMs: number;
  /** Requests that ended from then until the next moment: all, those that no replica answered, those over a second. */
  readonly requests: number;
  readonly failed: number;
  readonly slow: number;
  readonly worstMs: number;
}

export interface A3 {
  readonly endpoints: readonly EndpointResult[];
  readonly perSecond: number;
  readonly moments: readonly Moment[];
  readonly buckets: readonly Bucket[];
  readonly looks: readonly Look[];
  readonly requests: number;
  readonly failures: readonly string[];
  readonly failed: number;
  /** Milliseconds until the fleet was whole after each kill. */
  readonly killsMs: readonly number[];
  readonly killRequests: number;
  readonly killFailed: number;
  /** What of it could not be done here. */
  readonly left: readonly string[];
}

export async function runA3(lab: Lab, sizes: Sizes = FULL): Promise<A3> {
  const balancer = await lab.balancer();
  const names = await balancer.control.names();
  try {
    await resizeTo(balancer.control, A1_REPLICAS);
    lab.progress(0, 'endpoints');
    const endpoints = await checkEndpoints(balancer);
    await warmUp(await lab.balancer(), lab.options);
    const replicas = await balancer.control.replicas();
    const problem = replicas
      .map((replica) => faultProblem(balancer, replica))
      .find((each) => each !== undefined);
    const timeline = await runTimeline(lab, balancer, sizes, problem);
    const kills =
      problem === undefined
        ? await runKills(lab, balancer, sizes)
        : { killsMs: [], killRequests: 0, killFailed: 0 };
    const left = problem === undefined ? [] : [`no replica was killed or hung: ${problem}`];
    return { endpoints, perSecond: sizes.perSecond, ...timeline, ...kills, left };
  } finally {
    await restore(balancer.control, names);
  }
}

interface Begun {
  readonly what: string;
  readonly atMs: number;
  wholeAfterMs: number;
}

/** The steady load with everything that is done to the fleet, one after another. */
async function runTimeline(
  lab: Lab,
  balancer: Balancer,
  { perSecond, calmMs }: Sizes,
  faultsProblem: string | undefined,
) {
  const { url, control } = balancer;
  const load = new SteadyLoad(url, requestIds(lab.options.seed, lab.options.requests), perSecond);
  const watch = new Watch(control, load);
  const begun: Begun[] = [];
  const steps = faultsProblem === undefined ? STEPS : STEPS.filter(({ fault }) => fault === undefined);
  try {
    await delay(calmMs);
    for (const { what, fault, act } of steps) {
      lab.progress(0.05 + (0.6 * begun.length) / steps.length, what);
      const before = await control.replicas();
      const moment = { what, atMs: load.nowMs, wholeAfterMs: 0 };
      begun.push(moment);
      if (fault !== undefined) await makeFault(balancer, before[0]!, fault);
      else await act!(balancer);
      await watch.untilWhole(fault && before[0]);
      moment.wholeAfterMs = load.nowMs - moment.atMs;
      await delay(calmMs);
    }
  } finally {
    await watch.stop();
    await load.end();
  }
  return { ...timelineResult(load.samples, begun), looks: watch.looks };
}

/** What the requests say of each moment, and of the whole time. */
export function timelineResult(samples: readonly Sample[], begun: readonly Begun[]) {
  const failures = samples.flatMap(({ failure }) => failure ?? []);
  const moments: readonly Moment[] = begun.map((moment, at) => {
    const untilMs = begun[at + 1]?.atMs ?? Number.POSITIVE_INFINITY;
    // by their ends: one that was due before a hang and met it is the hang's
    const during = samples.filter(({ doneMs }) => doneMs >= moment.atMs && doneMs < untilMs);
    return { ...moment, ...outcomeOf(during) };
  });
  return {
    moments,
    buckets: timelineOf(samples),
    requests: samples.length,
    failures: failures.slice(0, 5),
    failed: failures.length,
  };
}

function outcomeOf(samples: readonly Sample[]): Pick<Moment, 'requests' | 'failed' | 'slow' | 'worstMs'> {
  const waitsMs = samples.map(({ dueMs, doneMs }) => doneMs - dueMs);
  return {
    requests: samples.length,
    failed: samples.filter(({ failure }) => failure !== undefined).length,
    slow: waitsMs.filter((waitMs) => waitMs > SLOW_MS).length,
    worstMs: Math.max(0, ...waitsMs),
  };
}

interface TimelineStep {
  readonly what: string;
  readonly fault?: Fault;
  readonly act?: (balancer: Balancer) => Promise<unknown>;
}

const ADDED = ['study-1', 'study-2'];
const STEPS: readonly TimelineStep[] = [
  { what: 'kill one', fault: 'kill' },
  { what: 'hang one', fault: 'hang' },
  { what: 'add two', act: ({ control }) => control.add(ADDED) },
  { what: 'remove two', act: ({ control }) => control.remove(ADDED) },
];

/** Kills one replica after another, each in its turn, and times how long the fleet is short of it. */
async function runKills(lab: Lab, balancer: Balancer, { perSecond, kills }: Sizes) {
  const ids = requestIds(lab.options.seed, lab.options.requests);
  const load = new SteadyLoad(balancer.url, ids, perSecond);
  const watch = new Watch(balancer.control, load);
  const progress = part(lab, 0.65, 1, `${kills} kills`);
  const killsMs: number[] = [];
  try {
    while (killsMs.length < kills) {
      const replicas = await balancer.control.replicas();
      const victim = replicas[killsMs.length % replicas.length]!;
      await delay(BETWEEN_KILLS_MS);
      const startMs = performance.now();
      await makeFault(balancer, victim, 'kill');
      await watch.untilWhole(victim);
      killsMs.push(performance.now() - startMs);
      progress(killsMs.length / kills);
    }
  } finally {
    await watch.stop();
    await load.end();
  }
  return { killsMs, killRequests: load.samples.length, killFailed: load.failed };
}
