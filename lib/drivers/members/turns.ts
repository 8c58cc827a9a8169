/**
 * Turns of the balancers of a pool at what one of them does at a time. Whoever puts down the next number has the turn,
 * until it removes it or has ended.
 */
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Turn } from '../driver.ts';
import type { StoredTurn, TurnKind } from './record.ts';
import type { MemberStore } from './store.ts';

/** Between two looks at whose turn it is. */
const LOOK_MS = 200;
/** Starting a replica takes a minute at most, and what was started is probed. */
const MOST_WAIT_MS = 90_000;
/** A balancer may have a turn this long before the others have read its record for the first time. */
const UNKNOWN_MS = 6000;

export interface TurnsParts {
  readonly kind: TurnKind;
  readonly store: Pick<MemberStore, 'turns' | 'putTurn' | 'remove'>;
  readonly token: string;
  /** True for another balancer that is alive. */
  readonly isAlive: (token: string) => boolean;
  readonly clock: Clock;
}

export class Turns {
  readonly #parts: TurnsParts;
  /** Ends when the last call of this balancer has had its turn. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  /** Resolves when it is this call's turn. Throws `engine-unreachable`, and what `refuse` does. */
  async take(refuse: (token: string) => void = () => {}): Promise<Turn> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      const key = await this.#contend(refuse);
      const isHeld = (): Promise<boolean> => this.#isHeld(key);
      // where it was lost, the key may be another's by now
      const remove = async (): Promise<void> => {
        if (await isHeld()) await this.#parts.store.remove(key);
      };
      return { isHeld, end: () => remove().finally(resolve) };
    } catch (error) {
      resolve();
      throw error;
    }
  }

  async #contend(refuse: (token: string) => void): Promise<string> {
    const { kind, store, token, clock, isAlive } = this.#parts;
    const sinceMs = clock.nowMs();
    let unknown: { readonly key: string; readonly sinceMs: number } | undefined;
    for (;;) {
      const [holder] = await this.#turns();
      const nowMs = clock.nowMs();
      if (holder === undefined || holder.token === token || isAlive(holder.token)) unknown = undefined;
      else if (unknown?.key !== holder.key) unknown = { key: holder.key, sinceMs: nowMs };
      if (holder !== undefined && holder.token !== token && isAlive(holder.token)) refuse(holder.token);
      const isOver = unknown !== undefined && nowMs - unknown.sinceMs > UNKNOWN_MS;
      if (holder === undefined || holder.token === token || isOver) {
        const number = (holder?.number ?? 0) + 1;
        await store.putTurn(kind, number, token);
        const [now, ...others] = await this.#turns();
        if (now?.number === number && now.token === token) {
          await Promise.allSettled(others.map(({ key }) => store.remove(key)));
          return now.key;
        }
      }
      if (nowMs - sinceMs > MOST_WAIT_MS) {
        const reason = 'Another balancer of the pool is changing its size: try again in a moment';
        throw new BalancerError('engine-unreachable', reason);
      }
      await sleep(clock, LOOK_MS);
    }
  }

  async #isHeld(key: string): Promise<boolean> {
    const [holder] = await this.#turns();
    return holder?.key === key && holder.token === this.#parts.token;
  }

  /** The one that counts first. */
  async #turns(): Promise<readonly StoredTurn[]> {
    return (await this.#parts.store.turns(this.#parts.kind)).toSorted((a, b) => b.number - a.number);
  }
}
