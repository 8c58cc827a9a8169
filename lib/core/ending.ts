/**
 * How an instance ended. Decisions use `kind`, `code` and `signal` alone; `text` is for people and contains what the
 * application wrote last.
 */

/**
 * `exit`: by itself, with a status. `signal`: by a signal, its own (an abort) or another's. `out-of-memory`: killed by
 * the kernel's OOM killer. `removed`: something other than the balancer removed it. `start-timeout`: it ran, but was
 * not healthy in time. `unhealthy`: it ran, but its probes failed, and it was replaced.
 */
export type EndingKind = 'exit' | 'signal' | 'out-of-memory' | 'removed' | 'start-timeout' | 'unhealthy';

export interface Ending {
  readonly kind: EndingKind;
  /** The exit status; null where there is none. */
  readonly code: number | null;
  /** Such as `SIGKILL`; null where no signal ended it. */
  readonly signal: string | null;
  /** `exit 1: Error: no such file`, `SIGKILL`, `out of memory`. */
  readonly text: string;
}

/** Signals that people and init systems send; any other signal that ends a process is its own fault (a crash). */
const SENT: readonly string[] = ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGQUIT', 'SIGTERM'];

/** An ending without status and signal. */
export function endingOf(kind: 'removed' | 'start-timeout' | 'unhealthy', text: string): Ending {
  return { kind, code: null, signal: null, text };
}

/** True where the instance did not end by a fault of its own, so that the next one may be started at once. */
export function isFromOutside({ kind, signal }: Ending): boolean {
  if (kind === 'signal') return signal !== null && SENT.includes(signal);
  return kind === 'removed' || kind === 'unhealthy';
}
