/** What the checker is made of and what it goes by: types only. */
import type { HealthPolicy } from '../../core/policy/rise-and-fall.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Probe } from './probe.ts';

/**
 * Why an instance is to be replaced: it has not been ready for too long; it takes no connections; it gives no sign of
 * life.
 */
export type Fault = 'not-ready' | 'closed' | 'hung';

/** What may change while instances are probed. */
export interface CheckerOptions {
  readonly policy: HealthPolicy;
  /** 0: probing is off, and a placed instance is healthy until traffic says otherwise. */
  readonly intervalMs: number;
  /** A replica that is not ready for this long is replaced; 0 is never. */
  readonly replaceAfterMs: number;
}

export interface CheckerParts extends CheckerOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly probe: Probe;
  /** How often data threads have read from the replica of the ordinal: a number that only grows. */
  readonly reads: (ordinal: number) => number;
  /** False for servers that others run, which cannot be replaced. */
  readonly ownsInstances: boolean;
  /** A replica whose probes get no response for this long is replaced; 0 leaves it to `fall` probes. */
  readonly silenceLimitMs?: number;
  readonly maxConcurrent: number;
  /** A number from 0 to 1, for the jitter. */
  readonly random: () => number;
  /** A probe has ended, after `tookMs`; not called for those that only wait for a start. */
  readonly onProbe: (replica: Replica, tookMs: number, passed: boolean) => void;
  /** Called with every further probe that finds the fault. */
  readonly onFault: (replica: Replica, fault: Fault, cause: string) => void;
  /** What `isDown` and `isResponsive` say may have changed. */
  readonly onAvailability: (replica: Replica) => void;
}
