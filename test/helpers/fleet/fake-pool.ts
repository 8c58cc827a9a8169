/** Balancers that share a pool, without an engine: what they tell each other is passed on when the test says so. */
import type { ScaleReport } from '../../../lib/core/policy/shared-scale.ts';
import type { Members, Peer } from '../../../lib/drivers/driver.ts';

interface Exchange {
  readonly report: () => ScaleReport;
  readonly onRead: () => void;
}

export class FakePool {
  readonly #exchanges = new Map<string, Exchange | undefined>();
  readonly #reports = new Map<string, ScaleReport>();
  #turn: Promise<void> = Promise.resolve();

  /** A balancer that has joined, which sees all others from now on. */
  join(id: string): Members {
    this.#exchanges.set(id, undefined);
    const pool = this;
    const peerOf = (one: string): Peer => ({
      id: one,
      title: `balancer ${one}`,
      admin: '',
      tableHash: '',
      isSelf: one === id,
    });
    const others = (): readonly string[] => [...pool.#exchanges.keys()].filter((one) => one !== id);
    return {
      get peers() {
        return [peerOf(id), ...others().map(peerOf)];
      },
      get scaleReports() {
        return new Map(others().map((one) => [one, pool.#reports.get(one)]));
      },
      follow() {},
      exchangeScale(report, onRead) {
        pool.#exchanges.set(id, { report, onRead });
      },
      takeTurn: () => pool.#takeTurn(),
    };
  }

  async #takeTurn(): Promise<() => Promise<void>> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    return async () => resolve();
  }

  leave(id: string): void {
    this.#exchanges.delete(id);
    this.#reports.delete(id);
  }

  /** Each reports to the others, and reads what they have reported. */
  exchange(): void {
    for (const [id, one] of this.#exchanges) if (one !== undefined) this.#reports.set(id, one.report());
    for (const one of this.#exchanges.values()) one?.onRead();
  }
}
