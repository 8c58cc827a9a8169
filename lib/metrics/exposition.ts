/**
 * Writes families as text, in the Prometheus or the OpenMetrics format, whichever the scraper prefers. The only importer
 * of prom-client, which writes both and collects the metrics of the process: memory, descriptors, CPU time.
 * Source: Prometheus exposition formats 0.0.4; OpenMetrics 1.0.0.
 */
import { setImmediate } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import type { Family } from './family.ts';

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/**
 * Default metrics of prom-client that are left out: gauges named like counters, and event-loop lag and garbage
 * collection of the main thread alone, which `thread-health.ts` has for every thread.
 */
const LEFT_OUT = /^nodejs_(active_|eventloop_lag|gc_)/;
const OPEN_METRICS = 'application/openmetrics-text';
/** Media types that ask for the Prometheus format. */
const TEXT: ReadonlySet<string> = new Set(['text/plain', 'text/*', '*/*']);

export class Exposer {
  readonly #process = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#process });
    // prom-client counts from now on; CPU time that the process has used before belongs to the counter too
    this.#replace('process_cpu_user_seconds_total', ({ user }) => user);
    this.#replace('process_cpu_system_seconds_total', ({ system }) => system);
    this.#replace('process_cpu_seconds_total', ({ user, system }) => user + system);
    for (const { name } of this.#process.getMetricsAsArray())
      if (LEFT_OUT.test(name)) this.#process.removeSingleMetric(name);
  }

  /** Replaces a CPU counter by one that counts from the start of the process. */
  #replace(name: string, microsOf: (usage: NodeJS.CpuUsage) => number): void {
    const { help } = this.#process.getSingleMetric(name) as unknown as Family;
    this.#process.removeSingleMetric(name);
    new Counter({
      name,
      help,
      registers: [this.#process],
      collect() {
        this.reset();
        this.inc(microsOf(process.cpuUsage()) / 1e6);
      },
    });
  }

  /**
   * `families`, and those of the process unless `withProcess` is false, in the format that `accept` prefers. Each is
   * written in its own turn of the event loop, since those of a large fleet take some milliseconds together.
   */
  async expose(
    families: readonly Family[],
    accept: string | undefined,
    withProcess = true,
  ): Promise<Exposition> {
    const registry = new Registry();
    const ofProcess = (await this.#process.getMetricsAsJSON()) as unknown as readonly Family[];
    const turn = createTurns();
    for (const family of [...families, ...(withProcess ? ofProcess : [])])
      registry.registerMetric(asMetric(family, turn));
    const contentType = prefersOpenMetrics(accept)
      ? Registry.OPENMETRICS_CONTENT_TYPE
      : Registry.PROMETHEUS_CONTENT_TYPE;
    // the types bind a registry to one of the two
    (registry as Registry<typeof contentType>).setContentType(contentType);
    return { contentType, text: await registry.metrics() };
  }
}

/** Each call resolves in a turn of the event loop of its own, in the order of the calls. */
function createTurns(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => setImmediate());
    return last;
  };
}

/** A family as the registry takes it, which removes `_total` from the name of a counter in the OpenMetrics format. */
function asMetric(family: Family, turn: () => Promise<void>): Metric {
  const metric = {
    ...family,
    async get() {
      await turn();
      return { ...family, name: metric.name };
    },
  };
  return metric as unknown as Metric;
}

/** True where OpenMetrics is named, with at least the quality of the other format (RFC 9110 section 12.5.1). */
export function prefersOpenMetrics(accept = ''): boolean {
  let open = 0;
  let text = 0;
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const quality = qualityIn(parameters);
    const version = /^version="?([^"]*)"?$/.exec(
      parameters.find((one) => one.startsWith('version=')) ?? '',
    )?.[1];
    if (type === OPEN_METRICS && (version ?? '1.0.0') === '1.0.0') open = Math.max(open, quality);
    else if (TEXT.has(type)) text = Math.max(text, quality);
  }
  return open > 0 && open >= text;
}

function qualityIn(parameters: readonly string[]): number {
  const text = parameters.find((one) => one.startsWith('q='))?.slice(2);
  if (text === undefined) return 1;
  return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}
