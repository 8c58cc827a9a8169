/**
 * Deploys in a pool that several balancers share, where one of them acts and the others follow what the engine shows:
 * which release each replica runs, what new ones get, and whether a deploy was left undone.
 * Invariant: what is written on instances counts; what balancers tell each other only says who acts.
 */
import type { DeployState, DeployView } from '../../api/deploy.ts';
import type { Driver, Instance, PoolDeploy, Turn } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import { type Interrupted, judge, type Left } from '../deploy/adoption.ts';
import { viewOfPool } from '../deploy/pool-view.ts';
import type { Release, Releases } from '../deploy/releases.ts';
import type { GracefulStop } from '../lifecycle/graceful-stop.ts';
import type { Launcher } from '../lifecycle/launcher.ts';
import type { Registry } from '../registry.ts';

export interface PeerDeploysParts {
  readonly driver: Driver;
  readonly registry: Registry;
  readonly releases: Releases;
  readonly launcher: Launcher;
  readonly gracefulStop: Pick<GracefulStop, 'stop'>;
  readonly clock: Clock;
}

/** A deploy of another balancer, as it is seen from here. */
interface PeerDeploy extends PoolDeploy {
  /** What was current here when it was first seen. */
  readonly from: Release;
  /** Of the balancer, for people. */
  readonly by: string;
  readonly sinceMs: number;
  /** Undefined until it is over. */
  endedMs: number | undefined;
  state: DeployState;
}

const NOBODY: ReadonlySet<string> = new Set();

export class PeerDeploys {
  readonly #parts: PeerDeploysParts;
  #last: PeerDeploy | undefined;
  /** What was current before the last release was taken over, and what a rollback would have gone back to then. */
  #earlier: { readonly current: Release; readonly before: Release | undefined } | undefined;

  constructor(parts: PeerDeploysParts) {
    this.#parts = parts;
  }

  /** False where nobody else changes what replicas run, or versions are not written on instances. */
  get #isShared(): boolean {
    const { driver } = this.#parts;
    return driver.isShared === true && driver.startedWith !== undefined;
  }

  /** Another balancer deploys. */
  get isRunning(): boolean {
    return this.#parts.driver.members?.deploying !== undefined;
  }

  /**
   * Makes this balancer the only one that deploys; undefined where it always is. Throws `deploy-running`,
   * `engine-unreachable`.
   */
  async takeTurn(): Promise<Turn | undefined> {
    const { members } = this.#parts.driver;
    if (members === undefined || !this.#isShared) return undefined;
    const turn = await members.takeDeployTurn();
    try {
      await this.#tidy();
    } catch (error) {
      await turn.end();
      throw error;
    }
    return turn;
  }

  /** Throws `deploy-running` where another balancer deploys. */
  refuse(): void {
    const other = this.#parts.driver.members?.deploying;
    if (other === undefined) return;
    const reason = `another balancer of the pool deploys (${other.by.title}): wait for its end, or take it back with DELETE /deploy`;
    throw new BalancerError('deploy-running', reason);
  }

  /** Asks the balancer that deploys to take it back; gives the deploy's id, undefined where none deploys. */
  async undo(): Promise<string | undefined> {
    const { members } = this.#parts.driver;
    // it may have begun a moment ago
    if (this.#isShared && !this.isRunning) await members?.look();
    const id = members?.deploying?.deploy.id;
    if (id !== undefined) members?.requestUndo(id);
    return id;
  }

  /** Reads what instances of generations that are not known yet were started with. Throws `engine-unreachable`. */
  async read(observed: readonly Instance[]): Promise<void> {
    const { driver, releases } = this.#parts;
    if (!this.#isShared) return;
    for (const { role, instanceId, generation = 1 } of observed) {
      if (role === 'removed' || role === 'next' || releases.find(generation) !== undefined) continue;
      const started = await driver.startedWith?.(instanceId);
      if (started !== undefined) releases.adopt(generation, started);
    }
  }

  /**
   * Takes over what replicas run, but for those in `busy`, and what new ones get; returns the deploy that a balancer has
   * left undone. While this balancer deploys it knows better than any list what new ones get.
   */
  follow(
    observed: readonly Instance[],
    busy: ReadonlySet<string>,
    isActing: boolean,
  ): Interrupted | undefined {
    if (!this.#isShared) return undefined;
    for (const instance of observed)
      if (instance.role === 'current' && !busy.has(instance.name)) this.noteRelease(instance);
    if (isActing) return undefined;
    const left = this.#leftIn(observed);
    const current = left.filter(({ isWitness }) => isWitness);
    const isMixed = new Set(current.map(({ release }) => release.generation)).size > 1;
    this.#notePeer(isMixed, current);
    // once a deploy is over, old instances that drain still say nothing of what new ones get
    const judged = judge(this.isRunning ? left : current);
    if (judged.current !== undefined && (!isMixed || this.isRunning))
      this.#makeCurrent(judged.current, judged.before);
    return this.isRunning ? undefined : judged.interrupted;
  }

  /** The replica of that name runs this instance, whoever started it. */
  noteRelease({ name, generation = 1 }: Instance): void {
    const { registry, releases } = this.#parts;
    const release = releases.find(generation);
    if (release === undefined || registry.find(name) === undefined) return;
    if (releases.of(name).generation !== generation) releases.set(name, release);
  }

  /** The deploy of another balancer that was seen last; undefined where there was none, or it was left undone. */
  view(): DeployView | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    const { id, from, generation, title, state, sinceMs, endedMs, by } = last;
    const reason = state === 'rolled-back' ? `see the balancer that carried it out: ${by}` : null;
    const ms = Math.round((endedMs ?? this.#parts.clock.nowMs()) - sinceMs);
    const to = { generation, title };
    return viewOfPool(this.#parts, { id, state, from, to, reason, ms });
  }

  #leftIn(observed: readonly Instance[]): readonly Left[] {
    const { releases } = this.#parts;
    return observed.flatMap((instance): readonly Left[] => {
      const { role, generation = 1 } = instance;
      const release = releases.find(generation);
      if (role === 'removed' || role === 'next' || release === undefined) return [];
      return [{ instance, release, isWitness: role === 'current' }];
    });
  }

  #makeCurrent(current: Release, before: Release | undefined): void {
    const { releases } = this.#parts;
    const { generation } = releases.current;
    if (current.generation === generation) return;
    const earlier = this.#earlier;
    if (earlier?.current.generation === current.generation)
      return releases.restore(earlier.current, earlier.before);
    if (current.generation < generation) return releases.restore(current, before);
    this.#earlier = { current: releases.current, before: releases.before };
    releases.makeCurrent(current);
  }

  /** Notes what becomes of the deploy of another balancer. */
  #notePeer(isMixed: boolean, current: readonly Left[]): void {
    const { driver, clock, releases } = this.#parts;
    const now = driver.members?.deploying;
    const last = this.#last;
    if (now !== undefined && now.deploy.id !== last?.id) {
      const [sinceMs, by] = [clock.nowMs(), now.by.title];
      const from = releases.current;
      this.#last = { ...now.deploy, from, by, sinceMs, endedMs: undefined, state: 'running' };
    } else if (now !== undefined && last?.endedMs !== undefined) {
      // its balancer was taken for ended, and was not
      last.state = 'running';
      last.endedMs = undefined;
    } else if (now === undefined && last?.endedMs === undefined && last !== undefined) {
      if (isMixed) {
        this.#last = undefined;
        return;
      }
      const isDone = current.every(({ release }) => release.generation === last.generation);
      last.state = isDone ? 'done' : 'rolled-back';
      last.endedMs = clock.nowMs();
    }
  }

  /** Before a deploy: what one that has ended in the middle of another left is no obstacle, and its numbers are taken. */
  async #tidy(): Promise<void> {
    const { driver, releases, launcher } = this.#parts;
    const { instances } = launcher;
    const observed = await driver.list();
    await this.read(observed);
    for (const { generation = 1 } of observed) releases.use({ generation });
    this.follow(observed, new Set([...launcher.busy]), false);
    const waiting = observed.filter(({ role }) => role === 'next');
    await Promise.all(waiting.map((instance) => instances.remove(instance, 0)));
    await this.putBack(observed, launcher.busy);
    this.#stopReplaced(observed);
  }

  /** What an earlier deploy has replaced is stopped once no balancer uses it, unless that is under way here. */
  #stopReplaced(observed: readonly Instance[]): void {
    const { registry, launcher, gracefulStop } = this.#parts;
    const used = new Set(
      [...registry.replicas, ...registry.leaving].map(({ instance }) => instance?.instanceId),
    );
    const { beingRemoved } = launcher.instances;
    for (const instance of observed) {
      const { role, instanceId } = instance;
      if (role === 'replaced' && !used.has(instanceId) && !beingRemoved.has(instanceId))
        void gracefulStop.stop(instance);
    }
  }

  /** Instances that serve here but are out of their places, where nothing else is, get their names again. */
  async putBack(observed: readonly Instance[], busy = NOBODY): Promise<void> {
    const { driver, registry, launcher } = this.#parts;
    const taken = new Set(observed.filter(({ role }) => role === 'current').map(({ name }) => name));
    const ours = observed.filter(
      ({ role, status, name, instanceId }) =>
        role === 'replaced' &&
        status === 'running' &&
        !taken.has(name) &&
        !busy.has(name) &&
        registry.find(name)?.instance?.instanceId === instanceId,
    );
    for (const { name, instanceId } of ours)
      await launcher.instances.runInTurn(name, async () => driver.promote?.(instanceId));
  }
}
