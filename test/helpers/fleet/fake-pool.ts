/** Balancers that share a pool, without an engine: what they tell each other is passed on when the test says so. */
import type { ScaleReport } from '../../../lib/core/policy/shared-scale.ts';
import type { Members, Peer, PoolDeploy } from '../../../lib/drivers/driver.ts';
import { BalancerError } from '../../../lib/platform/errors.ts';

interface Exchange {
  readonly report: () => ScaleReport;
  readonly onRead: () => void;
}

export class FakePool {
  readonly #exchanges = new Map<string, Exchange | undefined>();
  readonly #reports = new Map<string, ScaleReport>();
  #turn: Promise<void> = Promise.resolve();
  /** Who deploys what, and how that is taken back. */
  #deploying:
    | { readonly id: string; readonly deploy: PoolDeploy; readonly undo: (by: Peer) => void }
    | undefined;
  #deployer: string | undefined;

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
      takeTurn: () => pool.#takeTurn(id),
      get isActing() {
        return (pool.#deploying?.id ?? [...pool.#exchanges.keys()][0]) === id;
      },
      async look() {},
      get deploying() {
        const now = pool.#deploying;
        return now === undefined || now.id === id ? undefined : { by: peerOf(now.id), deploy: now.deploy };
      },
      async takeDeployTurn() {
        if (pool.#deployer !== undefined && pool.#deployer !== id)
          throw new BalancerError('deploy-running', `balancer ${pool.#deployer} deploys`);
        pool.#deployer = id;
        const isHeld = async (): Promise<boolean> => pool.#deployer === id;
        return {
          isHeld,
          end: async () => {
            if (await isHeld()) pool.#deployer = undefined;
          },
        };
      },
      announceDeploy(deploy, undo) {
        pool.#deploying = deploy && { id, deploy, undo };
      },
      requestUndo(deployId) {
        if (pool.#deploying?.deploy.id === deployId) pool.#deploying.undo(peerOf(id));
      },
      async leave() {
        pool.leave(id);
        return pool.#exchanges.size === 0;
      },
    };
  }

  async #takeTurn(id: string): Promise<() => Promise<void>> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    this.#renew(id);
    return async () => {
      this.#renew(id);
      resolve();
    };
  }

  /** One reports to the others, and reads what they have reported last. */
  #renew(id: string): void {
    const one = this.#exchanges.get(id);
    if (one === undefined) return;
    this.#reports.set(id, one.report());
    one.onRead();
  }

  leave(id: string): void {
    this.#exchanges.delete(id);
    this.#reports.delete(id);
    if (this.#deploying?.id === id) this.#deploying = undefined;
    if (this.#deployer === id) this.#deployer = undefined;
  }

  /** One is taken for ended by the others, although it only stands still. */
  lose(id: string): void {
    if (this.#deploying?.id === id) this.#deploying = undefined;
    if (this.#deployer === id) this.#deployer = undefined;
  }

  /** Each reports to the others, and reads what they have reported. */
  exchange(): void {
    for (const [id, one] of this.#exchanges) if (one !== undefined) this.#reports.set(id, one.report());
    for (const one of this.#exchanges.values()) one?.onRead();
  }
}
