/** What one deploy is to do, and what it needs for that. */
import type { Driver, Turn } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Exchange } from './exchange.ts';
import type { Gate } from './gate.ts';
import type { Release, Releases } from './releases.ts';

export interface RolloutParts {
  readonly driver: Pick<Driver, 'list' | 'isShared'>;
  readonly registry: Registry;
  readonly releases: Releases;
  readonly exchange: Exchange;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  /** Has this balancer look at the pool. */
  readonly nudge: () => void;
  /** The last lines that an instance printed, the oldest first; at most so many. */
  readonly lastLines: (instanceId: string, count: number) => readonly string[];
}

export interface RolloutPlan {
  readonly id: string;
  readonly to: Release;
  /** Replicas that are replaced at the same time. */
  readonly batch: number;
  /** For how long each batch is watched after the switch. */
  readonly watchMs: number;
  /** The part of its requests that may fail, 0 to 1. */
  readonly maxErrorRate: number;
  /** What a failure goes back to; the current release where it is not given. */
  readonly base?: Release;
  /** That of this balancer to deploy, in a pool that several share. */
  readonly turn?: Turn | undefined;
}
