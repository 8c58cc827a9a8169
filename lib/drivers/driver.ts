/**
 * The seam between the fleet and what runs its instances: types only.
 * A driver says what exists and does what it is told; it never decides what should exist.
 * What should exist is written on what exists (labels), so `list` after a restart tells all there is to know.
 * Every driver passes `test/contract/driver-suite.ts`.
 */
import type { Ending } from '../core/ending.ts';
import type { Endpoint, Place } from '../core/replica.ts';
import type { BalancerError } from '../platform/errors.ts';

export type DriverKind = 'process' | 'docker' | 'static' | 'discover';

/** One container or process of ours, as the engine shows it now. */
export interface Instance extends Place {
  /** The engine's own word for it (container id, process id); never used again for another instance. */
  readonly instanceId: string;
  readonly status: 'running' | 'dead';
  /** Where it listens; undefined while it is dead or has no address. */
  readonly endpoint: Endpoint | undefined;
  /**
   * `current`: it stands in its replica's place. `replaced`: another was, or is to be, started in the place.
   * `removed`: its replica was removed; it is only draining or being stopped.
   */
  readonly role: 'current' | RetiredRole;
  /** How it ended; undefined while it runs. */
  readonly ending: Ending | undefined;
  /** What it runs, for people: name and short digest of its image; undefined where there is none. */
  readonly image?: string | undefined;
  /** As it was started with. */
  readonly instead?: string | undefined;
}

/** What is to be started. */
export interface Start extends Place {
  /** The id of an instance of another name whose place it takes, to be known by `list` from then on. */
  readonly instead?: string | undefined;
}

export type RetiredRole = 'replaced' | 'removed';

/** A reason to look again. Hints may be lost, repeated or late; `list` is the truth. */
export type Hint =
  /** `ending` is what is known at once; `Driver.endingOf` finds out the rest. */
  | { readonly kind: 'died'; readonly instanceId: string; readonly ending: Ending }
  | { readonly kind: 'changed'; readonly cause: string }
  | { readonly kind: 'engine-lost'; readonly cause: string }
  | { readonly kind: 'engine-back' }
  /** A source of servers does not respond, or with what makes no sense: its last list stays. */
  | { readonly kind: 'source-lost'; readonly source: string; readonly cause: string }
  | { readonly kind: 'source-back'; readonly source: string; readonly lostMs: number };

export interface Driver {
  readonly kind: DriverKind;
  /**
   * False where instances are only listed and probed, never started or stopped (static, discover): the fleet is then
   * what `list` shows, and every change of it comes with a hint.
   */
  readonly ownsInstances: boolean;

  /**
   * Resolves when the instances are another balancer's now; from then on nothing is done to any. Undefined where no
   * other can have them.
   */
  readonly evicted?: Promise<BalancerError>;

  /**
   * Gets ready to start instances, which are this balancer's alone from then on. Throws BalancerError
   * `engine-unreachable`, `image-missing`, `pool-taken` or `start-failed` with one sentence that says what to do;
   * nothing is left behind then.
   */
  open(): Promise<void>;

  /** Tells every hint to `onHint` from now on, before the first `list`; reconnects for ever until `close`. */
  watch(onHint: (hint: Hint) => void): void;

  /** Every instance of this pool, whatever its role and status. Throws `engine-unreachable`. */
  list(): Promise<readonly Instance[]>;

  /** Names that what is not ours holds, so that none of them is chosen for a replica. Throws `engine-unreachable`. */
  heldNames(): Promise<readonly string[]>;

  /**
   * Starts a `current` instance in the place. Resolves once it runs and has an endpoint; it need not answer yet.
   * Throws `name-held` (what is not ours has the name), `bad-request` (the engine takes no such name),
   * `image-missing`, `start-failed`, `engine-unreachable`; nothing of it is left then.
   */
  start(start: Start): Promise<Instance>;

  /**
   * All that can be found out about the end of an instance that died: what it wrote last, whether it lacked memory.
   * Takes a second at most and never rejects; undefined where nothing is known beyond what the hint said.
   */
  endingOf(instanceId: string): Promise<Ending | undefined>;

  /**
   * Gives the instance the role and its name free for the next `start`, without stopping it.
   * An instance that is gone already is no error.
   */
  retire(instanceId: string, role: RetiredRole): Promise<void>;

  /**
   * Asks it to end, kills it after `graceMs` (0: at once), and removes every trace. Resolves when it is gone;
   * gone already is no error.
   */
  remove(instanceId: string, graceMs: number): Promise<void>;

  /** Stops watching, and with `keep` false takes away what `open` made once it is unused. Safe to call again. */
  close(keep: boolean): Promise<void>;
}
