/**
 * The JSON of the admin port, as types: what stands under `message` in the response of each endpoint; what `/live`
 * streams is in `snapshot.ts`.
 * Durations are in milliseconds, shares are parts of all slots, 0 to 1.
 * Types only: the dashboard imports this file.
 */

import type { Ending } from '../core/ending.ts';
import type { KeyFacts } from '../core/hashing/hash-key.ts';
import type { Algorithm } from '../core/hashing/slot-table.ts';
import type { ReplicaState } from '../core/replica.ts';
import type { Reason, Verdict } from '../core/routing/explain.ts';
import type { ScaleChange } from './scale.ts';

/** `/rep`, and what `/add`, `/rm` and `/scale` leave: the members, in the order in which they joined. */
export interface ReplicaList {
  readonly N: number;
  readonly replicas: readonly string[];
}

/** `/drain` and `/undrain`. */
export interface DrainList extends ReplicaList {
  /** The members that get no requests because an operator drained them. */
  readonly draining: readonly string[];
}

/** `/weight`. */
export interface WeightList extends ReplicaList {
  /** Of all members, by name. */
  readonly weights: Readonly<Record<string, number>>;
}

/** `/replicas`. */
export interface ReplicasView {
  readonly N: number;
  /** Members first, then those that are being added, then those that were removed and drain. */
  readonly replicas: readonly ReplicaView[];
}

/** A replica as an operator sees it. */
export interface ReplicaView {
  readonly name: string;
  readonly id: number;
  readonly state: ReplicaState;
  /** It gets no requests: an operator drained it, or it was removed. */
  readonly draining: boolean;
  /** `host:port` of its instance, or null while it has none. */
  readonly endpoint: string | null;
  /** The engine's id of its instance (container id, process id), or null while it has none. */
  readonly instance: string | null;
  /** Name and short digest of the image that its instance runs; null while it has none, or where there are no images. */
  readonly image: string | null;
  /** Of the release that its instance was started with, rising with every deploy; null where that is not known. */
  readonly generation: number | null;
  readonly inFlight: number;
  /** Its share of the keys in proportion to the others' weights; 0 for no requests. */
  readonly weight: number;
  readonly slots: number;
  readonly share: number;
  readonly restarts: number;
  /** How the last instance that ended in its place did, or null while none has; `text` is for people alone. */
  readonly ending: Ending | null;
  readonly probes: {
    readonly passed: number;
    readonly failed: number;
    /** What the last probe found, or null before the first. */
    readonly last: string | null;
    /** The last twenty, the oldest first: true for one that passed. */
    readonly recent: readonly boolean[];
  };
  /** For how long it has been in its state. */
  readonly sinceMs: number;
  /** Why it is in its state, or null where that needs no reason. */
  readonly cause: string | null;
  /** Time until its instance is started again, or null where no start is waiting. */
  readonly nextStartInMs: number | null;
}

/** `/logs`: what instances printed. */
export interface LogsView {
  readonly N: number;
  /** The oldest first. */
  readonly lines: readonly LogLine[];
}

/** One line that an instance printed. */
export interface LogLine {
  /** Rises; of this balancer alone. */
  readonly id: string;
  /** When it was read, or when the engine had it. */
  readonly time: string;
  readonly replica: string;
  readonly instance: string;
  readonly stream: 'stdout' | 'stderr';
  /** Without its line end; a longer one than 8 KiB comes in parts. */
  readonly text: string;
  /** Lines of the instance just before this one that came too fast for the one who follows; else 0. */
  readonly missed: number;
}

/** `/ring`: the route table. */
export interface RingView {
  readonly algorithm: Algorithm;
  readonly slots: number;
  /** Virtual nodes of each member; 0 where the algorithm has none. */
  readonly vnodes: number;
  /** Goes up by one with every table that is published. */
  readonly version: number;
  /** Of the owners of all slots: the same on every balancer that has the same table. */
  readonly hash: string;
  /** The balancers that share the pool, this one first; absent where it has one owner. */
  readonly peers?: readonly PeerView[];
  /** Slots of the member with most, divided by the mean; 1 is even. */
  readonly imbalance: number;
  readonly members: readonly RingMember[];
  /** With `?sample=N`: the owners of N slots an even way apart, as places in `members`; -1 for none. */
  readonly sample?: readonly number[];
}

export interface PeerView {
  readonly id: string;
  /** Where it runs, for people. */
  readonly title: string;
  /** Where its admin port listens; '' where the system picks the port. */
  readonly admin: string;
  /** As `hash`; '' before it has a table. */
  readonly tableHash: string;
  readonly isSelf: boolean;
}

export interface RingMember {
  readonly name: string;
  readonly id: number;
  readonly slots: number;
  readonly share: number;
}

/** What `/readyz` says. */
export interface Readiness {
  /** True while a replica is eligible and the balancer takes requests. */
  readonly ready: boolean;
  /** True once the balancer is shutting down. */
  readonly draining: boolean;
  /** A sentence, whichever it is. */
  readonly reason: string;
}

/** `/add`, `/rm`, `/scale` and `/weight` with `?dry-run`: what the change would do. */
export interface Preview extends ReplicaList {
  readonly dryRun: true;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The part of all keys that would change their replica, 0 to 1. */
  readonly moved: number;
  /** The largest part first. */
  readonly moves: readonly Move[];
  /** Requests in flight on what would be removed, tunnels among them. */
  readonly inFlight: number;
  readonly tunnels: number;
}

/** Keys that would change their replica; null is nobody, where there is none before or after. */
export interface Move {
  readonly from: string | null;
  readonly to: string | null;
  readonly share: number;
}

/** What the query of `/explain` asks about: a key as it is hashed, or what a request says, with its id if it has one. */
export type ExplainQuestion =
  | { readonly key: string }
  | { readonly facts: KeyFacts; readonly requestId: string | undefined };

/** `/explain`: where a request goes, and why. */
export interface ExplainView {
  readonly key: string;
  /** As `--hash-key` has it, such as `header:x-user`; `given` where the key was asked about; `p2c`, `least`; `sticky:NAME`. */
  readonly source: string;
  /** Null, as slot and owner are, for a request that has no key and is given by load, or that has a sticky cookie. */
  readonly hash: number | null;
  readonly hashHex: string | null;
  readonly algorithm: Algorithm;
  readonly slot: number | null;
  readonly slots: number;
  readonly owner: string | null;
  /** Who would get it now; null where it would have to wait. */
  readonly replica: string | null;
  readonly reason: Reason;
  /** The reason as a sentence. */
  readonly why: string;
  /** Requests that wait already, and go first. */
  readonly waiting: number;
  /** The owner first, then the replicas that come after it; by load the candidates, the one that takes it first. */
  readonly successors: readonly ExplainStop[];
}

/** A replica on the way of the request. */
export interface ExplainStop {
  readonly name: string;
  readonly state: ReplicaState;
  readonly draining: boolean;
  readonly inFlight: number;
  /** The most in flight that the bounded load allows now, while another is under it. */
  readonly bound: number;
  /** The most in flight ever. */
  readonly cap: number;
  readonly verdict: Verdict;
}

/** `/config`: the options that run. */
export interface ConfigView {
  /** The file that was named, or null. */
  readonly file: string | null;
  readonly N: number;
  /** In the order of `--help`. */
  readonly options: readonly OptionView[];
  /** Options that had another value at the last reload, which only a restart takes. */
  readonly needsRestart: readonly string[];
}

/** One option. */
export interface OptionView {
  /** Its name in a file; the flag is this with two dashes in front. */
  readonly option: string;
  /** As it was written, or what the balancer derived; `•••` for a secret. */
  readonly value: string;
  readonly default: string;
  readonly source: 'flag' | 'environment' | 'file' | 'program' | 'socket' | 'default';
  /** The flag, the variable, the place in the file, or the socket that it was given by; null for a default. */
  readonly from: string | null;
  /** When a changed value is taken: by a reload, or by the next start. */
  readonly takes: 'live' | 'start';
}

/** `POST /reload`: names of options. */
export interface ReloadView {
  readonly changed: readonly string[];
  /** They have another value in the file, which the next start takes. */
  readonly needsRestart: readonly string[];
}

/** `POST /hand-over`: the balancer that drains and ends now. */
export interface HandOverView {
  readonly pid: number;
}

/** `/events`, without a stream. */
export interface EventsView {
  readonly N: number;
  readonly events: readonly FleetEvent[];
}

/** docs/observability.md says what each means, and what `ms` is with it. */
export type EventKind =
  | 'started'
  | 'start-failed'
  | 'adopted'
  | 'added'
  | 'cancelled'
  | 'healthy'
  | 'unhealthy'
  | 'ejected'
  | 'panic'
  | 'panic-over'
  | 'died'
  | 'replaced'
  | 'removed'
  | 'drain'
  | 'undrain'
  | 'weight'
  | 'drained'
  | 'deploy-started'
  | 'deploy-switched'
  | 'deploy-done'
  | 'deploy-rolled-back'
  | 'poison'
  | 'engine-lost'
  | 'engine-back'
  | 'source-lost'
  | 'source-back'
  | 'config-changed'
  | 'scaled'
  | 'scale-blocked'
  | 'hot-key';

/** Something that happened to the fleet. */
export interface FleetEvent {
  /** `<start>-<n>`: which start of the balancer, and which event since. */
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  readonly kind: EventKind;
  readonly replica: string | null;
  readonly instance: string | null;
  /** What the instance that was started or adopted runs; null with other events, and where there are no images. */
  readonly image: string | null;
  readonly cause: string | null;
  /** How long what it ends had lasted. */
  readonly ms: number | null;
  /** What the outage that it ends did to requests. */
  readonly cost: Cost | null;
  /** With `scaled` alone: what autoscaling changed. */
  readonly scale?: ScaleChange;
  /** With `deploy-rolled-back` alone: what the new instance that failed printed last; absent where that is nothing. */
  readonly lastLines?: readonly string[];
  /** How often it happened; `time` and `ms` are of the last time, and each further count has a new id. */
  readonly count: number;
  /** When it happened for the first time. */
  readonly since: string;
}

/** Requests that an outage touched. */
export interface Cost {
  /** Attempts that another replica was given. */
  readonly retried: number;
  /** Requests that had to wait. */
  readonly held: number;
  /** Requests that got a failure of the balancer itself, or cut. */
  readonly failed: number;
}
