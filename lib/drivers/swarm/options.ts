/** What the swarm driver is made with; the options of the command line that concern it, and what a test needs. */
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Managers } from './managers.ts';

export interface SwarmDriverOptions {
  readonly network: string;
  readonly pool: string;
  /** Managers, `unix:///path` or `tcp://host:port`; none is the usual engine. */
  readonly engines: readonly string[];
  readonly constraints: readonly string[];
  readonly swarmPublish: 'auto' | 'overlay' | 'host';
  readonly drainTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly log: Logger;
  readonly clock?: Clock;
  /** The managers, where they are not those of `engines`. */
  readonly managers?: Pick<Managers, 'call'>;
  /** Longest wait for each response of a manager. */
  readonly callLimitMs?: number;
}
