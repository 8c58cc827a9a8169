/**
 * The interface between the fleet and whatever runs its instances, types only: a driver lists instances and carries
 * out orders; the fleet decides what should exist.
 * Desired state is written on the instances themselves (labels), so `list` after a restart returns all there is to
 * know.
 * Every driver passes `test/contract/driver-suite.ts`.
 */
import type { Ending } from '../core/ending.ts';
import type { ScaleReport } from '../core/policy/shared-scale.ts';
import type { Endpoint, Place } from '../core/replica.ts';
import type { ReplicaSpec, SpecOverrides } from '../core/replica-spec.ts';
import type { BalancerError } from '../platform/errors.ts';

export type DriverKind = 'process' | 'docker' | 'swarm' | 'static' | 'discover';

/** One container or process of ours, as the engine shows it now. */
export interface Instance extends Place {
  /** The engine's identifier (container id, process id); never reused for another instance. */
  readonly instanceId: string;
  readonly status: 'running' | 'dead';
  /** It has never run: whoever created it is about to start it, or has ended before that. Its status is `dead`. */
  readonly isStarting?: true;
  /** Where it listens; undefined while it is dead or has no address. */
  readonly endpoint: Endpoint | undefined;
  /**
   * `current`: it holds its replica's place. `replaced`: another was, or is about to be, started in the place.
   * `removed`: its replica was removed; it is only draining or being stopped. `next`: it runs beside the current one,
   * until it is promoted.
   */
  readonly role: 'current' | 'next' | RetiredRole;
  /** How it ended; undefined while it is running. */
  readonly ending: Ending | undefined;
  /** Name and short digest of its image, for people; undefined where there are no images. */
  readonly image?: string | undefined;
  /** The machine that it runs on, as the engine identifies it; undefined where there is only one. */
  readonly node?: string;
  /** The hash of the spec it was started with; undefined where that is not known. */
  readonly spec?: string | undefined;
  /** As in `Start`. */
  readonly instead?: string | undefined;
  readonly weight?: number;
  readonly generation?: number | undefined;
  /** As in `Start`. */
  readonly by?: 'scale';
}

/** An image that cannot change any more. */
export interface PinnedReference {
  /** What a spec names. */
  readonly reference: string;
  /** Name and short digest, for people. */
  readonly title: string;
}

/** What an instance was started with, as it is written on it. */
export interface StartedWith {
  /** Its image is pinned, unless it is the one that the options name. */
  readonly spec: ReplicaSpec;
  readonly overrides: SpecOverrides;
  /** The image or command, for people. */
  readonly title: string;
}

/** The place to start an instance in. */
export interface Start extends Place {
  /** The instance of another name that it replaces; `list` reports it from then on. */
  readonly instead?: string | undefined;
  /** The weight of the replica at this moment, where it is not 1; `list` reports it where the driver can write it down. */
  readonly weight?: number;
  /** The balancer chose the name, so autoscaling may remove the replica; `list` reports it where the driver can write it down. */
  readonly by?: 'scale';
  /** In a shared pool: an instance of this name that another balancer started meanwhile will do. */
  readonly mayAdopt?: boolean;
  /** Of the release that the spec is part of; `list` reports it from then on. */
  readonly generation?: number | undefined;
  /** What of the spec deploys have set; `startedWith` reports it from then on. */
  readonly overrides?: SpecOverrides | undefined;
  /** Starts it as `next`, beside the current instance of the place. */
  readonly isNext?: boolean | undefined;
  /** The id of the instance that it replaces, behind which the engine may still be cleaning up. */
  readonly predecessor?: string | undefined;
}

export type RetiredRole = 'replaced' | 'removed';

/** A reason to call `list` again. Hints may be lost, repeated or late; `list` is authoritative. */
export type Hint =
  /** `ending` is what is known immediately; `Driver.endingOf` finds out the rest. */
  | { readonly kind: 'died'; readonly instanceId: string; readonly ending: Ending }
  | { readonly kind: 'changed'; readonly cause: string }
  | { readonly kind: 'engine-lost'; readonly cause: string }
  | { readonly kind: 'engine-back' }
  /** A source of servers does not respond, or with what makes no sense: its last list stays. */
  | { readonly kind: 'source-lost'; readonly source: string; readonly cause: string }
  | { readonly kind: 'source-back'; readonly source: string; readonly lostMs: number };

export type OutputStream = 'stdout' | 'stderr';

/** Takes what one instance prints, without ever making the caller wait. */
export interface OutputSink {
  /** Bytes as they come, cut anywhere; they may be reused afterwards. `wallMs` is when they were printed, now if not given. */
  write(stream: OutputStream, bytes: Buffer, wallMs?: number): void;
  /** Nothing more is expected. */
  end(): void;
}

/** Opens the log of an instance, or goes on with the one that it has. */
export type OpenOutput = (replica: string, instanceId: string) => OutputSink;

/** A balancer that shares the pool, this one included. */
export interface Peer {
  readonly id: string;
  /** Where it runs, for people. */
  readonly title: string;
  /** Where its admin port listens; '' where the system picks the port. */
  readonly admin: string;
  /** The hash of its route table; '' before it has one. */
  readonly tableHash: string;
  readonly isSelf: boolean;
}

/** A deploy that a balancer of a shared pool carries out. */
export interface PoolDeploy {
  readonly id: string;
  readonly generation: number;
  /** The image or command that it brings, for people. */
  readonly title: string;
}

/** What one balancer of a pool does at a time. */
export interface Turn {
  /**
   * False where this balancer stood still for so long that it was taken for ended, and another has the turn, or had it.
   * Throws `engine-unreachable`.
   */
  isHeld(): Promise<boolean>;
  /** Lets the next one. */
  end(): Promise<void>;
}

/** The balancers that share a pool. */
export interface Members {
  /** Those alive, this one first. */
  readonly peers: readonly Peer[];
  /** True for exactly one of them, as far as they know each other: where one is enough to act, it does. */
  readonly isActing: boolean;
  /** Has the others told of this balancer's table; `onCount` is called with how many balancers there are, now and later. */
  follow(tableHash: () => string, onCount: (count: number) => void): void;
  /** What the others have said of autoscaling last, by their ids; undefined for one that has not. */
  readonly scaleReports: ReadonlyMap<string, ScaleReport | undefined>;
  /** Reports to the others at every renewal; `onRead` is called whenever their reports were read. */
  exchangeScale(report: () => ScaleReport, onRead: () => void): void;
  /**
   * Resolves once this balancer alone may make the pool a certain size, and knows the reports of those that did so
   * before; the returned function lets the next one, which then knows this one's. Throws `engine-unreachable`, also where
   * another takes too long.
   */
  takeTurn(): Promise<() => Promise<void>>;
  /** Reads now what the others have said last. Throws `engine-unreachable`. */
  look(): Promise<void>;
  /** What another balancer deploys now, as far as it is known here; undefined where none does. */
  readonly deploying: { readonly by: Peer; readonly deploy: PoolDeploy } | undefined;
  /**
   * Makes this balancer the one that may deploy. Throws `deploy-running` where another one deploys, and
   * `engine-unreachable`.
   */
  takeDeployTurn(): Promise<Turn>;
  /** Tells the others what this balancer deploys from now on, undefined for nothing; `onUndo` is called where one of them wants it taken back. */
  announceDeploy(deploy: PoolDeploy | undefined, onUndo: (by: Peer) => void): void;
  /** Has the balancer that carries out this deploy take it back. */
  requestUndo(deployId: string): void;
  /** Leaves the pool; true where nobody else is in it any more. Several that leave at once may all be told so. */
  leave(): Promise<boolean>;
}

export interface Driver {
  readonly kind: DriverKind;
  /**
   * False where instances are only listed and probed, never started or stopped (static, discover): the fleet is then
   * what `list` shows, and every change of it comes with a hint.
   */
  readonly ownsInstances: boolean;

  /** True where the engine itself starts another instance when one ends (swarm); there is a `replace` then. */
  readonly heals?: boolean;
  /**
   * True where the engine frees the name of an instance that has just ended only once it has cleaned up behind it: what
   * replaces it is started as `next`, and promoted when the name is free.
   */
  readonly freesNamesLate?: boolean;
  /** True while other balancers may change the pool at any time: their changes show in `list` alone. */
  readonly isShared?: boolean;
  /** True where instances run on without a balancer, so that another one may adopt them. */
  readonly outlivesBalancer?: boolean;
  /** Undefined before `open`, and where there is one balancer to a pool. */
  readonly members?: Members | undefined;

  /**
   * Resolves when another balancer has taken the instances over; from then on this driver touches none of them.
   * Undefined where that cannot happen.
   */
  readonly evicted?: Promise<BalancerError>;

  /**
   * Prepares for starting instances, which belong to this balancer alone from then on. Throws BalancerError
   * `engine-unreachable`, `image-missing`, `pool-taken` or `start-failed` with one sentence that says what to do,
   * and leaves nothing behind. With `isBeside` another balancer still has the pool, where only one may: nothing is
   * changed until `takePool`, and what would change something throws `engine-unreachable`.
   */
  open(how?: { readonly isBeside: boolean }): Promise<void>;

  /** The other balancer has given the pool up, or ended. Throws `pool-taken` where it has not. */
  takePool?(): Promise<void>;

  /** Passes every hint to `onHint`, starting before the first `list`; reconnects until `close`. */
  watch(onHint: (hint: Hint) => void): void;

  /** Every instance of this pool, whatever its role and status. Throws `engine-unreachable`. */
  list(): Promise<readonly Instance[]>;

  /**
   * Resolves an image to what every start of it is to use from now on, whatever the reference names later. Undefined
   * where there are no images. Throws `image-missing`, `engine-unreachable`.
   */
  pin?(image: string): Promise<PinnedReference>;

  /**
   * What an instance was started with, maybe by an earlier balancer. Undefined where it is gone; there is no such method
   * where instances end with their balancer. Throws `engine-unreachable`.
   */
  startedWith?(instanceId: string): Promise<StartedWith | undefined>;

  /** Names taken by what is not ours, so that none of them is chosen for a replica. Throws `engine-unreachable`. */
  heldNames(): Promise<readonly string[]>;

  /**
   * Starts an instance of the spec in the place, `next` where the place says so, else `current`. Resolves once it runs
   * and has an endpoint; it need not serve yet.
   * Throws `name-held` (something else has the name), `bad-request` (the engine rejects the name),
   * `image-missing`, `start-failed`, `engine-unreachable`, `not-found` (in a shared pool another balancer has removed the
   * replica meanwhile), and leaves nothing behind.
   */
  start(start: Start, spec: ReplicaSpec): Promise<Instance>;

  /**
   * Puts another instance in the place of one that ended, hangs or cannot be reached, and removes that one: the
   * engine's own where it comes soon, else one that is forced, away from the node `avoidNode`. Throws as `start`, and
   * `not-found` where another balancer has removed the replica.
   */
  replace?(instance: Instance, how: { readonly avoidNode: string | undefined }): Promise<Instance>;

  /**
   * Everything that can be found out about how an instance ended: its last output, whether it ran out of memory.
   * Takes at most a second and never rejects; undefined where it runs, or nothing is known beyond the hint.
   */
  endingOf(instanceId: string): Promise<Ending | undefined>;

  /**
   * Sets the instance's role and frees its name for the next `start`, without stopping it.
   * An instance that is already gone is no error.
   */
  retire(instanceId: string, role: RetiredRole): Promise<void>;

  /**
   * In a shared pool: marks the replica's instance as removed for every balancer, as `retire` does, so that exactly one
   * of those that remove it at the same time may count it. Gives that instance's id; undefined where there is none, or
   * another balancer was first. Throws `engine-unreachable`.
   */
  claimRemoval?(name: string): Promise<string | undefined>;

  /** In a shared pool: no request of this balancer is in flight on the instance, and none will be. */
  release?(instanceId: string): void;

  /** Takes back a `claimRemoval`: the instance is the current one of its place again. */
  undoRemoval?(instanceId: string): Promise<void>;

  /**
   * Makes an instance that is `next` or `replaced` the current one of its place, whose name must be free: the one that
   * had it is retired before. Undefined where no instance is ever anything else.
   */
  promote?(instanceId: string): Promise<void>;

  /**
   * Sends the stop signal, kills after `graceMs` (0: immediately), and removes every trace. Resolves when the
   * instance is gone; one that is already gone is no error.
   */
  remove(instanceId: string, graceMs: number): Promise<void>;

  /** static: from now on these are the servers. Undefined where no option lists them. */
  setUpstreams?(upstreams: readonly Endpoint[]): void;

  /** Stops watching; with `keep` false also removes what `open` created, unless it is in use. Safe to call again. */
  close(keep: boolean): Promise<void>;
}
