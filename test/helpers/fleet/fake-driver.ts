/**
 * A driver without an engine, which misbehaves as real ones do when a test says so: calls that take long or fail,
 * deaths without a hint and hints without a death, names held by strangers, an engine that does not answer.
 * A list shows what there was when it was asked for, however late it arrives.
 * What is slow waits until the test releases it.
 */
import type { Ending } from '../../../lib/core/ending.ts';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import type {
  Driver,
  Hint,
  Instance,
  Members,
  RetiredRole,
  Start,
  StartedWith,
} from '../../../lib/drivers/driver.ts';
import { BalancerError, type ErrorCode } from '../../../lib/platform/errors.ts';
import { endingIn } from './endings.ts';

type Call =
  | 'claimRemoval'
  | 'undoRemoval'
  | 'list'
  | 'start'
  | 'replace'
  | 'endingOf'
  | 'retire'
  | 'promote'
  | 'remove'
  | 'heldNames';

/** Calls of one kind, for one replica or all, wait here until it is opened. */
export interface Gate {
  /** How many wait. */
  readonly waiting: number;
  open(): void;
}

interface Hold {
  readonly call: Call;
  readonly name: string | undefined;
  readonly waiting: (() => void)[];
}

interface Failure {
  readonly call: Call;
  readonly name: string | undefined;
  readonly error: BalancerError;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class FakeDriver implements Driver {
  readonly kind = 'docker';
  readonly ownsInstances: boolean;
  /** Instances that end are replaced by the engine itself; `replace` is called. */
  heals = false;
  freesNamesLate = false;
  /** Other balancers change the pool too: a test does so with `leave` and `instances`. */
  isShared = false;
  outlivesBalancer = false;
  members: Members | undefined;
  /** Instances that other balancers were told of as no longer used. */
  readonly released: string[] = [];
  /** Every instance there is, by id. */
  readonly instances = new Map<string, Mutable<Instance>>();
  /** What instances were started with, by id; those that a test leaves have nothing written on them. */
  readonly started = new Map<string, StartedWith>();
  /** Every call, such as `start S1`, `retire S1#1 replaced`, `remove S1#1 0`. */
  readonly calls: string[] = [];
  /** Names that what is not ours has. */
  readonly strangers = new Set<string>();
  /** Places whose instances die before `start` has told of them. */
  readonly stillborn = new Set<string>();
  /** Hears of every instance as it starts. */
  onStarted: (instance: Instance) => void = () => {};
  /** No call succeeds. */
  isLost = false;
  /** What is started from now on runs it. */
  image: string | undefined;
  /** Most starts that were under way at a time. */
  mostStarts = 0;
  isClosed = false;
  readonly #eviction = Promise.withResolvers<BalancerError>();
  #starts = 0;
  #number = 0;
  #port = 10_000;
  readonly #holds = new Set<Hold>();
  readonly #failures: Failure[] = [];
  #onHint: (hint: Hint) => void = () => {};

  constructor(ownsInstances = true) {
    this.ownsInstances = ownsInstances;
  }

  // ---- the driver

  get evicted(): Promise<BalancerError> {
    return this.#eviction.promise;
  }

  /** Another balancer takes the instances over. */
  evict(): void {
    this.#eviction.resolve(new BalancerError('pool-taken'));
  }

  async open(): Promise<void> {}

  async takePool(): Promise<void> {
    this.isShared = false;
  }

  watch(onHint: (hint: Hint) => void): void {
    this.#onHint = onHint;
  }

  async list(): Promise<readonly Instance[]> {
    const shown = [...this.instances.values()].map((instance) => ({ ...instance }));
    await this.#reach('list', undefined);
    return shown;
  }

  async heldNames(): Promise<readonly string[]> {
    await this.#reach('heldNames', undefined);
    return [...this.strangers];
  }

  async startedWith(instanceId: string): Promise<StartedWith | undefined> {
    return this.started.get(instanceId);
  }

  async start(place: Start, spec?: ReplicaSpec): Promise<Instance> {
    this.calls.push(`start ${place.name}${place.predecessor ? ` after ${place.predecessor}` : ''}`);
    if (!this.ownsInstances) throw new BalancerError('bad-request', 'the servers are a fixed list');
    this.mostStarts = Math.max(this.mostStarts, ++this.#starts);
    try {
      await this.#reach('start', place.name);
      const wanted = place.isNext ? 'next' : 'current';
      const holder = [...this.instances.values()].some(
        ({ name, role }) => name === place.name && role === wanted,
      );
      if (holder || this.strangers.has(place.name))
        throw new BalancerError('name-held', `the name ${place.name} is held`);
      const { name, id, instead, weight, by, generation } = place;
      const runs = { instead, image: this.image, role: wanted, generation } as const;
      const instance = this.leave(name, id, {
        ...runs,
        ...(weight !== undefined && { weight }),
        ...(by !== undefined && { by }),
      });
      const { overrides = {} } = place;
      if (spec !== undefined) this.started.set(instance.instanceId, { spec, overrides, title: 'fake' });
      const told = { ...instance };
      this.onStarted(told);
      if (this.stillborn.has(place.name)) this.die(instance.instanceId, 'exit 1');
      return told;
    } finally {
      this.#starts--;
    }
  }

  async replace(
    { instanceId, name, id }: Instance,
    { avoidNode }: { readonly avoidNode: string | undefined },
  ): Promise<Instance> {
    this.calls.push(`replace ${instanceId}${avoidNode === undefined ? '' : ` not on ${avoidNode}`}`);
    await this.#reach('replace', name);
    if (!this.instances.delete(instanceId)) throw new BalancerError('not-found', `${name} was removed`);
    return { ...this.leave(name, id) };
  }

  async endingOf(instanceId: string): Promise<Ending | undefined> {
    const found = this.instances.get(instanceId)?.ending;
    await this.#reach('endingOf', nameOf(instanceId)).catch(() => {});
    return this.isLost ? undefined : found;
  }

  async retire(instanceId: string, role: RetiredRole): Promise<void> {
    this.calls.push(`retire ${instanceId} ${role}`);
    await this.#reach('retire', nameOf(instanceId));
    const instance = this.instances.get(instanceId);
    if (instance !== undefined) instance.role = role;
  }

  async claimRemoval(name: string): Promise<string | undefined> {
    await this.#reach('claimRemoval', name);
    const found = this.in(name) as Mutable<Instance> | undefined;
    if (found !== undefined) found.role = 'removed';
    return found?.instanceId;
  }

  async undoRemoval(instanceId: string): Promise<void> {
    this.calls.push(`undoRemoval ${instanceId}`);
    const instance = this.instances.get(instanceId);
    if (instance !== undefined) instance.role = 'current';
  }

  release(instanceId: string): void {
    this.released.push(instanceId);
  }

  async promote(instanceId: string): Promise<void> {
    this.calls.push(`promote ${instanceId}`);
    await this.#reach('promote', nameOf(instanceId));
    const instance = this.instances.get(instanceId);
    if (instance !== undefined) instance.role = 'current';
  }

  async remove(instanceId: string, graceMs: number): Promise<void> {
    this.calls.push(`remove ${instanceId} ${graceMs}`);
    await this.#reach('remove', nameOf(instanceId));
    const instance = this.instances.get(instanceId);
    if (instance?.status === 'running') this.die(instanceId, 'SIGTERM');
    this.instances.delete(instanceId);
  }

  async close(_keep: boolean): Promise<void> {
    this.isClosed = true;
    this.#onHint = () => {};
  }

  // ---- what a test does to it

  /** An instance that is there, as an earlier balancer left it; `S1#1`, then `S1#2`. */
  leave(name: string, id: number, more: Partial<Instance> = {}): Mutable<Instance> {
    const instance: Mutable<Instance> = {
      name,
      id,
      instanceId: `${name}#${++this.#number}`,
      status: 'running',
      endpoint: { host: '127.0.0.1', port: ++this.#port },
      role: 'current',
      ending: undefined,
      ...more,
    };
    this.instances.set(instance.instanceId, instance);
    return instance;
  }

  /** Ends an instance as `text` says; the engine tells of it, at first in the words of `hinted`. */
  die(instanceId: string, text: string, hinted = text): void {
    this.dieUnheard(instanceId, text);
    this.hint({ kind: 'died', instanceId, ending: endingIn(hinted) });
  }

  /** Ends an instance, and the hint is lost. */
  dieUnheard(instanceId: string, text: string): void {
    const instance = this.instances.get(instanceId);
    if (instance === undefined) return;
    instance.status = 'dead';
    instance.endpoint = undefined;
    instance.ending = endingIn(text);
  }

  hint(hint: Hint): void {
    this.#onHint(hint);
  }

  /** Makes calls wait, those for the replica `name` or all of the kind. */
  hold(call: Call, name?: string): Gate {
    const hold: Hold = { call, name, waiting: [] };
    this.#holds.add(hold);
    const { waiting } = hold;
    return {
      get waiting() {
        return waiting.length;
      },
      open: () => {
        this.#holds.delete(hold);
        for (const go of waiting.splice(0)) go();
      },
    };
  }

  /** Makes the next call of the kind fail, the next for the replica `name` where one is given. */
  failNext(call: Call, code: ErrorCode, name?: string): void {
    this.#failures.push({ call, name, error: new BalancerError(code, `${call} failed`) });
  }

  /** Nothing is lost and nothing fails any more. */
  mend(): void {
    this.isLost = false;
    this.stillborn.clear();
    this.#failures.length = 0;
  }

  /** The names and instances that are current and run, in the order of names. */
  get current(): readonly string[] {
    return [...this.instances.values()]
      .filter(({ role, status }) => role === 'current' && status === 'running')
      .map(({ name }) => name)
      .sort();
  }

  /** The instance that is current in the place. */
  in(name: string): Instance | undefined {
    return [...this.instances.values()].find((one) => one.name === name && one.role === 'current');
  }

  /** Calls of one kind: `of('start')` gives the names. */
  of(call: Call): readonly string[] {
    return this.calls
      .filter((line) => line.startsWith(`${call} `))
      .map((line) => line.slice(call.length + 1));
  }

  async #reach(call: Call, name: string | undefined): Promise<void> {
    const hold = [...this.#holds].find((one) => one.call === call && (one.name ?? name) === name);
    if (hold !== undefined) await new Promise<void>((resolve) => hold.waiting.push(resolve));
    const at = this.#failures.findIndex((one) => one.call === call && (one.name ?? name) === name);
    if (at !== -1) throw this.#failures.splice(at, 1)[0]!.error;
    if (this.isLost) throw new BalancerError('engine-unreachable', 'the engine does not answer');
  }
}

function nameOf(instanceId: string): string {
  return instanceId.slice(0, instanceId.indexOf('#'));
}
