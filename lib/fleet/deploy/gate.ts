/** Watches new instances: takes what the data threads count since a switch, and has it judged by `deploy-gate.ts`. */
import type { GateView } from '../../api/deploy.ts';
import {
  type GateSample,
  isTimed,
  judgeErrors,
  judgeLatency,
  judgeMedian,
} from '../../core/policy/deploy-gate.ts';
import { HistogramView } from '../../core/policy/histogram.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Step } from './exchange.ts';

/** What was counted of an ordinal; numbers that only grow. */
export interface Outcomes {
  readonly requests: number;
  readonly errors: number;
  readonly duration: HistogramView;
}

export interface GateParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly outcomes: (ordinal: number) => Outcomes;
}

/** A gate that watches some replicas. */
export interface Watch {
  /** What is wrong with the step's new instance; undefined while nothing is. Updates what the step shows. */
  judge(step: Step, maxErrorRate: number): string | undefined;
  /** The same once it has been watched for long enough. */
  judgeAtEnd(step: Step): string | undefined;
}

/** Outcomes by ordinal at one moment. */
type Baseline = ReadonlyMap<number, Outcomes>;

/** The latency of one instance, window by window. */
interface Latency {
  baseline: Baseline;
  /** Start of the window. */
  sinceMs: number;
  /** Windows in a row that were too slow. */
  slowWindows: number;
}

const NONE: Outcomes = { requests: 0, errors: 0, duration: new HistogramView() };
/** So many in a row fail the gate: the first requests of any instance are slow, and one pause of it is no verdict. */
const SLOW_WINDOWS = 2;
/** A window lasts this long at least: thousands of requests a second would fill several within one such pause. */
const WINDOW_MS = 500;

export class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** Watches these, which have just been switched, and compares them with the other members. */
  begin(watched: readonly Replica[]): Watch {
    const start = this.#baseline();
    const sinceMs = this.#parts.clock.nowMs();
    const latencies = new Map<Replica, Latency>();
    return {
      judge: (step, maxErrorRate) => {
        const { replica } = step;
        const { own, rest } = this.#since(start, replica, watched);
        step.gate = gateView(own, rest);
        // before its state: errors may have had it ejected, which tells less
        const errors = judgeErrors(own, rest, maxErrorRate);
        if (errors !== undefined) return errors;
        if (replica.state !== 'healthy' && !replica.isAdmitted) return replica.cause;
        const latency = latencies.get(replica) ?? { baseline: start, sinceMs, slowWindows: 0 };
        latencies.set(replica, latency);
        return this.#judgeLatency(latency, replica, watched);
      },
      judgeAtEnd: ({ replica }) => {
        const { own, rest } = this.#since(start, replica, watched);
        return judgeMedian(own, rest);
      },
    };
  }

  /** Judges each window of enough requests once. */
  #judgeLatency(latency: Latency, replica: Replica, watched: readonly Replica[]): string | undefined {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs - latency.sinceMs < WINDOW_MS) return undefined;
    const { own, rest } = this.#since(latency.baseline, replica, watched);
    if (!isTimed(own, rest)) return undefined;
    const problem = judgeLatency(own, rest);
    latency.baseline = this.#baseline();
    latency.sinceMs = nowMs;
    latency.slowWindows = problem === undefined ? 0 : latency.slowWindows + 1;
    return latency.slowWindows >= SLOW_WINDOWS ? problem : undefined;
  }

  #baseline(): Baseline {
    const { registry, outcomes } = this.#parts;
    return new Map(registry.members.map(({ ordinal }) => [ordinal, outcomes(ordinal)]));
  }

  /** What was counted since, of the replica and of all members that are not watched. */
  #since(
    baseline: Baseline,
    replica: Replica,
    watched: readonly Replica[],
  ): { readonly own: GateSample; readonly rest: GateSample } {
    const { registry, outcomes } = this.#parts;
    const since = ({ ordinal }: Replica): Outcomes => {
      const earlier = baseline.get(ordinal);
      return earlier === undefined ? NONE : minus(outcomes(ordinal), earlier);
    };
    const others = registry.members.filter((member) => !watched.includes(member));
    return { own: sampleOf(since(replica)), rest: sampleOf(others.map(since).reduce(plus, NONE)) };
  }
}

function minus(now: Outcomes, earlier: Outcomes): Outcomes {
  return {
    requests: now.requests - earlier.requests,
    errors: now.errors - earlier.errors,
    duration: now.duration.minus(earlier.duration),
  };
}

function plus(one: Outcomes, other: Outcomes): Outcomes {
  return {
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    duration: one.duration.plus(other.duration),
  };
}

function sampleOf({ requests, errors, duration }: Outcomes): GateSample {
  const [medianMs, p99Ms] = [duration.quantileMs(0.5), duration.quantileMs(0.99)];
  return { requests, errors, timed: duration.count, medianMs, p99Ms };
}

function gateView(own: GateSample, rest: GateSample): GateView {
  return {
    requests: own.requests,
    errors: own.errors,
    p99Ms: Math.round(own.p99Ms * 10) / 10,
    restRequests: rest.requests,
    restErrors: rest.errors,
    restP99Ms: Math.round(rest.p99Ms * 10) / 10,
  };
}
