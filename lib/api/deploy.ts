/** The JSON of `/deploy`, as types. Durations are in milliseconds. Types only. */

/**
 * `rolling-back`: it failed, and what it did is being undone. `failed`: not all of it could be undone. `interrupted`: the
 * balancer ended in the middle of it, and this one waits to be told whether to resume it or to roll it back.
 */
export type DeployState = 'running' | 'rolling-back' | 'done' | 'failed' | 'rolled-back' | 'interrupted';

/**
 * `starting`: the new instance runs beside the old one, without requests. `watching`: it has the requests, and the old
 * one is still there. `gone`: the replica was removed meanwhile.
 */
export type DeployPhase = 'waiting' | 'starting' | 'watching' | 'done' | 'rolled-back' | 'gone';

/** What a generation of instances runs. */
export interface ReleaseView {
  readonly generation: number;
  /** Image with its short digest, or the command. */
  readonly title: string;
}

/** What was counted since the switch, of the new instance and of the replicas that nothing was changed of. */
export interface GateView {
  readonly requests: number;
  readonly errors: number;
  readonly p99Ms: number;
  readonly restRequests: number;
  readonly restErrors: number;
  readonly restP99Ms: number;
}

export interface DeployStep {
  readonly name: string;
  readonly phase: DeployPhase;
  readonly from: ReleaseView;
  readonly to: ReleaseView;
  /** Null before the switch. */
  readonly gate: GateView | null;
}

export interface DeployView {
  readonly id: string;
  readonly state: DeployState;
  readonly from: ReleaseView;
  readonly to: ReleaseView;
  readonly batch: number;
  readonly watchMs: number;
  readonly maxErrorRate: number;
  /** Why it failed; null while it has not. */
  readonly reason: string | null;
  /** What the new instance that failed printed last, the oldest line first; empty where it printed nothing, or none failed. */
  readonly lastLines: readonly string[];
  /** How long it has taken until now, or took. */
  readonly ms: number;
  /** In the order in which their turn came, or will come. */
  readonly replicas: readonly DeployStep[];
}

/** `GET /deploy`. */
export interface DeployStatus {
  /** What new replicas are started with. */
  readonly current: ReleaseView;
  /** What a rollback goes back to; null where nothing was deployed before. */
  readonly before: ReleaseView | null;
  /** The deploy under way, or the last one; null where there was none. */
  readonly deploy: DeployView | null;
}

/** `POST /deploy?dry-run`: the replicas in the order in which they would be replaced. */
export interface DeployPreview {
  readonly dryRun: true;
  readonly to: ReleaseView;
  readonly replicas: readonly { readonly name: string; readonly from: ReleaseView }[];
}

/** The 202 of `POST /deploy`. */
export interface DeployStarted {
  readonly id: string;
}
