/**
 * Which replicas a request may be given to at all, as one data thread sees them. A thread turns away from a replica that
 * refused it (`suspect`) before the control plane has looked at it.
 */
import { isEligible, type RouteTable, servesSessions } from './route-table.ts';

export class Candidates {
  readonly #table: RouteTable;
  /** For each ordinal the state word under which it refused this thread; 0 for none. */
  readonly #suspects: Int32Array;

  constructor(table: RouteTable) {
    this.#table = table;
    this.#suspects = new Int32Array(table.shape.ordinals);
  }

  /** Keeps this thread off the replica until the control plane has looked at it (its state word changes). */
  suspect(ordinal: number, word: number): void {
    this.#suspects[ordinal] = word;
  }

  /** True for one that is eligible, not suspect and not in `tried`; its load is not judged. */
  includes(ordinal: number, tried: readonly number[]): boolean {
    const word = this.#table.stateWord(ordinal);
    if (!isEligible(word) || this.#suspects[ordinal] === word) return false;
    return tried.length === 0 || !tried.includes(ordinal);
  }

  /** The same for a request of a client that has the replica's sticky cookie: a drain keeps only new clients away. */
  includesForSession(ordinal: number, tried: readonly number[]): boolean {
    const word = this.#table.stateWord(ordinal);
    return servesSessions(word) && this.#suspects[ordinal] !== word && !tried.includes(ordinal);
  }
}
