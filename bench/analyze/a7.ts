/**
 * autoscaling of real processes under loads that step, ramp, tremble, spike and end: what it wants, what is ready,
 * what is in flight and waits, and what clients notice. Each load has a balancer of its own, with short windows, so that
 * minutes show what takes an hour with the defaults.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { History } from '../../lib/api/snapshot.ts';
import { type Balancer, openBalancer } from './balancer.ts';
import { Client } from './client.ts';
import type { Lab } from './lab.ts';
import { seeded } from './random.ts';

/** Of a replica, for each request, and before it listens. */
export const SERVICE_MS = 250;
export const START_MS = 300;
/** Requests in flight and waiting for each replica. */
export const TARGET = 8;
export const MOST_REPLICAS = 10;
/** What a replica takes at a time; the others wait. */
export const MAX_IN_FLIGHT = 16;
export const UP_WINDOW_S = 2;
export const WINDOW_S = 8;
export const DOWN_WINDOW_S = 15;
export const IDLE_S = 6;
const DOWN_STEP = 8;
const TICK_MS = 250;

/** A load over time. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly seconds: number;
  /** Clients with a request under way, at a second of the experiment. */
  readonly clientsAt: (second: number, random: () => number) => number;
  /** The fleet may go to zero. */
  readonly toZero?: boolean;
}

const LOW = 6;
const HIGH = 60;

export const SCENARIOS: readonly Scenario[] = [
  { id: 'step', title: 'Step', seconds: 45, clientsAt: (s) => (s >= 8 ? HIGH : LOW) },
  {
    id: 'ramp',
    title: 'Ramp',
    seconds: 70,
    clientsAt: (s) => LOW + Math.round((HIGH - LOW) * Math.max(0, Math.min(1, (s - 6) / 30, (60 - s) / 10))),
  },
  {
    id: 'noise',
    title: 'Noise of 30 %',
    seconds: 50,
    clientsAt: (_, random) => Math.round(28 * (0.7 + 0.6 * random())),
  },
  {
    id: 'spike',
    title: 'Spike of 30 s',
    seconds: 100,
    clientsAt: (s) => (s >= 8 && s < 38 ? 2 * HIGH : LOW),
  },
  {
    id: 'zero',
    title: 'To zero and back',
    seconds: 45,
    clientsAt: (s) => (s < 6 || s >= 30 ? LOW : 0),
    toZero: true,
  },
];

/** One second. */
export interface Second {
  readonly atS: number;
  readonly desired: number;
  readonly ready: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly p99Ms: number | null;
  /** Responses of 5xx. */
  readonly failed: number;
}

export interface Run {
  readonly id: string;
  readonly title: string;
  readonly seconds: readonly Second[];
  readonly requests: number;
  /** Responses other than 200, and requests without one. */
  readonly failed: number;
  readonly worstMs: number;
}

export interface A7 {
  readonly runs: readonly Run[];
}

/** Clients that each ask again as soon as they have a response; how many is set anew at any time. */
class Crowd {
  readonly #client: Client;
  #wanted = 0;
  readonly #clients = new Map<number, Promise<void>>();
  requests = 0;
  failed = 0;
  worstMs = 0;

  constructor(url: URL, most: number) {
    this.#client = new Client(url, most);
  }

  set(count: number): void {
    this.#wanted = count;
    for (let number = 0; number < count; number++)
      if (!this.#clients.has(number)) this.#clients.set(number, this.#run(number));
  }

  async end(): Promise<void> {
    this.set(0);
    await Promise.all(this.#clients.values());
    this.#client.close();
  }

  /** The client of a number leaves when fewer are wanted. */
  async #run(number: number): Promise<void> {
    while (number < this.#wanted) {
      const startMs = performance.now();
      const isServed = await this.#client.ask('GET', '/').then(
        ({ status }) => status === 200,
        () => false,
      );
      this.requests++;
      if (!isServed) this.failed++;
      this.worstMs = Math.max(this.worstMs, performance.now() - startMs);
    }
    this.#clients.delete(number);
  }
}

function argumentsOf({ toZero = false }: Scenario): readonly string[] {
  const server = `http.createServer((q, s) => q.url === '/heartbeat' ? s.end() : setTimeout(() => s.end('done'), ${SERVICE_MS}))`;
  const command = `exec node -e "setTimeout(() => ${server}.listen(process.env.PORT), ${START_MS})"`;
  const windows = `--scale-up-window ${UP_WINDOW_S}s --scale-window ${WINDOW_S}s --scale-down-window ${DOWN_WINDOW_S}s`;
  const zero = `--scale-min 0 --scale-idle ${IDLE_S}s --start-timeout 10s --queue-timeout 15s`;
  const scale = `--replicas 1 --scale-max ${MOST_REPLICAS} --scale-target ${TARGET} --scale-down-step ${DOWN_STEP}`;
  const most = `--max-in-flight ${MAX_IN_FLIGHT}`;
  return ['--command', command, ...`${most} ${scale} ${windows} ${toZero ? zero : ''}`.trim().split(' ')];
}

export async function runA7(lab: Lab, scenarios: readonly Scenario[] = SCENARIOS): Promise<A7> {
  const total = scenarios.reduce((sum, { seconds }) => sum + seconds, 0);
  const runs: Run[] = [];
  let doneS = 0;
  for (const scenario of scenarios) {
    const progress = (second: number): void => lab.progress((doneS + second) / total, scenario.title);
    // a balancer that runs already has replicas and bounds of its own
    const options = { ...lab.options, url: undefined, adminUrl: undefined, driver: 'process' as const };
    const balancer = await openBalancer(options, undefined, argumentsOf(scenario));
    try {
      runs.push(await runOne(scenario, balancer, { seed: lab.options.seed, progress }));
    } finally {
      await balancer.close();
    }
    doneS += scenario.seconds;
  }
  return { runs };
}

async function runOne(
  { id, title, seconds, clientsAt }: Scenario,
  balancer: Balancer,
  { seed, progress }: { readonly seed: number; readonly progress: (second: number) => void },
): Promise<Run> {
  const random = seeded(seed, 0xa7);
  const most = Math.max(...Array.from({ length: seconds }, (_, second) => clientsAt(second, () => 1)));
  const crowd = new Crowd(balancer.url, most);
  const startedAtMs = Date.now();
  const startMs = performance.now();
  try {
    for (let tick = 0; tick * TICK_MS < seconds * 1000; tick++) {
      const second = (tick * TICK_MS) / 1000;
      if (Number.isInteger(second)) {
        crowd.set(clientsAt(second, random));
        progress(second);
      }
      await delay(Math.max(0, startMs + (tick + 1) * TICK_MS - performance.now()));
    }
    const history = await balancer.control.history();
    return { id, title, seconds: secondsIn(history, startedAtMs), ...summaryOf(crowd) };
  } finally {
    await crowd.end();
  }
}

function summaryOf({ requests, failed, worstMs }: Crowd): Pick<Run, 'requests' | 'failed' | 'worstMs'> {
  return { requests, failed, worstMs };
}

/** The balancer samples itself each second. */
export function secondsIn(history: History, startedAtMs: number): readonly Second[] {
  const { atMs, desired, ready, inFlight, queued, p99Ms, byClass } = history;
  return atMs.flatMap((ms, at) => {
    if (ms < startedAtMs) return [];
    return {
      atS: Math.round((ms - startedAtMs) / 100) / 10,
      desired: desired[at] ?? 0,
      ready: ready[at] ?? 0,
      inFlight: inFlight[at] ?? 0,
      waiting: queued[at] ?? 0,
      p99Ms: p99Ms[at] ?? null,
      failed: byClass[3]?.[at] ?? 0,
    };
  });
}
