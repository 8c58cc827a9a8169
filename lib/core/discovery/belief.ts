/**
 * Which servers a source is believed to have: what it listed last, unless that would take away more than half of the
 * servers, or all of them, at once. Such a list is more often a fault of the source than the truth, so it counts only
 * when a second look shows the same and a grace has passed; until then new servers join and none goes.
 * Invariant: a failed look changes nothing but that the looks are no longer in a row.
 */

interface Doubt<S> {
  /** When the looks in a row began. */
  sinceMs: number;
  /** What was believed when the doubt began: the share that is gone is a share of it. */
  readonly before: readonly S[];
  /** In a row; 0 after one that failed. */
  looks: number;
}

/** Servers are told apart by their names. */
export class Belief<S extends { readonly name: string }> {
  readonly #graceMs: number;
  #servers: readonly S[] | undefined;
  #doubt: Doubt<S> | undefined;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Empty before the first look. */
  get servers(): readonly S[] {
    return this.#servers ?? [];
  }

  /** Milliseconds until a list that is doubted may count; undefined while none is. */
  doubtEndsInMs(nowMs: number): number | undefined {
    return this.#doubt && Math.max(0, this.#doubt.sinceMs + this.#graceMs - nowMs);
  }

  /** A look showed this list. */
  note(listed: readonly S[], nowMs: number): void {
    const before = this.#doubt?.before ?? this.#servers ?? [];
    const names = new Set(listed.map(({ name }) => name));
    const gone = before.filter(({ name }) => !names.has(name));
    const isDoubtful = gone.length * 2 > before.length;
    if (!isDoubtful || this.#isConfirmed(before, nowMs)) {
      this.#doubt = undefined;
      this.#servers = listed;
    } else {
      this.#servers = [...listed, ...gone];
    }
  }

  /** A look failed. */
  noteFailure(): void {
    if (this.#doubt !== undefined) this.#doubt.looks = 0;
  }

  #isConfirmed(before: readonly S[], nowMs: number): boolean {
    this.#doubt ??= { sinceMs: nowMs, before, looks: 0 };
    if (this.#doubt.looks === 0) this.#doubt.sinceMs = nowMs;
    this.#doubt.looks++;
    return this.#doubt.looks > 1 && nowMs - this.#doubt.sinceMs >= this.#graceMs;
  }
}
