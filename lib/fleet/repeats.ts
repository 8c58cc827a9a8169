/**
 * Reports what happens again and again as one thing with a count: at once for the first time, and then the latest with
 * the count so far, at most once in `reportMs`. After `forgetMs` without a repeat it counts as new.
 */
import type { Clock, Timer } from '../platform/clock.ts';

export interface RepeatsParts<T> {
  readonly clock: Clock;
  readonly reportMs: number;
  readonly forgetMs: number;
  readonly report: (value: T, count: number, key: string) => void;
}

interface Series<T> {
  latest: T;
  count: number;
  lastMs: number;
  reportedMs: number;
  timer: Timer | undefined;
}

/** The most series that are remembered. */
const MOST = 2048;

export class Repeats<T> {
  readonly #parts: RepeatsParts<T>;
  /** In the order of their last repeats. */
  readonly #series = new Map<string, Series<T>>();

  constructor(parts: RepeatsParts<T>) {
    this.#parts = parts;
  }

  /** Records a repeat of the series `key`; `merge` joins it with what has not been reported yet. */
  note(key: string, value: T, merge: (before: T, value: T) => T = (_, latest) => latest): void {
    const { clock, reportMs, forgetMs, report } = this.#parts;
    const nowMs = clock.nowMs();
    const known = this.#series.get(key);
    this.#series.delete(key);
    if (known === undefined || nowMs - known.lastMs >= forgetMs) {
      known?.timer?.cancel();
      this.#series.set(key, { latest: value, count: 1, lastMs: nowMs, reportedMs: nowMs, timer: undefined });
      this.#forgetOldest();
      return report(value, 1, key);
    }
    this.#series.set(key, known);
    known.latest = merge(known.latest, value);
    known.count++;
    known.lastMs = nowMs;
    if (known.timer !== undefined) return;
    const waitMs = known.reportedMs + reportMs - nowMs;
    if (waitMs <= 0) this.#report(key, known);
    else known.timer = clock.after(waitMs, () => this.#report(key, known));
  }

  close(): void {
    for (const { timer } of this.#series.values()) timer?.cancel();
    this.#series.clear();
  }

  #report(key: string, series: Series<T>): void {
    series.timer = undefined;
    series.reportedMs = this.#parts.clock.nowMs();
    this.#parts.report(series.latest, series.count, key);
  }

  #forgetOldest(): void {
    const [oldest] = this.#series;
    if (this.#series.size <= MOST || oldest === undefined) return;
    oldest[1].timer?.cancel();
    this.#series.delete(oldest[0]);
  }
}
