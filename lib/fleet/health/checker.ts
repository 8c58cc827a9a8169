/**
 * Probes every instance, counts rise and fall, and decides who is healthy and who has to be replaced; what the fleet
 * as a whole allows is decided in `fleet-health.ts`.
 * Invariants: at most one probe of a replica at a time, at most `maxConcurrent` in all; the result of a probe of an
 * earlier instance is dropped, and a suspect is readmitted only by a probe that began after the suspicion. A replica
 * is healthy while its probes say so, traffic does not say otherwise, and it is not ejected.
 */

import { afterProbe, fullHealth, isUp, UNKNOWN_HEALTH } from '../../core/policy/rise-and-fall.ts';
import type { Replica } from '../replica.ts';
import type { CheckerOptions, CheckerParts } from './checker-types.ts';
import { Ejections } from './ejections.ts';
import type { ProbeResult } from './probe-connection.ts';
import { type Check, newCheck, nextProbeMs } from './probe-state.ts';

/** Probes a second that may each have a new connection: about two percent of a core. */
const MANY_PROBES = 100;
const SLICES = 40;

export class Checker {
  #parts: CheckerParts;
  readonly #ejections: Ejections;
  readonly #checks = new Map<Replica, Check>();
  /** Checks that were due while `maxConcurrent` probes were under way. */
  readonly #overdue = new Set<Check>();
  #probesUnderWay = 0;

  constructor(parts: CheckerParts) {
    this.#parts = parts;
    this.#ejections = new Ejections(parts.clock);
  }

  /** Begins to probe the instance that was just placed, at once. */
  watch(replica: Replica): void {
    this.unwatch(replica);
    const check = newCheck(replica);
    if (check === undefined) return;
    this.#checks.set(replica, check);
    if (this.#parts.intervalMs > 0) return this.#begin(check);
    check.responds = true;
    this.#markUp(check, 'probing is off');
  }

  /** Stops probing; the result of a probe under way is dropped. */
  unwatch(replica: Replica): void {
    const check = this.#checks.get(replica);
    if (check === undefined) return;
    check.timer?.cancel();
    check.ejectionTimer?.cancel();
    this.#overdue.delete(check);
    this.#checks.delete(replica);
    this.#ejections.forget(replica);
    this.#parts.onAvailability(replica);
  }

  /** Its probes failed after they had passed before: it should get no requests. */
  isDown(replica: Replica): boolean {
    return this.#checks.get(replica)?.downSinceMs !== undefined;
  }

  /** It responds to probes, so that it can get requests where nothing better is available. */
  isResponsive(replica: Replica): boolean {
    const check = this.#checks.get(replica);
    return check?.responds === true && check.mode !== 'suspect';
  }

  isEjected(replica: Replica): boolean {
    return this.#ejections.isOut(replica);
  }

  /** Traffic says that the replica is down: it gets no requests until a probe passes, and is probed at once. */
  suspect(replica: Replica, cause: string): void {
    const check = this.#checks.get(replica);
    if (check === undefined || !(replica.state === 'healthy' || replica.isAdmitted)) return;
    check.mode = 'suspect';
    check.misses = 0;
    check.isOutdated = check.probing;
    this.#parts.registry.states.set(replica, 'unhealthy', cause);
    this.#parts.onAvailability(replica);
    if (!check.probing) this.#begin(check);
  }

  /** Probes it now and not at the end of its interval. */
  probeNow(replica: Replica): void {
    const check = this.#checks.get(replica);
    if (check?.mode === 'steady' && !check.probing && this.#parts.intervalMs > 0) this.#begin(check);
  }

  /**
   * Requests fail at the replica although it accepts connections: it gets none for a while, longer each time. Only the
   * first ejection can be ended early by probes that pass.
   */
  eject(replica: Replica, cause: string): void {
    const check = this.#checks.get(replica);
    if (check === undefined || replica.state !== 'healthy') return;
    const { registry, clock, onAvailability } = this.#parts;
    const forMs = this.#ejections.eject(replica);
    check.passes = 0;
    check.isOutdated = check.probing;
    check.ejectionTimer?.cancel();
    check.ejectionTimer = clock.after(forMs, () => this.#readmit(check));
    registry.states.eject(replica, `ejected for ${forMs / 1000} s: ${cause}`);
    onAvailability(replica);
  }

  /** Begins to measure anew how long each has not been ready. */
  resetDownTimes(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const check of this.#checks.values()) if (check.downSinceMs !== undefined) check.downSinceMs = nowMs;
  }

  /**
   * Goes by other options from now on. What is up stays up and what is down stays down, whatever rise and fall were;
   * a new interval begins with a probe of everything, and probing that is switched off leaves everything up.
   */
  configure(options: CheckerOptions): void {
    const { policy: formerPolicy, intervalMs: formerMs } = this.#parts;
    this.#parts = { ...this.#parts, ...options };
    const { policy, intervalMs, registry } = this.#parts;
    const isSamePolicy = policy.rise === formerPolicy.rise && policy.fall === formerPolicy.fall;
    for (const check of this.#checks.values()) {
      const { replica } = check;
      const health = isUp(replica.health, formerPolicy) ? fullHealth(policy) : UNKNOWN_HEALTH;
      if (!isSamePolicy) registry.states.setHealth(replica, health);
      if (intervalMs === formerMs) continue;
      check.isToSpread = true;
      if (intervalMs > 0 && !check.probing) this.#begin(check);
      else if (intervalMs === 0) this.#endProbing(check);
    }
  }

  /** Probing is off: it counts as up, and the result of a probe under way is not judged. */
  #endProbing(check: Check): void {
    check.timer?.cancel();
    this.#overdue.delete(check);
    check.responds = true;
    if (check.mode !== 'suspect') this.#markUp(check, 'probing is off');
    this.#parts.onAvailability(check.replica);
  }

  close(): void {
    for (const replica of [...this.#checks.keys()]) this.unwatch(replica);
  }

  #begin(check: Check): void {
    check.timer?.cancel();
    if (this.#probesUnderWay < this.#parts.maxConcurrent) void this.#probe(check);
    else this.#overdue.add(check);
  }

  async #probe(check: Check): Promise<void> {
    const { clock, probe, reads, onProbe, random } = this.#parts;
    const { replica } = check;
    const startedMs = clock.nowMs();
    const readsBefore = reads(replica.ordinal);
    check.probing = true;
    this.#probesUnderWay++;
    const result = await probe(check.endpoint, this.#mayReuse(check));
    this.#probesUnderWay--;
    const passed = result.outcome === 'passed';
    const isBusy = result.outcome === 'silent' && reads(replica.ordinal) > readsBefore;
    const isInconclusive = isBusy || result.outcome === 'not-made';
    check.hasPassed ||= passed;
    if (this.#isCounted(check)) onProbe(replica, clock.nowMs() - startedMs, passed || isInconclusive);
    check.probing = false;
    this.#probeNextOverdue();
    if (!this.#isCurrent(check)) return;
    const { intervalMs } = this.#parts;
    if (intervalMs === 0 && check.mode === 'steady') return;
    const { isOutdated } = check;
    check.isOutdated = false;
    if (isOutdated && passed) return this.#begin(check);
    if (isInconclusive)
      this.#recordInconclusive(
        check,
        isBusy ? `${result.detail}, but it responds to requests` : result.detail,
      );
    else this.#judge(check, result, { readsBefore, startedMs });
    if (!this.#isCurrent(check) || check.probing) return;
    this.#parts.onAvailability(replica);
    if (!this.#isCurrent(check)) return;
    const tookMs = clock.nowMs() - startedMs;
    const delayMs = nextProbeMs(
      check,
      { tookMs, passed },
      { intervalMs, chance: random(), watched: this.#checks.size },
    );
    if (delayMs !== undefined)
      check.timer = clock.after(this.#delayInBatch(check, delayMs), () => this.#begin(check));
  }

  /** True where the cost of each probe matters, since there are many. */
  get #hasManyProbes(): boolean {
    return this.#checks.size * 1000 > MANY_PROBES * this.#parts.intervalMs;
  }

  /** Where new connections would take much of a core, a sound replica is probed on the one it has. */
  #mayReuse({ mode, misses, replica }: Check): boolean {
    return mode === 'steady' && misses === 0 && replica.state === 'healthy' && this.#hasManyProbes;
  }

  /** Waking up costs as much as a probe: where there are many, those due within a fortieth of the interval go together. */
  #delayInBatch({ mode }: Check, delayMs: number): number {
    if (mode !== 'steady' || !this.#hasManyProbes) return delayMs;
    const { clock, intervalMs } = this.#parts;
    const nowMs = clock.nowMs();
    const sliceMs = intervalMs / SLICES;
    return Math.ceil((nowMs + delayMs) / sliceMs) * sliceMs - nowMs;
  }

  #probeNextOverdue(): void {
    for (const next of this.#overdue) {
      this.#overdue.delete(next);
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

  /** False for an instance of ours that is still starting: its failed probes are no failures. */
  #isCounted({ hasPassed }: Check): boolean {
    return hasPassed || !this.#parts.ownsInstances;
  }

  /** A probe that says nothing about the replica: it was not made, or requests got responses while it did not. */
  #recordInconclusive(check: Check, detail: string): void {
    check.silent = 0;
    check.misses++;
    this.#parts.registry.states.recordInconclusiveProbe(check.replica, detail);
  }

  #judge(
    check: Check,
    { outcome, detail }: ProbeResult,
    { readsBefore, startedMs }: { readonly readsBefore: number; readonly startedMs: number },
  ): void {
    const { registry, policy, reads } = this.#parts;
    const { replica } = check;
    const readsNow = reads(replica.ordinal);
    const passed = outcome === 'passed';
    const health = afterProbe(replica.health, passed, policy);
    const wasUp = isUp(replica.health, policy);
    if (this.#isCounted(check)) registry.states.recordProbe(replica, passed, detail, health);
    else registry.states.recordInconclusiveProbe(replica, detail);
    check.responds = passed || outcome === 'not-ready';
    check.misses = passed ? 0 : check.misses + 1;
    check.passes = passed ? check.passes + 1 : 0;
    if (check.responds) check.silent = 0;
    else if (check.silent === 0 || readsNow > check.readsBefore) {
      check.silent = 1;
      check.readsBefore = readsBefore;
      check.silentSinceMs = startedMs;
    } else check.silent++;
    if (passed) this.#passed(check, detail);
    else this.#failed(check, { outcome, detail }, wasUp);
  }

  #passed(check: Check, detail: string): void {
    const { policy } = this.#parts;
    const { replica, mode } = check;
    const cause = `probe passed: ${detail}`;
    if (mode === 'suspect') return this.#markUp(check, cause);
    if (!isUp(replica.health, policy) || replica.state === 'healthy') return;
    if (this.#ejections.isOut(replica) && this.#ejections.isFirst(replica) && check.passes >= policy.rise) {
      check.ejectionTimer?.cancel();
      this.#ejections.end(replica);
    }
    this.#markUp(check, cause);
  }

  #failed(check: Check, { outcome, detail }: ProbeResult, wasUp: boolean): void {
    const { registry, policy, ownsInstances, intervalMs, clock } = this.#parts;
    const { replica } = check;
    const isUpNow = isUp(replica.health, policy);
    if (outcome === 'silent' && this.#isSilentTooLong(check)) {
      registry.states.set(replica, 'unhealthy', `no sign of life: ${detail}`);
      return this.#parts.onFault(replica, 'hung', `no sign of life: ${detail}`);
    }
    // a server that others run may be down for long; an instance of ours has its start timeout
    const isOverdue = !ownsInstances && check.mode === 'starting' && check.misses >= policy.fall;
    if ((!wasUp || isUpNow) && !isOverdue) return this.#reportFault(check, { outcome, detail });
    if (intervalMs > 0) check.mode = 'steady';
    check.downSinceMs ??= clock.nowMs();
    const cause = outcome === 'not-ready' ? `not ready: ${detail}` : `probes failed: ${detail}`;
    registry.states.set(replica, 'unhealthy', cause);
    this.#reportFault(check, { outcome, detail });
  }

  /** True where the limit of silence is over before `fall` probes have failed. */
  #isSilentTooLong({ mode, silent, silentSinceMs }: Check): boolean {
    const { clock, silenceLimitMs = 0 } = this.#parts;
    if (silenceLimitMs === 0 || mode === 'starting' || silent === 0) return false;
    return clock.nowMs() - silentSinceMs >= silenceLimitMs;
  }

  /**
   * Reports what is wrong with an instance of ours that is down. Not ready is not dead: a response with an unexpected
   * status only takes it out of rotation, until it has not passed for `replaceAfterMs`. It counts as hung only
   * without any sign of life: a probe may have waited behind real work where another response arrived meanwhile.
   */
  #reportFault(check: Check, { outcome, detail }: ProbeResult): void {
    const { policy, ownsInstances, replaceAfterMs, clock, onFault } = this.#parts;
    const { replica, downSinceMs } = check;
    if (!ownsInstances || check.mode === 'starting' || isUp(replica.health, policy)) return;
    if (check.silent >= policy.fall)
      return onFault(replica, outcome === 'silent' ? 'hung' : 'closed', `probes failed: ${detail}`);
    const downMs = downSinceMs === undefined ? 0 : clock.nowMs() - downSinceMs;
    if (replaceAfterMs > 0 && downMs >= replaceAfterMs)
      onFault(replica, 'not-ready', `not ready for ${Math.round(downMs / 1000)} s: ${detail}`);
  }

  /** Its probes pass: healthy, unless it is ejected. */
  #markUp(check: Check, cause: string): void {
    const { registry, policy } = this.#parts;
    const { replica } = check;
    check.mode = 'steady';
    check.downSinceMs = undefined;
    check.silent = 0;
    registry.states.setHealth(replica, fullHealth(policy));
    if (!this.#ejections.isOut(replica)) registry.states.set(replica, 'healthy', cause);
  }

  /** Ends its ejection, unless its probes or traffic say that it is down. */
  #readmit(check: Check): void {
    const { registry, policy, onAvailability } = this.#parts;
    const { replica } = check;
    if (!this.#isCurrent(check) || check.mode === 'suspect' || !isUp(replica.health, policy)) return;
    registry.states.set(replica, 'healthy', 'its ejection is over');
    onAvailability(replica);
  }
}
