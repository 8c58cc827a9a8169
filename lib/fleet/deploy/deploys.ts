/**
 * The deploys of a balancer: what `/deploy` asks for, one at a time.
 * Invariant: a request that is refused has changed nothing.
 */
import type { DeployPreview, DeployStatus, DeployView } from '../../api/deploy.ts';
import type { Ending } from '../../core/ending.ts';
import { DEPLOY_DEFAULTS } from '../../core/policy/deploy-gate.ts';
import type { ReplicaSpec, SpecOverrides } from '../../core/replica-spec.ts';
import type { Driver, Instance, Turn } from '../../drivers/driver.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { PeerDeploys, type PeerDeploysParts } from '../shared/peer-deploys.ts';
import { adoptReleases, type Interrupted, type LeftFleet } from './adoption.ts';
import type { Exchange } from './exchange.ts';
import { viewOf } from './exchange.ts';
import type { RolloutParts, RolloutPlan } from './plan.ts';
import { viewOfPool } from './pool-view.ts';
import { nothingBefore, whyLater, whyNone } from './refusals.ts';
import { mergedEnv, type Release, type Releases } from './releases.ts';
import { Rollout } from './rollout.ts';

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

export interface DeploysParts extends RolloutParts, Pick<PeerDeploysParts, 'gracefulStop' | 'launcher'> {
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
  /** Resolves when it is known what an earlier balancer left, and that is this one's to change. */
  readonly #opened = Promise.withResolvers<void>();
  #isClosed = false;
  /** A deploy waits for its turn in a shared pool, or for its image to be looked up. */
  #isStarting = false;
  /** What other balancers of the pool deploy. */
  readonly peers: PeerDeploys;

  constructor(parts: DeploysParts) {
    this.#parts = parts;
    this.peers = new PeerDeploys(parts);
  }

  /** Lets deploys begin; those that were asked for before had to wait. */
  open(): void {
    this.#opened.resolve();
  }

  /** Starts a deploy and returns its id. Throws `bad-request`, `deploy-running`, or why there is no such image. */
  async start(request: DeployRequest): Promise<string> {
    await this.#opened.promise;
    this.#mustBeFree();
    this.#isStarting = true;
    let turn: Turn | undefined;
    try {
      turn = await this.peers.takeTurn();
      const to = await this.#releaseOf(request);
      this.#isStarting = false;
      this.#mustBeFree();
      return this.#startWith(to, request, turn);
    } catch (error) {
      await turn?.end();
      throw error;
    } finally {
      this.#isStarting = false;
    }
  }

  #startWith(to: Release, request: DeployRequest, turn: Turn | undefined): string {
    if (request.kind === 'rollback' && this.#interrupted !== undefined)
      return this.#undo(this.#interrupted, turn);
    const { batch, watchMs, maxErrorRate } = request;
    const base = request.kind === 'resume' ? this.#interrupted?.from : undefined;
    return this.#begin(to, { batch, watchMs, maxErrorRate, ...(base !== undefined && { base }) }, turn);
  }

  /** Learns from what an earlier balancer left which releases replicas run. Throws `engine-unreachable`. */
  async adopt(left: LeftFleet): Promise<void> {
    const found = await adoptReleases(this.#parts, left);
    const all = [...left.places.map(({ witness }) => witness), ...left.rest];
    const interrupted = this.#parts.driver.isShared ? this.peers.follow(all, new Set(), false) : found;
    this.#interrupted = interrupted;
    if (interrupted === undefined) return;
    const { from, to } = interrupted;
    this.#parts.log.warn(
      { from: from.title, to: to.title },
      'the balancer before ended during a deploy: "ringlb deploy resume" goes on with it, "ringlb rollback" takes it back',
    );
  }

  /** Takes over what other balancers of the pool deploy, but for replicas in `busy`. */
  follow(observed: readonly Instance[], busy: ReadonlySet<string>): void {
    if (!this.#parts.driver.isShared) return;
    const interrupted = this.peers.follow(observed, busy, this.isRunning);
    if (!this.isRunning) this.#interrupted = interrupted;
  }

  /** What the request would do. Throws as `start`. */
  async preview(request: DeployRequest): Promise<DeployPreview> {
    await this.#opened.promise;
    this.#mustBeFree();
    const { registry, releases } = this.#parts;
    const to = await this.#releaseOf(request);
    const isUndo = request.kind === 'rollback' && this.#interrupted !== undefined;
    const isTouched = ({ name }: Replica): boolean => {
      const { generation } = releases.of(name);
      if (isUndo) return generation === this.#interrupted?.to.generation;
      return generation !== to.generation;
    };
    const replicas = registry.members
      .filter(isTouched)
      .toSorted((a, b) => registry.states.inFlightOf(a) - registry.states.inFlightOf(b))
      .map(({ name }) => ({ name, from: viewOf(releases.of(name)) }));
    return { dryRun: true, to: viewOf(to), replicas };
  }

  /** Undoes the deploy under way, or deploys the release before as carefully as the last; returns the id of that deploy. */
  async rollBack(): Promise<string> {
    const rollout = this.#rollout;
    if (rollout?.isRunning === true) {
      rollout.abort('asked for by an operator');
      return rollout.view().id;
    }
    const undone = await this.peers.undo();
    if (undone !== undefined) return undone;
    return this.start({ ...(rollout?.view() ?? DEPLOY_DEFAULTS), kind: 'rollback' });
  }

  status(): DeployStatus {
    const { releases } = this.#parts;
    const { before } = releases;
    return {
      current: viewOf(releases.current),
      before: before === undefined ? null : viewOf(before),
      deploy: this.#view() ?? null,
    };
  }

  /** The deploy under way, at this balancer or another; else one that was left undone; else the last one. */
  #view(): DeployView | undefined {
    const own = this.#rollout?.view();
    if (!this.#parts.driver.isShared) return own ?? this.#interruptedView();
    const peers = this.peers.view();
    if (this.isRunning) return own;
    if (this.peers.isRunning) return peers;
    const isOwn = own !== undefined && own.to.generation === this.#interrupted?.to.generation;
    if (this.#interrupted !== undefined) return isOwn ? own : this.#interruptedView();
    const isLost = own?.state === 'interrupted' && peers !== undefined;
    const isPeersLater = (peers?.to.generation ?? 0) > (own?.to.generation ?? 0);
    return isLost || isPeersLater ? peers : own;
  }

  /** True where the new instance of a replica that has ended, or hangs, was exchanged for the one before. */
  fallBack(replica: Replica, cause: string): boolean {
    return this.#rollout?.isRunning === true && this.#rollout.fallBack(replica, cause);
  }

  /** True while instances beside the current ones are started and removed here. */
  get isRunning(): boolean {
    return this.#rollout?.isRunning ?? false;
  }

  /** True while this balancer or another of the pool deploys. */
  get isUnderWay(): boolean {
    return this.isRunning || this.peers.isRunning;
  }

  /** Replicas whose instances are not listed yet as what they are. */
  get exchanging(): ReadonlySet<string> {
    return this.#parts.exchange.exchanging;
  }

  /** Another balancer has put another instance into the place of one that runs. Throws where its probes do not pass. */
  exchangeFor(replica: Replica, found: Instance): Promise<void> {
    return this.#parts.exchange.follow(replica, found);
  }

  /** False where every deploy is refused, whatever it asks for. */
  get isPossible(): boolean {
    return whyNone(this.#parts) === undefined;
  }

  /** An instance exited, wherever it was. */
  recordExit(instanceId: string, ending: Ending): void {
    if (this.isRunning) this.#parts.exchange.exits.record(instanceId, ending);
    this.#parts.exchange.next.recordExit(instanceId, ending);
  }

  /** Refuses every deploy from now on. Throws `deploy-running` while one is under way, and refuses nothing then. */
  refuseAll(): void {
    if (this.isRunning)
      throw new BalancerError('deploy-running', 'A deploy is under way: take over when it has ended');
    this.#isClosed = true;
    this.#opened.resolve();
  }

  /** Stops a deploy where it is. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#opened.resolve();
    this.#rollout?.close();
    this.#parts.exchange.next.close();
    this.#parts.exchange.exits.close();
    await this.#running;
  }

  #begin(to: Release, how: Omit<RolloutPlan, 'id' | 'to' | 'turn'>, turn: Turn | undefined): string {
    this.#parts.releases.use(to);
    return this.#track({ to, turn, ...how }, (rollout) => rollout.run());
  }

  /** Takes back what an earlier balancer began. */
  #undo({ from: base, to }: Interrupted, turn: Turn | undefined): string {
    return this.#track({ ...DEPLOY_DEFAULTS, base, to, turn }, (rollout) => rollout.undo(INTERRUPTED));
  }

  #track(plan: Omit<RolloutPlan, 'id'>, run: (rollout: Rollout) => Promise<void>): string {
    const id = `${START_OF_IDS}-${++this.#count}`;
    this.#parts.exchange.exits.clear();
    const rollout = new Rollout(this.#parts, { id, ...plan });
    this.#rollout = rollout;
    const { members } = this.#parts.driver;
    const { generation, title } = plan.to;
    members?.announceDeploy({ id, generation, title }, ({ title: by }) =>
      rollout.abort(`asked for by an operator at ${by}`),
    );
    this.#running = run(rollout).then(async () => {
      if (!this.#isMixed) this.#interrupted = undefined;
      members?.announceDeploy(undefined, () => {});
      await plan.turn
        ?.end()
        .catch((error: unknown) =>
          this.#parts.log.warn({ cause: messageOf(error) }, 'failed to give up the turn to deploy'),
        );
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
    const what = { ...this.#interrupted, id: `${START_OF_IDS}-0`, reason: INTERRUPTED, ms: 0 };
    return viewOfPool(this.#parts, { ...what, state: 'interrupted' });
  }

  #mustBeFree(): void {
    if (this.#isClosed) throw new BalancerError('shutting-down');
    const refusal = whyNone(this.#parts);
    if (refusal !== undefined) throw new BalancerError('bad-request', refusal);
    if (this.#isStarting)
      throw new BalancerError('deploy-running', 'another deploy is about to start: see GET /deploy');
    this.peers.refuse();
    const view = this.#rollout?.isRunning === true ? this.#rollout.view() : undefined;
    if (view !== undefined) throw new BalancerError('deploy-running', whyLater(view));
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
