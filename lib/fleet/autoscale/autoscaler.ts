/**
 * The loop of autoscaling: reads the load, asks the law (core/policy/autoscale.ts) each second, and adds or removes by
 * the paths that an operator's changes take.
 * Invariants: it removes only replicas whose names the balancer chose, and by a drain, so that no request is lost; an
 * operator's change of the size stands for the down window; what it does is in the journal with its numbers.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ScaleChange, ScaleView } from '../../api/scale.ts';
import {
  Autoscale,
  type Decision,
  type ScaleFacts,
  type ScaleSettings,
} from '../../core/policy/autoscale.ts';
import { describeChange, describeDecision } from '../../core/policy/autoscale-words.ts';
import type { RouteTableWriter } from '../../core/routing/route-table.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Journal } from '../journal.ts';
import type { Launcher } from '../lifecycle/launcher.ts';
import type { Scaling } from '../lifecycle/scaling.ts';
import type { Registry } from '../registry.ts';
import type { Replica, Transition } from '../replica.ts';
import { HotKeys } from './hot-keys.ts';
import { type GaugeCounts, LoadGauge, type LoadReading, SAMPLE_MS } from './load-gauge.ts';
import type { ScaleMember, ScalePool, SettingName } from './scale-pool.ts';
import { rounded, scaleViewOf } from './scale-view.ts';
import { StartTimes } from './start-times.ts';

export interface AutoscalerParts {
  readonly registry: Registry;
  readonly scaling: Pick<Scaling, 'add' | 'remove'>;
  readonly launcher: Pick<Launcher, 'nextStartInMs'>;
  readonly deploys: { readonly isUnderWay: boolean };
  readonly table: RouteTableWriter;
  readonly counts: GaugeCounts;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  /** What metrics show. */
  readonly onDecision: (decision: Decision) => void;
  /** The other balancers, with which autoscaling is shared. */
  readonly pool: ScalePool;
  readonly settings: ScaleSettings;
}

/** Samples for each decision. */
const SAMPLES = 4;
/** Additions of which none became healthy, one after the other, before no more are tried for a while. */
const MOST_FAILURES = 3;

export class Autoscaler implements ScaleMember {
  readonly #parts: AutoscalerParts;
  readonly #law = new Autoscale();
  readonly #starts = new StartTimes();
  readonly #hotKeys: HotKeys;
  #gauge: LoadGauge | undefined;
  /** Those of the options, and those that are in force. */
  #configured: ScaleSettings;
  #settings: ScaleSettings;
  #timer: Timer | undefined;
  #samples = 0;
  #isOpen = false;
  #busyAtMs = 0;
  #adding = 0;
  #failures = 0;
  #blockedUntilMs = Number.NEGATIVE_INFINITY;
  #decision: Decision | undefined;
  /** What was seen since the last report to the other balancers. */
  #unreported: LoadReading | undefined;
  #changed: ScaleView['changed'] = null;

  constructor(parts: AutoscalerParts) {
    this.#parts = parts;
    this.#hotKeys = new HotKeys(parts);
    this.#configured = parts.settings;
    this.#settings = parts.settings;
  }

  get settings(): ScaleSettings {
    return this.#settings;
  }

  get isOn(): boolean {
    return this.#settings.max > 0;
  }

  /** True while this balancer may act for the pool. */
  get isScaling(): boolean {
    return this.#isOpen && this.isOn;
  }

  /** True where a fleet of none is as it should be: the next request starts a replica. */
  get isAtRest(): boolean {
    return (
      this.#isOpen && this.isOn && this.#settings.min === 0 && this.#parts.registry.replicas.length === 0
    );
  }

  /** Begins; the fleet is known from now on. */
  open(): void {
    this.#isOpen = true;
    this.#run();
    this.#parts.pool.open(this);
  }

  close(): void {
    this.#isOpen = false;
    this.#timer?.cancel();
  }

  /** Goes by other options from now on. What was set since the start stays where the options have not changed. */
  configure(settings: ScaleSettings): void {
    if (isDeepStrictEqual(settings, this.#configured)) return;
    this.#configured = settings;
    this.use({ ...settings, isPaused: this.#settings.isPaused }, ['min', 'max', 'target']);
  }

  /** Goes by these settings from now on, of which `changed` hold on the other balancers too, and tries again what failed. */
  use(settings: ScaleSettings, changed: readonly SettingName[]): void {
    this.adopt(settings);
    this.#parts.pool.publishSettings(settings, changed);
  }

  adopt(settings: ScaleSettings): void {
    this.#settings = settings;
    this.#unblock();
    this.#run();
  }

  /** What would be decided now with other settings. */
  preview(settings: ScaleSettings): ScaleView {
    const decision = settings.max > 0 ? this.#law.preview(this.#facts(this.#peek()), settings) : undefined;
    return { ...this.#view(settings, decision), dryRun: true };
  }

  takeReading(): LoadReading {
    const { totalInFlight, totalWaiting } = this.#parts.table;
    const seen = this.#unreported ?? { load: totalInFlight + totalWaiting, isPressed: false, isBusy: false };
    this.#unreported = undefined;
    return seen;
  }

  view(): ScaleView {
    return this.#view(this.#settings, this.#decision);
  }

  /** An operator has made it this size. */
  recommend(size: number): void {
    this.adoptSize(size);
    this.#parts.pool.publishSize(size);
  }

  /** What an operator asked for did not come about. */
  withdraw(): void {
    this.adoptSize(undefined);
    this.#parts.pool.publishSize(undefined);
  }

  adoptSize(size: number | undefined): void {
    if (size === undefined) return this.#law.withdraw();
    this.#unblock();
    this.#law.recommend(size, this.#parts.clock.nowMs(), this.#settings);
  }

  /** A replica has changed its state. */
  onTransition({ name, from, to, ms }: Pick<Transition, 'name' | 'from' | 'to' | 'ms'>): void {
    const { registry, clock } = this.#parts;
    if (from !== 'starting' || to !== 'healthy') return;
    // a new replica joins once it is healthy
    this.#starts.record(ms, clock.nowMs(), registry.find(name)?.joined === true);
  }

  #run(): void {
    this.#timer?.cancel();
    if (!this.#isOpen || !this.isOn) {
      this.#gauge = undefined;
      this.#decision = undefined;
      return;
    }
    const { clock, table, counts } = this.#parts;
    if (this.#gauge === undefined) this.#busyAtMs = clock.nowMs();
    this.#gauge ??= new LoadGauge({ table, counts });
    this.#wait();
  }

  #wait(): void {
    this.#timer = this.#parts.clock.after(SAMPLE_MS, () => {
      this.#wait();
      this.#gauge?.sample();
      // the first request to a fleet of none has waited long enough
      const isFirst = this.#parts.registry.replicas.length === 0 && this.#parts.table.totalWaiting > 0;
      if (++this.#samples % SAMPLES === 0 || (isFirst && this.#decision?.to === 0)) this.#tick();
    });
  }

  #tick(): void {
    const { clock, onDecision, pool } = this.#parts;
    if (this.#gauge === undefined) return;
    const own = this.#gauge.read();
    this.#unreported = {
      load: own.load,
      isPressed: own.isPressed || this.#unreported?.isPressed === true,
      isBusy: own.isBusy || this.#unreported?.isBusy === true,
    };
    const { load, isPressed, isBusy } = pool.takeTotal(own);
    if (isBusy) this.#busyAtMs = clock.nowMs();
    // of each replica's load this balancer has its part
    this.#hotKeys.look(this.#gauge, this.#settings.target / pool.balancers);
    const decision = this.#law.decide(this.#facts({ load, isPressed }), this.#settings);
    this.#decision = decision;
    onDecision(decision);
    if (!pool.isActing) return;
    if (decision.to > decision.from) this.#grow(decision);
    else if (decision.to < decision.from) this.#shrink(decision);
  }

  #peek(): Pick<ScaleFacts, 'load' | 'isPressed'> {
    return {
      load: this.#decision?.load ?? this.#gauge?.load ?? this.#parts.table.totalInFlight,
      isPressed: false,
    };
  }

  #facts(reading: Pick<ScaleFacts, 'load' | 'isPressed'>): ScaleFacts {
    const { registry, table, launcher, deploys, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const { replicas } = registry;
    const isSettled =
      this.#adding === 0 &&
      !deploys.isUnderWay &&
      !registry.ring.isRamping &&
      replicas.every(({ state, joined }) => joined && state === 'healthy');
    return {
      ...reading,
      nowMs,
      names: replicas.length,
      ready: table.eligible,
      isHelpNear: this.#starts.isHelpNear(replicas, nowMs),
      isHealing: this.#starts.isHealing(replicas, nowMs, (replica) => launcher.nextStartInMs(replica)),
      isSettled,
      isHot: this.#hotKeys.isHot,
      isBlocked: nowMs < this.#blockedUntilMs,
      removable: this.#removable().length,
      idleMs: nowMs - this.#busyAtMs,
    };
  }

  /** Those that may be removed, the first to go first: without weight, with the fewest in flight, the newest. */
  #removable(): readonly Replica[] {
    const { registry } = this.#parts;
    return registry.members
      .filter(({ isElastic, isDraining }) => isElastic && !isDraining)
      .reverse()
      .sort(
        (a, b) =>
          Number(a.weight > 0) - Number(b.weight > 0) ||
          registry.states.inFlightOf(a) - registry.states.inFlightOf(b),
      );
  }

  #grow(decision: Decision): void {
    const count = decision.to - decision.from;
    this.#note(decision);
    this.#adding += count;
    // each on its own, so that those that start serve even where others do not
    const added = Array.from({ length: count }, () => this.#parts.scaling.add(1, []));
    void Promise.allSettled(added).then((results) => {
      this.#adding -= count;
      const errors = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      );
      if (errors.length < count) this.#unblock();
      else this.#recordFailure(errors[0]);
    });
  }

  #shrink(decision: Decision): void {
    const count = decision.from - decision.to;
    const names = this.#removable()
      .slice(0, count)
      .map(({ name }) => name);
    this.#parts.scaling.remove(count, names).then(
      () => this.#note(decision),
      (error: unknown) => this.#parts.log.debug({ cause: messageOf(error) }, 'failed to scale down'),
    );
  }

  #recordFailure(error: unknown): void {
    const { clock, log, journal } = this.#parts;
    if (isBalancerError(error, 'shutting-down') || isBalancerError(error, 'bad-request')) {
      log.debug({ cause: messageOf(error) }, 'failed to scale up');
      return;
    }
    if (++this.#failures < MOST_FAILURES) return;
    this.#blockedUntilMs = clock.nowMs() + this.#settings.downWindowMs;
    const cause = `${this.#failures} additions in a row did not become healthy: ${messageOf(error)}`;
    log.warn({ cause: messageOf(error) }, `autoscaling adds nothing for a while: ${cause}`);
    journal.note({ kind: 'scale-blocked', cause, ms: this.#settings.downWindowMs });
  }

  #unblock(): void {
    this.#failures = 0;
    this.#blockedUntilMs = Number.NEGATIVE_INFINITY;
  }

  #note(decision: Decision): void {
    const { clock, log, journal } = this.#parts;
    const { from, to, reason, load, target } = decision;
    const scale: ScaleChange = { from, to, reason, L: rounded(load), T: target };
    this.#changed = { ...scale, time: new Date(clock.wallMs()).toISOString() };
    log.info(
      { replicas: to, reason, load: scale.L, target },
      `scaled ${describeDecision(decision, this.#settings)}`,
    );
    journal.note({ kind: 'scaled', cause: describeChange(decision), scale });
  }

  #view(settings: ScaleSettings, decision: Decision | undefined): ScaleView {
    const { registry, table, clock, pool } = this.#parts;
    return scaleViewOf({
      n: registry.replicas.length,
      ready: table.eligible,
      settings,
      isBlocked: clock.nowMs() < this.#blockedUntilMs,
      decision,
      changed: this.#changed,
      acting: pool.acting,
    });
  }
}
