/** Tells an operator of balancers of a pool whose tables go on differing: they send a key to different replicas. */
import type { Logger } from '../../platform/log.ts';
import { describeOwner } from '../docker/owner.ts';
import type { MemberRecord } from './record.ts';

/** Beyond what any change takes to be seen by all: while tables change all the time, they always differ. */
const DIFFER_MS = 15_000;

/** Two tables, and since when they have been so. */
interface Differing {
  readonly own: string;
  readonly other: string;
  /** Infinite once it was logged. */
  readonly sinceMs: number;
}

export class TableWatch {
  readonly #log: Pick<Logger, 'warn'>;
  /** By the tokens of the other balancers. */
  readonly #differing = new Map<string, Differing>();

  constructor(log: Pick<Logger, 'warn'>) {
    this.#log = log;
  }

  /** Compares this balancer's table with those of all others that are alive. */
  compare(own: string, others: readonly MemberRecord[], nowMs: number): void {
    const alive = new Set(others.map(({ owner }) => owner.token));
    for (const token of this.#differing.keys()) if (!alive.has(token)) this.#differing.delete(token);
    for (const { tableHash: other, owner } of others) {
      if (own === '' || other === '' || other === own) {
        this.#differing.delete(owner.token);
        continue;
      }
      const before = this.#differing.get(owner.token);
      const isSame = before?.own === own && before.other === other;
      const sinceMs = isSame ? before.sinceMs : nowMs;
      const isLate = nowMs - sinceMs > DIFFER_MS;
      this.#differing.set(owner.token, { own, other, sinceMs: isLate ? Number.POSITIVE_INFINITY : sinceMs });
      if (isLate)
        this.#log.warn(
          { peer: describeOwner(owner) },
          'another balancer of the pool has another table: start all of them with the same version, algorithm, slots, vnodes, weights and max-replicas',
        );
    }
  }
}
