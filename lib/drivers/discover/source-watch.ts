/**
 * Looks at one source again and again, and keeps what is believed of it.
 * Invariants: one look at a time; a look has a time limit; `onLost` and `onBack` alternate; the last good list outlives
 * its source for as long as it takes.
 */
import { Belief } from '../../core/discovery/belief.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Server, Source } from './source.ts';

export interface SourceWatchParts {
  readonly source: Source;
  readonly clock: Clock;
  /** From one look to the next, unless the source says that its list is true for less. */
  readonly intervalMs: number;
  /** How long a list is doubted that lacks more than half of the servers. */
  readonly graceMs: number;
  /** What is believed may have changed. */
  readonly onChange: () => void;
  readonly onLost: (cause: string) => void;
  readonly onBack: (lostMs: number) => void;
}

/** Also where a source says that its list is true for less: a DNS server may give a TTL of 0. */
const MIN_INTERVAL_MS = 1000;
const LOOK_LIMIT_MS = 10_000;

export class SourceWatch {
  readonly #parts: SourceWatchParts;
  readonly #belief: Belief<Server>;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #timer: Timer | undefined;
  #lostAtMs: number | undefined;
  #isClosed = false;

  constructor(parts: SourceWatchParts) {
    this.#parts = parts;
    this.#belief = new Belief(parts.graceMs);
  }

  get servers(): readonly Server[] {
    return this.#belief.servers;
  }

  /** Resolves after the first look, whatever came of it; looks go on until `close`. */
  async open(): Promise<void> {
    this.#parts.source.watch?.(() => this.nudge());
    this.nudge();
    await this.#looking;
  }

  /** Looks soon; any number of nudges during a look make one more look. */
  nudge(): void {
    if (this.#isClosed) return;
    this.#lookAgain = true;
    this.#looking ??= this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#parts.source.close();
  }

  async #lookUntilDone(): Promise<void> {
    const { clock, intervalMs } = this.#parts;
    let nextMs = intervalMs;
    while (this.#lookAgain && !this.#isClosed) {
      this.#lookAgain = false;
      nextMs = await this.#look();
    }
    this.#timer?.cancel();
    if (!this.#isClosed) this.#timer = clock.after(nextMs, () => this.nudge());
  }

  /** Gives the time until the next look. */
  async #look(): Promise<number> {
    const { clock, intervalMs, onChange } = this.#parts;
    try {
      const { servers, validMs = intervalMs } = await this.#lookInTime();
      if (this.#isClosed) return 0;
      this.#belief.note(servers, clock.nowMs());
      this.#noteBack();
      onChange();
      // a look at the end of the grace may settle the doubt
      const doubtMs = this.#belief.doubtEndsInMs(clock.nowMs()) || Number.POSITIVE_INFINITY;
      return Math.min(intervalMs, Math.max(validMs, MIN_INTERVAL_MS), Math.max(doubtMs, 1));
    } catch (error) {
      if (!this.#isClosed) this.#noteLost(messageOf(error));
      return intervalMs;
    }
  }

  async #lookInTime(): Promise<{ readonly servers: readonly Server[]; readonly validMs?: number }> {
    const late = Promise.withResolvers<never>();
    const timer = this.#parts.clock.after(LOOK_LIMIT_MS, () =>
      late.reject(new Error(`no response within ${LOOK_LIMIT_MS / 1000} s`)),
    );
    try {
      return await Promise.race([this.#parts.source.look(), late.promise]);
    } finally {
      timer.cancel();
    }
  }

  #noteLost(cause: string): void {
    this.#belief.noteFailure();
    if (this.#lostAtMs !== undefined) return;
    this.#lostAtMs = this.#parts.clock.nowMs();
    this.#parts.onLost(cause);
  }

  #noteBack(): void {
    if (this.#lostAtMs === undefined) return;
    const lostMs = this.#parts.clock.nowMs() - this.#lostAtMs;
    this.#lostAtMs = undefined;
    this.#parts.onBack(lostMs);
  }
}
