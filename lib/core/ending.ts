/**
 * How an instance ended. What is decided on is `kind`, `code` and `signal`; `text` is written for people, and holds
 * what the application wrote last, so nothing is decided on it. Pure.
 */

/**
 * `exit`: by itself, with a status. `signal`: by a signal, its own (an abort) or another's. `out-of-memory`: killed by
 * the kernel for its memory. `removed`: somebody else took it away. `start-timeout`: it ran, but was not healthy in
 * time. `unhealthy`: it ran, but its probes failed, and another was put in its place.
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

/** What people and init systems send; every other signal that ends a process is of its own making. */
const SENT: readonly string[] = ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGQUIT', 'SIGTERM'];

/** An ending without status and signal. */
export function endingOf(kind: 'removed' | 'start-timeout' | 'unhealthy', text: string): Ending {
  return { kind, code: null, signal: null, text };
}

/** True where the instance did not end by a fault of its own, so that nothing speaks against the next one. */
export function isFromOutside({ kind, signal }: Ending): boolean {
  if (kind === 'signal') return signal !== null && SENT.includes(signal);
  return kind === 'removed' || kind === 'unhealthy';
}
