/**
 * One deploy: brings the replicas to a release, a batch at a time, watches each batch, and undoes everything at the first
 * failure. Single replicas are exchanged by `exchange.ts`.
 * Invariants: an old instance lives until its successor has passed the gate; what is left to do is read from what the
 * replicas run, so replicas that are added or healed meanwhile are neither missed nor done twice.
 */
import type { DeployState, DeployView } from '../../api/deploy.ts';
import { changeOf } from '../../core/release-change.ts';
import { sleep, type Timer } from '../../platform/clock.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Replica } from '../replica.ts';
import { untilFollowed } from '../shared/following.ts';
import { newStep, type Step, StepError, stepView, viewOf } from './exchange.ts';
import type { RolloutParts, RolloutPlan } from './plan.ts';
import type { Release } from './releases.ts';

/** Between two looks at what the gate sees: every request of a version that fails half of them goes there meanwhile. */
const LOOK_MS = 20;
/** Of what a new instance printed that failed: enough for the head of a stack trace. */
const LINES_TOLD = 5;
/** The longest of these lines, in characters; the log of the replica has them whole. */
const MAX_LINE = 200;
/** How often the start of an old version is tried in a rollback. */
const ROLLBACK_TRIES = 3;
const LOST = 'this balancer stood still, and another of the pool has taken over from it';

export class Rollout {
  readonly #parts: RolloutParts;
  readonly #plan: RolloutPlan;
  readonly #base: Release;
  readonly #baseBefore: Release | undefined;
  readonly #steps: Step[] = [];
  readonly #sinceMs: number;
  #state: DeployState = 'running';
  #endedMs: number | undefined;
  #reason: string | undefined;
  /** What the new instance printed last that failed. */
  #lastLines: readonly string[] = [];
  /** Why it is to be ended, before it has noticed. */
  #abortion: string | undefined;
  #wake: () => void = () => {};
  #isClosed = false;

  constructor(parts: RolloutParts, plan: RolloutPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#base = plan.base ?? parts.releases.current;
    this.#baseBefore = this.#base === parts.releases.current ? parts.releases.before : undefined;
    this.#sinceMs = parts.clock.nowMs();
  }

  get isRunning(): boolean {
    return this.#state === 'running' || this.#state === 'rolling-back';
  }

  /** Brings every replica to the release, or back. Never rejects. */
  async run(): Promise<void> {
    const { to } = this.#plan;
    const { journal, log, releases } = this.#parts;
    const cause = `${this.#plan.id}: ${changeOf(this.#base, to)}`;
    log.info({ deploy: this.#plan.id, from: this.#base.title, to: to.title }, 'deploy started');
    journal.note({ kind: 'deploy-started', cause });
    try {
      await this.#rollOut();
      releases.makeCurrent(to);
      this.#end('done');
      log.info({ deploy: this.#plan.id, to: to.title }, 'deploy done');
      journal.note({ kind: 'deploy-done', cause, ms: this.#tookMs });
    } catch (error) {
      if (!this.#isClosed) await this.#rollBack(error);
    }
  }

  /** Brings the replicas that run the release back, as far as an earlier balancer got with it. Never rejects. */
  undo(reason: string): Promise<void> {
    const { registry, releases } = this.#parts;
    const { to } = this.#plan;
    for (const replica of registry.replicas)
      if (this.#isOf(replica, to))
        this.#steps.push({ ...newStep(replica, this.#base, releases.of(replica.name)), phase: 'done' });
    return this.#rollBack(new BalancerError('start-failed', reason));
  }

  /** Undoes everything, for this reason; nothing happens once it has ended. */
  abort(reason: string): void {
    if (this.#state !== 'running') return;
    this.#abortion ??= reason;
    this.#parts.exchange.next.abort(new BalancerError('start-failed', reason));
    this.#wake();
  }

  /** Stops where it is: the balancer shuts down. */
  close(): void {
    this.#isClosed = true;
    this.abort('the balancer is shutting down');
  }

  /**
   * The new instance of a replica has ended or hangs: puts the one before back in its place. False where it was not this
   * deploy that put it there, or the one before has ended too.
   */
  fallBack(replica: Replica, cause: string): boolean {
    const step = this.#steps.find((one) => one.replica === replica && one.phase === 'watching');
    if (step === undefined) return false;
    step.failure ??= cause;
    const isBack = this.#parts.exchange.switchBack(step);
    this.#wake();
    return isBack;
  }

  view(): DeployView {
    const { id, to, batch, watchMs, maxErrorRate } = this.#plan;
    const waiting = this.#pending(to)
      .filter((replica) => !this.#steps.some((step) => step.replica === replica))
      .map((replica) => newStep(replica, this.#parts.releases.of(replica.name), to));
    const steps = this.#state === 'running' ? [...this.#steps, ...waiting] : this.#steps;
    return {
      id,
      state: this.#state,
      from: viewOf(this.#base),
      to: viewOf(to),
      batch,
      watchMs,
      maxErrorRate,
      reason: this.#reason ?? null,
      lastLines: this.#lastLines,
      ms: Math.round(this.#tookMs),
      replicas: steps.map(stepView),
    };
  }

  get #tookMs(): number {
    return (this.#endedMs ?? this.#parts.clock.nowMs()) - this.#sinceMs;
  }

  #end(state: DeployState): void {
    this.#state = state;
    this.#endedMs = this.#parts.clock.nowMs();
  }

  async #rollOut(): Promise<void> {
    const { to, batch } = this.#plan;
    let isFollowed = false;
    for (;;) {
      await this.#mustHaveTurn();
      const pending = this.#pending(to);
      if (pending.length === 0) {
        if (isFollowed) return;
        await this.#followOthers();
        isFollowed = true;
        continue;
      }
      isFollowed = false;
      const joined = pending.filter((replica) => replica.joined).slice(0, batch);
      // replicas that are being added are waited for
      if (joined.length === 0) await this.#pause(LOOK_MS);
      else await this.#roll(joined);
    }
  }

  /** Waits for the replicas that other balancers of the pool have added meanwhile, maybe in the old version. */
  async #followOthers(): Promise<void> {
    const { driver, log } = this.#parts;
    if (driver.isShared !== true) return;
    try {
      await untilFollowed(this.#parts);
    } catch (error) {
      // every replica that is known runs the release, so nothing is taken back
      log.warn(
        { deploy: this.#plan.id, cause: messageOf(error) },
        'failed to look for replicas that other balancers have added',
      );
    }
  }

  /** Replicas that do not run the release yet, those with the fewest requests in flight first. */
  #pending(release: Release): readonly Replica[] {
    const { registry } = this.#parts;
    return registry.replicas
      .filter((replica) => {
        const { instance } = replica;
        if (!this.#isOf(replica, release)) return true;
        return instance !== undefined && instance.generation !== release.generation;
      })
      .toSorted((a, b) => registry.states.inFlightOf(a) - registry.states.inFlightOf(b));
  }

  async #roll(replicas: readonly Replica[]): Promise<void> {
    const { exchange, releases, log, journal } = this.#parts;
    const { to, id } = this.#plan;
    const steps = replicas.map((replica) => newStep(replica, releases.of(replica.name), to));
    this.#steps.push(...steps);
    const started = await Promise.allSettled(steps.map((step) => exchange.start(step)));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await this.#mustHaveTurn();
    for (const step of steps) {
      if (!exchange.switchOver(step, `deploy ${id}`)) continue;
      const { name } = step.replica;
      log.info({ replica: name, deploy: id, instance: step.replica.instance?.instanceId }, 'switched');
      journal.note({
        kind: 'deploy-switched',
        replica: name,
        instance: step.replica.instance?.instanceId,
        cause: changeOf(step.from, to),
      });
    }
    await Promise.all(steps.map((step) => exchange.rename(step)));
    await this.#watch(steps);
    await this.#mustHaveTurn();
    for (const step of steps) exchange.finish(step);
    // what is added from now on gets the new release
    releases.makeCurrent(to);
  }

  /** Resolves once the gate has passed. Throws why it failed. */
  async #watch(steps: readonly Step[]): Promise<void> {
    const { gate, clock, registry, exchange } = this.#parts;
    const { watchMs, maxErrorRate } = this.#plan;
    const watch = gate.begin(steps.map(({ replica }) => replica));
    const untilMs = clock.nowMs() + watchMs;
    for (;;) {
      const leftMs = untilMs - clock.nowMs();
      for (const step of steps) {
        if (step.phase !== 'watching' && step.failure === undefined) continue;
        if (!registry.has(step.replica)) {
          exchange.giveUp(step);
          continue;
        }
        const failure =
          step.failure ??
          watch.judge(step, maxErrorRate) ??
          (leftMs <= 0 ? watch.judgeAtEnd(step) : undefined);
        if (failure !== undefined) throw new StepError(step, failure);
      }
      this.#mustGoOn();
      if (leftMs <= 0) return;
      await this.#pause(Math.min(LOOK_MS, leftMs));
    }
  }

  /** Undoes all that was done, the last first. */
  async #rollBack(error: unknown): Promise<void> {
    const { log, journal, releases, exchange } = this.#parts;
    const { id } = this.#plan;
    if (await this.#isTurnLost()) return this.#leaveOff();
    this.#state = 'rolling-back';
    this.#reason = messageOf(error);
    releases.restore(this.#base, this.#baseBefore);
    const undone = this.#steps.toReversed();
    // requests first: what is wrong with the new instance can be found out without them
    for (const step of undone) if (step.phase === 'watching') exchange.switchBack(step);
    const reason = error instanceof StepError ? await exchange.reasonOf(error) : messageOf(error);
    this.#reason = reason;
    if (error instanceof StepError) this.#lastLines = this.#linesOf(error.step);
    log.warn({ deploy: id, cause: reason }, 'deploy failed, going back');
    for (const step of undone) if (step.phase === 'starting') exchange.giveUp(step);
    await Promise.all(this.#steps.map((step) => exchange.rename(step)));
    const left = await this.#undoDone();
    if (this.#isClosed) return;
    if (await this.#isTurnLost()) return this.#leaveOff();
    this.#end(left.length === 0 ? 'rolled-back' : 'failed');
    const more = left.length === 0 ? '' : `; not back yet: ${left.join(', ')}`;
    const cause = `${reason}${more}`;
    const lines = this.#lastLines.length > 0 && { lastLines: this.#lastLines };
    log.warn({ deploy: id, cause, ...lines }, 'deploy rolled back');
    journal.note({ kind: 'deploy-rolled-back', cause, ms: this.#tookMs, ...lines });
  }

  /** What the new instance printed last, as much as an event may hold. */
  #linesOf({ instanceId }: Step): readonly string[] {
    if (instanceId === undefined) return [];
    const lines = this.#parts.lastLines(instanceId, LINES_TOLD);
    return lines.map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line));
  }

  /** Brings the replicas that had passed their gate back; returns the names of those that would not come. */
  async #undoDone(): Promise<readonly string[]> {
    const { registry, releases, exchange, log } = this.#parts;
    const { to, id, batch } = this.#plan;
    const tries = new Map<Replica, number>();
    const canTry = (replica: Replica): boolean => (tries.get(replica) ?? 0) < ROLLBACK_TRIES;
    for (;;) {
      const left = registry.replicas.filter((replica) => this.#isOf(replica, to));
      const next = left.filter(canTry);
      if (next.length === 0 || this.#isClosed) return left.map(({ name }) => name);
      if (await this.#isTurnLost()) return [];
      const joined = next.filter((replica) => replica.joined).slice(0, batch);
      if (joined.length === 0) await sleep(this.#parts.clock, LOOK_MS);
      const undoing = joined.map(async (replica) => {
        tries.set(replica, (tries.get(replica) ?? 0) + 1);
        const done = this.#steps.findLast((step) => step.replica === replica);
        const back = newStep(replica, releases.of(replica.name), done?.from ?? this.#base);
        try {
          await exchange.start(back);
          exchange.switchOver(back, `rollback of ${id}`);
          await exchange.rename(back);
          exchange.finish(back);
          if (done !== undefined) done.phase = 'rolled-back';
        } catch (error) {
          log.warn({ replica: replica.name, cause: messageOf(error) }, 'the version before did not start');
        }
      });
      await Promise.all(undoing);
    }
  }

  /** True for every release of the generation: those that were adopted may have other options. */
  #isOf({ name }: Replica, { generation }: Release): boolean {
    return this.#parts.releases.of(name).generation === generation;
  }

  /** What was begun is another's to end by now: nothing that it has put into place is touched. */
  #leaveOff(): void {
    const { log, exchange, nudge } = this.#parts;
    for (const step of this.#steps) exchange.letGo(step);
    this.#reason = LOST;
    this.#end('interrupted');
    log.warn({ deploy: this.#plan.id, cause: LOST }, 'deploy given up');
    nudge();
  }

  async #isTurnLost(): Promise<boolean> {
    // while the engine is silent nobody else can have taken it
    return (await this.#plan.turn?.isHeld().catch(() => true)) === false;
  }

  async #mustHaveTurn(): Promise<void> {
    if (await this.#isTurnLost()) throw new BalancerError('deploy-running', LOST);
    this.#mustGoOn();
  }

  #mustGoOn(): void {
    if (this.#abortion !== undefined) throw new BalancerError('start-failed', this.#abortion);
  }

  /** Waits, but not beyond a failure or an abortion. */
  async #pause(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer: Timer = this.#parts.clock.after(delayMs, resolve);
    await promise;
    timer.cancel();
  }
}
