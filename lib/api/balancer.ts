/** A balancer, as a program has it that uses ringlb as a library. */
import type { FleetEvent } from './types.ts';

/** The body of `/add`; a bare number is its `n`. */
export interface Addition {
  readonly n: number;
  /** Names of the first of the new replicas; the others are chosen. */
  readonly hostnames?: readonly string[];
  readonly weights?: Readonly<Record<string, number>>;
}

/** The body of `/rm`; a bare number is its `n`. */
export interface Removal {
  readonly n: number;
  /** Those that go for certain; the rest are the ones with the fewest requests in flight. */
  readonly hostnames?: readonly string[];
}

/**
 * What a call rejects with: `code` as in `bad-request`, `port-in-use` or `start-failed`, and a message of one sentence.
 * Options that are wrong have `problems` instead, a sentence for each.
 */
export interface BalancerFailure extends Error {
  readonly code?: string;
  readonly problems?: readonly string[];
}

export interface Balancer {
  /** The public port, which the system has chosen where the options say 0. */
  readonly port: number;
  readonly url: string;
  readonly adminUrl: string;
  /** Names of the replicas, in the order in which they joined. */
  readonly replicas: readonly string[];
  /** Adds replicas, all or none; resolves with all names once each new one is healthy. */
  add(change: number | Addition): Promise<readonly string[]>;
  /** Removes replicas, which drain in the background; resolves with the names of the others. */
  remove(change: number | Removal): Promise<readonly string[]>;
  /** Makes it `count` replicas; resolves with all names. */
  scale(count: number): Promise<readonly string[]>;
  /** Every event of the fleet, as `GET /events` has it. */
  on(name: 'event', listener: (event: FleetEvent) => void): this;
  /** It has closed; with a failure where another balancer has taken its replicas over. */
  on(name: 'close', listener: (failure?: BalancerFailure) => void): this;
  off(name: 'event', listener: (event: FleetEvent) => void): this;
  off(name: 'close', listener: (failure?: BalancerFailure) => void): this;
  /** Lets requests in flight finish, stops the replicas, and leaves nothing behind. Safe to call again. */
  close(): Promise<void>;
}
