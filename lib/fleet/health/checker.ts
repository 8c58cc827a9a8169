/**
 * The timer-driven health checker: probes every instance, counts rise and fall, and says who is up.
 * Must not hold: sockets (a probe is a function handed in), what follows from a replica being down.
 *
 * Invariants: at most one probe of a replica at a time, at most `maxConcurrent` in all; what a probe of an earlier
 * instance says is thrown away, and no probe readmits a suspect that began before the suspicion. A replica that is
 * starting or under suspicion is probed in quick succession; a healthy one every `intervalMs`, with a tenth of
 * jitter so that probes do not march in step.
 */
import type { Clock, Timer } from '../../clock.ts';
import { backoffMs } from '../../core/backoff.ts';
import { afterProbe, fullHealth, type HealthPolicy, isUp } from '../../core/health.ts';
import type { Endpoint } from '../../core/replica.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { ProbeResult } from './probe.ts';

export interface CheckerParts {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Probes once; never rejects. */
  readonly probe: (endpoint: Endpoint) => Promise<ProbeResult>;
  readonly policy: HealthPolicy;
  /** False for fixed servers, which nobody starts. */
  readonly ownsInstances: boolean;
  /** 0: probing is off, and who is placed is healthy until traffic says otherwise. */
  readonly intervalMs: number;
  readonly maxConcurrent: number;
  /** A number from 0 to 1, for the jitter. */
  readonly random: () => number;
  /** A probe took so long, whatever it found. */
  readonly onProbe: (replica: Replica, tookMs: number, passed: boolean) => void;
  /** `fall` probes in a row failed. */
  readonly onDown: (replica: Replica, cause: string) => void;
}

/** Between two probes of a replica that is starting: from here … */
const QUICK_MS = 10;
/** … doubling to here, which is as much of a start as may be lost between two looks … */
const LOOK_MS = 50;
/** … and from so many failures on, about a second, doubling to here. */
const QUICK_MISSES = 20;
const QUICK_MAX_MS = 500;
/** A replica's first ejection; each further one is longer by as much … */
const EJECTION_MS = 10_000;
/** … up to here, and after as long a time without one they count from the beginning. */
const EJECTION_MAX_MS = 300_000;
/** Between two looks at a suspect while probing is off. */
const SUSPECT_MS = 1000;

interface Check {
  readonly replica: Replica;
  readonly instanceId: string;
  readonly endpoint: Endpoint;
  /** `starting`: never passed yet. `suspect`: traffic says it is down. `steady`: probed at the interval. */
  mode: 'starting' | 'suspect' | 'steady';
  /** Probes that failed in a row, in a quick mode. */
  misses: number;
  timer: Timer | undefined;
  probing: boolean;
  /** The probe under way began before what traffic says. */
  isOutdated: boolean;
  /** How often it was ejected, and until when. */
  readonly ejections: number;
  readonly ejectedUntilMs: number;
}

export class Checker {
  readonly #parts: CheckerParts;
  readonly #checks = new Map<Replica, Check>();
  /** Checks whose time has come while `maxConcurrent` probes were under way. */
  readonly #due: Check[] = [];
  #underWay = 0;

  constructor(parts: CheckerParts) {
    this.#parts = parts;
  }

  /** Begins to probe the instance that was just placed, at once. */
  watch(replica: Replica): void {
    this.unwatch(replica);
    const { instance } = replica;
    if (instance?.endpoint === undefined) return;
    const { instanceId, endpoint } = instance;
    const check: Check = {
      replica,
      instanceId,
      endpoint,
      mode: 'starting',
      misses: 0,
      timer: undefined,
      probing: false,
      isOutdated: false,
      ejections: 0,
      ejectedUntilMs: Number.NEGATIVE_INFINITY,
    };
    this.#checks.set(replica, check);
    if (this.#parts.intervalMs > 0) return this.#begin(check);
    check.mode = 'steady';
    this.#up(check, 'probing is off');
  }

  /** Stops probing; what a probe under way says is thrown away. */
  unwatch(replica: Replica): void {
    const check = this.#checks.get(replica);
    if (check === undefined) return;
    check.timer?.cancel();
    this.#checks.delete(replica);
  }

  /** Traffic says that the replica is down: it gets no more of it until a probe passes, and is probed at once. */
  suspect(replica: Replica, cause: string): void {
    const check = this.#checks.get(replica);
    if (check === undefined || replica.state !== 'healthy') return;
    this.#parts.registry.setState(replica, 'unhealthy', cause);
    check.mode = 'suspect';
    check.misses = 0;
    check.isOutdated = check.probing;
    if (!check.probing) this.#begin(check);
  }

  /**
   * Requests failed at the replica again and again although it takes connections: it gets none for EJECTION_MS times
   * the number of its ejections; after that a passed probe readmits it (Envoy's outlier detection).
   */
  eject(replica: Replica): void {
    const check = this.#checks.get(replica);
    if (check === undefined || replica.state !== 'healthy') return;
    const { registry, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const ejections = nowMs - check.ejectedUntilMs > EJECTION_MAX_MS ? 1 : check.ejections + 1;
    const forMs = Math.min(EJECTION_MAX_MS, EJECTION_MS * ejections);
    check.timer?.cancel();
    // a check of its own, so that a probe under way cannot readmit it
    const ejected: Check = {
      ...check,
      mode: 'suspect',
      misses: 0,
      probing: false,
      isOutdated: false,
      ejections,
      ejectedUntilMs: nowMs + forMs,
    };
    this.#checks.set(replica, ejected);
    ejected.timer = clock.after(forMs, () => this.#begin(ejected));
    registry.eject(replica, `ejected for ${forMs / 1000} s: requests failed in a row`);
  }

  close(): void {
    for (const replica of [...this.#checks.keys()]) this.unwatch(replica);
  }

  #begin(check: Check): void {
    check.timer?.cancel();
    if (this.#underWay < this.#parts.maxConcurrent) void this.#probe(check);
    else if (!this.#due.includes(check)) this.#due.push(check);
  }

  async #probe(check: Check): Promise<void> {
    const { clock } = this.#parts;
    const startedMs = clock.nowMs();
    check.probing = true;
    this.#underWay++;
    const result = await this.#parts.probe(check.endpoint);
    this.#underWay--;
    this.#parts.onProbe(check.replica, clock.nowMs() - startedMs, result.passed);
    check.probing = false;
    this.#probeNextDue();
    if (!this.#isCurrent(check)) return;
    const { isOutdated } = check;
    check.isOutdated = false;
    if (isOutdated && result.passed) return this.#begin(check);
    this.#judge(check, result);
    if (!this.#isCurrent(check) || check.probing) return;
    const delayMs = this.#delayMs(check, result.passed, clock.nowMs() - startedMs);
    if (delayMs !== undefined) check.timer = clock.after(delayMs, () => this.#begin(check));
  }

  #probeNextDue(): void {
    for (let next = this.#due.shift(); next !== undefined; next = this.#due.shift()) {
      if (!this.#isCurrent(next) || next.probing) continue;
      void this.#probe(next);
      return;
    }
  }

  #isCurrent(check: Check): boolean {
    return (
      this.#checks.get(check.replica) === check && check.replica.instance?.instanceId === check.instanceId
    );
  }

  #judge(check: Check, { passed, said }: ProbeResult): void {
    const { registry, policy, ownsInstances } = this.#parts;
    const { replica } = check;
    const health = afterProbe(replica.health, passed, policy);
    const wasUp = isUp(replica.health, policy);
    registry.noteProbe(replica, passed, said, health);
    check.misses = passed ? 0 : check.misses + 1;
    if (passed && check.mode === 'suspect') return this.#up(check, `probe passed: ${said}`);
    if (isUp(health, policy) && replica.state !== 'healthy' && check.mode !== 'suspect')
      return this.#up(check, `probe passed: ${said}`);
    if (wasUp && !isUp(health, policy)) return this.#down(check, `probes failed: ${said}`);
    // a fixed server may be down for long; one of ours has its start timeout
    if (!ownsInstances && check.mode === 'starting' && check.misses >= policy.fall)
      this.#down(check, `probes failed: ${said}`);
  }

  #up(check: Check, cause: string): void {
    const { registry, policy } = this.#parts;
    check.mode = 'steady';
    registry.setHealth(check.replica, fullHealth(policy));
    registry.setState(check.replica, 'healthy', cause);
  }

  #down(check: Check, cause: string): void {
    if (this.#parts.intervalMs > 0) check.mode = 'steady';
    this.#parts.registry.setState(check.replica, 'unhealthy', cause);
    this.#parts.onDown(check.replica, cause);
  }

  /** From the end of a probe that took `tookMs` until the next; undefined for none. */
  #delayMs(check: Check, passed: boolean, tookMs: number): number | undefined {
    const { intervalMs, random } = this.#parts;
    if (check.mode === 'steady') {
      if (intervalMs === 0) return undefined;
      return Math.max(0, intervalMs * (0.9 + 0.2 * random()) - tookMs);
    }
    if (intervalMs === 0) return SUSPECT_MS;
    if (passed) return QUICK_MS;
    return Math.min(intervalMs, quickMs(check.misses));
  }
}

/** Time to the next look after `misses` failures in a row. */
function quickMs(misses: number): number {
  if (misses <= QUICK_MISSES) return backoffMs(misses, QUICK_MS, LOOK_MS);
  return backoffMs(misses - QUICK_MISSES, LOOK_MS, QUICK_MAX_MS);
}
