/**
 * The deploys of a balancer: what `/deploy` asks for, one at a time.
 * Invariant: a request that is refused has changed nothing.
 */
import type { DeployPreview, DeployStatus, DeployView } from '../../api/deploy.ts';
import type { Ending } from '../../core/ending.ts';
import { DEPLOY_DEFAULTS } from '../../core/policy/deploy-gate.ts';
import type { ReplicaSpec, SpecOverrides } from '../../core/replica-spec.ts';
import type { Driver } from '../../drivers/driver.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { adoptReleases, type Interrupted, type LeftFleet } from './adoption.ts';
import type { Exchange } from './exchange.ts';
import { newStep, type Step, stepView, viewOf } from './exchange.ts';
import { mergedEnv, type Release, type Releases } from './releases.ts';
import { Rollout, type RolloutParts, type RolloutPlan } from './rollout.ts';

/** What is to be different in the new release; what is undefined stays as it is. */
export interface SpecChange {
  readonly image?: string | undefined;
  readonly command?: string | undefined;
  /** Added to the variables there are. */
  readonly env?: readonly (readonly [name: string, value: string])[] | undefined;
}

export interface DeployRequest extends SpecChange {
  /**
   * `change`: a new release; `restart`: the current one anew; `rollback`: the one before; `resume`: what an earlier balancer
   * did not end.
   */
  readonly kind: 'change' | 'restart' | 'rollback' | 'resume';
  readonly batch: number;
  readonly watchMs: number;
  readonly maxErrorRate: number;
}

export interface DeploysParts extends RolloutParts {
  readonly registry: Registry;
  readonly releases: Releases;
  readonly driver: Driver;
  readonly exchange: Exchange;
  /** Each instance is a replica with a name of its own. */
  readonly classic: boolean;
  /** The command words of an image's arguments. Throws `bad-request`. */
  readonly wordsOf: (command: string) => readonly string[];
}

/** The reason of a deploy that an earlier balancer did not end. */
const INTERRUPTED = 'the balancer ended in the middle of it';
const START_OF_IDS = Date.now().toString(36);

export class Deploys {
  readonly #parts: DeploysParts;
  #rollout: Rollout | undefined;
  /** What an earlier balancer began, until it is brought to an end. */
  #interrupted: Interrupted | undefined;
  #count = 0;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: DeploysParts) {
    this.#parts = parts;
  }

  /** Starts a deploy and returns its id. Throws `bad-request`, `deploy-running`, or why there is no such image. */
  async start(request: DeployRequest): Promise<string> {
    this.#mustBeFree();
    const to = await this.#releaseOf(request);
    // another may have started while the image was looked up
    this.#mustBeFree();
    if (request.kind === 'rollback' && this.#interrupted !== undefined) return this.#undo(this.#interrupted);
    const { batch, watchMs, maxErrorRate } = request;
    const base = request.kind === 'resume' ? this.#interrupted?.from : undefined;
    return this.#begin(to, { batch, watchMs, maxErrorRate, ...(base !== undefined && { base }) });
  }

  /** Learns from what an earlier balancer left which releases replicas run. Throws `engine-unreachable`. */
  async adopt(left: LeftFleet): Promise<void> {
    const interrupted = await adoptReleases(this.#parts, left);
    this.#interrupted = interrupted;
    if (interrupted === undefined) return;
    const { from, to } = interrupted;
    this.#parts.log.warn(
      { from: from.title, to: to.title },
      'the balancer before ended during a deploy: "ringlb deploy resume" goes on with it, "ringlb rollback" takes it back',
    );
  }

  /** What the request would do. Throws as `start`. */
  async preview(request: DeployRequest): Promise<DeployPreview> {
    this.#mustBeFree();
    const { registry, releases } = this.#parts;
    const to = await this.#releaseOf(request);
    const isUndo = request.kind === 'rollback' && this.#interrupted !== undefined;
    const isTouched = ({ name }: Replica): boolean => {
      const { generation } = releases.of(name);
      if (isUndo) return generation === this.#interrupted?.to.generation;
      return request.kind !== 'resume' || generation !== to.generation;
    };
    const replicas = registry.members
      .filter(isTouched)
      .toSorted((a, b) => registry.states.inFlightOf(a) - registry.states.inFlightOf(b))
      .map(({ name }) => ({ name, from: viewOf(releases.of(name)) }));
    return { dryRun: true, to: viewOf(to), replicas };
  }

  /** Undoes the deploy under way, or goes back to the release before, as carefully as the last deploy went; returns the id of the deploy that does. */
  async rollBack(): Promise<string> {
    const rollout = this.#rollout;
    if (rollout?.isRunning === true) {
      rollout.abort('asked for by an operator');
      return rollout.view().id;
    }
    return this.start({ ...(rollout?.view() ?? DEPLOY_DEFAULTS), kind: 'rollback' });
  }

  status(): DeployStatus {
    const { releases } = this.#parts;
    const { before } = releases;
    return {
      current: viewOf(releases.current),
      before: before === undefined ? null : viewOf(before),
      deploy: this.#rollout?.view() ?? this.#interruptedView() ?? null,
    };
  }

  /** True where the new instance of a replica that has ended, or hangs, was exchanged for the one before. */
  fallBack(replica: Replica, cause: string): boolean {
    return this.#rollout?.isRunning === true && this.#rollout.fallBack(replica, cause);
  }

  /** True while instances beside the current ones are started and removed here. */
  get isRunning(): boolean {
    return this.#rollout?.isRunning ?? false;
  }

  /** False where every deploy is refused, whatever it asks for. */
  get isPossible(): boolean {
    return this.#refusal === undefined;
  }

  /** An instance exited, wherever it was. */
  recordExit(instanceId: string, ending: Ending): void {
    if (this.isRunning) this.#parts.exchange.exits.record(instanceId, ending);
    this.#parts.exchange.next.recordExit(instanceId, ending);
  }

  /** Stops a deploy where it is. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rollout?.close();
    this.#parts.exchange.next.close();
    this.#parts.exchange.exits.close();
    await this.#running;
  }

  #begin(to: Release, how: Omit<RolloutPlan, 'id' | 'to'>) {
    this.#parts.releases.use(to);
    return this.#track({ to, ...how }, (rollout) => rollout.run());
  }

  /** Takes back what an earlier balancer began. */
  #undo({ from: base, to }: Interrupted): string {
    return this.#track({ ...DEPLOY_DEFAULTS, base, to }, (rollout) => rollout.undo(INTERRUPTED));
  }

  #track(plan: Omit<RolloutPlan, 'id'>, run: (rollout: Rollout) => Promise<void>): string {
    const id = `${START_OF_IDS}-${++this.#count}`;
    this.#parts.exchange.exits.clear();
    const rollout = new Rollout(this.#parts, { id, ...plan });
    this.#rollout = rollout;
    this.#running = run(rollout).then(() => {
      if (!this.#isMixed) this.#interrupted = undefined;
    });
    return id;
  }

  /** True while replicas run several releases. */
  get #isMixed(): boolean {
    const { registry, releases } = this.#parts;
    return new Set(registry.replicas.map(({ name }) => releases.of(name).generation)).size > 1;
  }

  #interruptedView(): DeployView | undefined {
    if (this.#interrupted === undefined) return undefined;
    const { registry, releases } = this.#parts;
    const { from, to } = this.#interrupted;
    const steps = registry.replicas.map((replica): Step => {
      const release = releases.of(replica.name);
      const isDone = release.generation === to.generation;
      return { ...newStep(replica, isDone ? from : release, to), phase: isDone ? 'done' : 'waiting' };
    });
    return {
      ...DEPLOY_DEFAULTS,
      id: `${START_OF_IDS}-0`,
      state: 'interrupted',
      from: viewOf(from),
      to: viewOf(to),
      reason: INTERRUPTED,
      lastLines: [],
      ms: 0,
      replicas: steps.map(stepView),
    };
  }

  /** Why there can be no deploy at all; undefined where there can. */
  get #refusal(): string | undefined {
    const { driver, classic } = this.#parts;
    if (!driver.ownsInstances)
      return `the servers are not started by this balancer (driver ${driver.kind}); deploy them where they are started`;
    if (driver.kind === 'swarm')
      return 'the engines run the replicas as services (driver swarm); bring them a version with docker service update';
    const others = (driver.members?.peers ?? []).filter(({ isSelf }) => !isSelf);
    if (others.length > 0)
      return `the other balancers of the pool (${others.map(({ title }) => title).join('; ')}) would heal with the version that they know: stop them, deploy here, and start them again`;
    if (classic)
      return 'with --classic every new instance has a new name, so nothing can be deployed in the same names';
    return undefined;
  }

  #mustBeFree(): void {
    if (this.#isClosed) throw new BalancerError('shutting-down');
    const refusal = this.#refusal;
    if (refusal !== undefined) throw new BalancerError('bad-request', refusal);
    const view = this.#rollout?.isRunning === true ? this.#rollout.view() : undefined;
    if (view !== undefined)
      throw new BalancerError(
        'deploy-running',
        `deploy ${view.id} is ${view.state} (${doneIn(view)}); wait for its end, or take it back with DELETE /deploy`,
      );
  }

  async #releaseOf(request: DeployRequest): Promise<Release> {
    const { releases } = this.#parts;
    const { current } = releases;
    switch (request.kind) {
      case 'restart':
        return releases.create(current.overrides, current.title);
      case 'resume':
        if (this.#interrupted !== undefined) return this.#interrupted.to;
        throw new BalancerError('bad-request', 'no deploy was interrupted, so there is nothing to resume');
      case 'rollback': {
        if (this.#interrupted !== undefined) return this.#interrupted.from;
        const { before } = releases;
        if (before === undefined) throw new BalancerError('bad-request', nothingBefore(current));
        return releases.create(before.overrides, before.title);
      }
      case 'change':
        return this.#changed(current, request);
    }
  }

  async #changed(current: Release, { image, command, env = [] }: SpecChange): Promise<Release> {
    const { releases, driver, wordsOf } = this.#parts;
    const isDocker = driver.kind === 'docker';
    if (image !== undefined && !isDocker)
      throw new BalancerError('bad-request', 'driver process runs commands, not images: name a command');
    const overrides: SpecOverrides = {
      ...current.overrides,
      ...(command !== undefined && (isDocker ? { args: wordsOf(command) } : { command })),
      env: mergedEnv(current.overrides.env ?? [], env),
    };
    if (image === undefined) {
      const title = isDocker ? current.title : titleOf({ ...current.spec, ...overrides });
      return releases.create(overrides, title);
    }
    const pinned = await driver.pin?.(image);
    return releases.create({ ...overrides, image: pinned?.reference ?? image }, pinned?.title ?? image);
  }
}

/** What a spec is called where it has no image. */
export function titleOf(
  { command, image }: Pick<ReplicaSpec, 'command' | 'image'>,
  isDocker = false,
): string {
  if (isDocker) return image;
  return command === '' ? 'sample replica' : command;
}

/** Why there is nothing to go back to. Containers tell what they run, and not what ran before them. */
function nothingBefore({ generation, title }: Release): string {
  return generation === 1
    ? 'nothing was deployed before, so there is nothing to go back to'
    : `this balancer was started after ${title} (generation ${generation}) was deployed, and does not know what ran before: deploy that version by its name`;
}

function doneIn({ replicas }: DeployView): string {
  return `${replicas.filter(({ phase }) => phase === 'done').length} of ${replicas.length} replicas done`;
}
