/**
 * Decides on health beyond single probes: what a report of traffic means, who is ejected, when so much of the fleet is
 * down that everything must serve (panic), which instance is replaced and how.
 *
 * Invariants: an ejection leaves at least one eligible replica, and at least half of the fleet; what gives no sign of
 * life is killed one at a time over the whole fleet; during a panic nothing is ejected, and nothing is replaced for not
 * being ready.
 */

import type { ResponseTimes } from '../../core/policy/relative-speed.ts';
import type { RouteTableWriter } from '../../core/routing/route-table.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { ErrorCode } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { Checker } from './checker.ts';
import type { CheckerOptions, CheckerParts, Fault } from './checker-types.ts';
import { OutlierDetector, type Traffic } from './outlier-detector.ts';
import { ReplicaSpeeds } from './replica-speeds.ts';

/** What data threads count of each ordinal. */
export interface Counts {
  reads(ordinal: number): number;
  traffic(ordinal: number): Traffic;
  responseTimes(ordinal: number): ResponseTimes;
}

/** What may change while the fleet is judged. */
export interface HealthOptions extends CheckerOptions {
  /** The fleet panics while more than this part of it is not ready; 1 is never. */
  readonly panicThreshold: number;
  readonly ejectOutliers: boolean;
  /** Requests are given by load, p2c, so that it matters which replicas are slow. */
  readonly comparesSpeeds: boolean;
  /** The longest time that a replacement may take. */
  readonly startTimeoutMs: number;
}

export interface HealthParts
  extends HealthOptions,
    Omit<CheckerParts, 'reads' | 'onFault' | 'onAvailability'> {
  readonly registry: Registry;
  readonly table: Pick<RouteTableWriter, 'stateWord' | 'eligible' | 'setSpeed'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly counts: Counts;
  /** Replaces an instance: `drain` lets its requests in flight finish, `kill` does not. */
  readonly replace: (replica: Replica, cause: string, how: 'drain' | 'kill') => void;
  /** Makes the supervisor look at what runs. */
  readonly nudge: () => void;
}

/** Between two searches for outliers. */
const LOOK_MS = 1000;

export class Health {
  readonly checker: Checker;
  #parts: HealthParts;
  readonly #outliers: OutlierDetector;
  readonly #speeds: ReplicaSpeeds;
  /** Members that are down by their probes. */
  readonly #down = new Set<Replica>();
  /** The replica that was last killed for giving no sign of life, and when. */
  #killed: { readonly replica: Replica; readonly atMs: number } | undefined;
  #panicSinceMs: number | undefined;
  #timer: Timer | undefined;

  constructor(parts: HealthParts) {
    this.#parts = parts;
    const { counts } = parts;
    this.checker = new Checker({
      ...parts,
      reads: (ordinal) => counts.reads(ordinal),
      onFault: (replica, fault, cause) => this.#onFault(replica, fault, cause),
      onAvailability: (replica) => this.#onAvailability(replica),
    });
    this.#outliers = new OutlierDetector(({ ordinal }) => counts.traffic(ordinal));
    if (parts.ejectOutliers) this.#lookForOutliers();
    this.#speeds = new ReplicaSpeeds({
      ...parts,
      responseTimes: (ordinal) => counts.responseTimes(ordinal),
    });
    this.#speeds.turn(parts.comparesSpeeds);
  }

  /** True while so much of the fleet is not ready that all that respond to probes get requests. */
  get isPanicking(): boolean {
    return this.#panicSinceMs !== undefined;
  }

  /** Data threads saw a fault of a replica; one that they saw in an earlier state of it is ignored. */
  report(ordinal: number, word: number, code: ErrorCode | 'failures-in-a-row'): void {
    const { registry, table, nudge } = this.#parts;
    const replica = registry.findByOrdinal(ordinal);
    if (replica === undefined || table.stateWord(ordinal) !== word) return;
    switch (code) {
      case 'failures-in-a-row':
        return this.#eject(replica, 'requests failed in a row');
      case 'upstream-closed':
      case 'upstream-reset':
        return this.checker.probeNow(replica);
      default:
        // the only eligible replica stays in: if it accepts connections, it may still serve other requests
        if (table.eligible <= 1 && code !== 'connect-refused') registry.states.republish(replica);
        else this.checker.suspect(replica, `traffic: ${code.replace('-', ' ')}`);
        nudge();
    }
  }

  /** Goes by other options from now on. */
  configure(options: HealthOptions): void {
    this.#parts = { ...this.#parts, ...options };
    this.#timer?.cancel();
    if (options.ejectOutliers) this.#lookForOutliers();
    this.#speeds.turn(options.comparesSpeeds);
    const { policy, intervalMs, replaceAfterMs } = options;
    this.checker.configure({ policy, intervalMs, replaceAfterMs });
    this.#judgePanic();
  }

  close(): void {
    this.#timer?.cancel();
    this.#speeds.close();
    this.checker.close();
  }

  #lookForOutliers(): void {
    const { registry, clock } = this.#parts;
    this.#timer = clock.after(LOOK_MS, () => {
      this.#lookForOutliers();
      const serving = registry.members.filter(({ state, isDraining }) => state === 'healthy' && !isDraining);
      for (const replica of this.#outliers.look(serving, clock.nowMs()))
        this.#eject(replica, 'most of its requests failed, and few of the others');
    });
  }

  #eject(replica: Replica, cause: string): void {
    const { registry, table } = this.#parts;
    if (this.isPanicking || table.eligible <= 1) return;
    const out = registry.members.filter((member) => this.checker.isEjected(member)).length;
    if (2 * (out + 1) <= registry.members.length) this.checker.eject(replica, cause);
  }

  #onFault(replica: Replica, fault: Fault, cause: string): void {
    const { registry, clock, startTimeoutMs, replace } = this.#parts;
    if (fault === 'closed') return replace(replica, cause, 'drain');
    if (fault === 'not-ready') {
      if (!this.isPanicking) replace(replica, cause, 'drain');
      return;
    }
    const nowMs = clock.nowMs();
    const last = this.#killed;
    const isUnderWay =
      last !== undefined &&
      registry.has(last.replica) &&
      last.replica.state === 'starting' &&
      nowMs - last.atMs < startTimeoutMs;
    if (isUnderWay) return;
    this.#killed = { replica, atMs: nowMs };
    replace(replica, cause, 'kill');
  }

  #onAvailability(replica: Replica): void {
    const { registry } = this.#parts;
    const isMember = registry.has(replica) && replica.joined;
    if (isMember && this.checker.isDown(replica)) this.#down.add(replica);
    else this.#down.delete(replica);
    this.#judgePanic();
    if (isMember && this.isPanicking) this.#admit(replica);
  }

  #judgePanic(): void {
    const { registry, panicThreshold, clock, log, journal } = this.#parts;
    const { members } = registry;
    const isBad = this.#down.size > panicThreshold * members.length;
    if (isBad === this.isPanicking) return;
    const cause = `${this.#down.size} of ${members.length} replicas are not ready`;
    if (isBad) {
      this.#panicSinceMs = clock.nowMs();
      log.warn(
        { cause },
        `panic (${cause}): every replica that responds to probes gets requests, and none is replaced`,
      );
      journal.note({ kind: 'panic', cause });
      for (const member of members) this.#admit(member);
      return;
    }
    const ms = clock.nowMs() - this.#panicSinceMs!;
    this.#panicSinceMs = undefined;
    log.info({ cause, ms: Math.round(ms) }, 'panic is over');
    journal.note({ kind: 'panic-over', cause, ms });
    for (const member of members) registry.states.setAdmitted(member, false);
    this.checker.resetDownTimes();
  }

  #admit(replica: Replica): void {
    const isAdmitted = replica.state === 'unhealthy' && this.checker.isResponsive(replica);
    this.#parts.registry.states.setAdmitted(replica, isAdmitted);
  }
}
