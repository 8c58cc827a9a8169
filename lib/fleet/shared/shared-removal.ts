/**
 * Removals from a pool that several balancers share. Each replica is claimed before it leaves, so that of balancers
 * which remove at the same time exactly one counts it, and the others choose another.
 * Invariant: one removal at a time decides and claims; one that fails takes back what it claimed.
 */
import type { Driver } from '../../drivers/driver.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Plans } from '../lifecycle/plans.ts';
import type { Replica } from '../replica.ts';

export interface SharedRemovalParts {
  readonly driver: Driver;
  readonly plans: Plans;
  readonly log: Logger;
  /** Another balancer removes the replica. */
  readonly onRemoved: (replica: Replica) => void;
}

/** A replica, and its instance as the driver knows it, which need not have been placed here yet. */
export interface Claimed {
  readonly replica: Replica;
  readonly instanceId: string;
}

export class SharedRemoval {
  readonly #parts: SharedRemovalParts;
  readonly #claiming = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: SharedRemovalParts) {
    this.#parts = parts;
  }

  /** Names of replicas that are being claimed: what the pool shows of them is no reason to act. */
  get claiming(): ReadonlySet<string> {
    return this.#claiming;
  }

  /**
   * Chooses replicas as `planRemove` does and claims them; `carryOut` takes them off the ring in the same turn of the
   * event loop. Throws as `planRemove`, and `engine-unreachable`; nothing has changed then.
   */
  run(
    count: number,
    names: readonly string[],
    carryOut: (claimed: readonly Claimed[]) => void,
  ): Promise<void> {
    const done = this.#turn.then(() => this.#claimAll(count, names, carryOut));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #claimAll(
    count: number,
    names: readonly string[],
    carryOut: (claimed: readonly Claimed[]) => void,
  ): Promise<void> {
    const { plans } = this.#parts;
    const claimed: Claimed[] = [];
    try {
      while (claimed.length < count) {
        const chosen = claimed.map(({ replica }) => replica);
        const planned = plans.planRemove(count, [...names, ...chosen.map(({ name }) => name)]);
        const next = planned.find((replica) => !chosen.includes(replica));
        if (next === undefined) break;
        const instanceId = await this.#claim(next, names.includes(next.name));
        if (instanceId !== undefined) claimed.push({ replica: next, instanceId });
      }
      carryOut(claimed);
    } catch (error) {
      await this.#undo(claimed);
      throw error;
    } finally {
      this.#claiming.clear();
    }
  }

  /** Undefined where another balancer was first, and another replica may be chosen. */
  async #claim(replica: Replica, isNamed: boolean): Promise<string | undefined> {
    const { driver, onRemoved } = this.#parts;
    const { name } = replica;
    this.#claiming.add(name);
    const instanceId = await driver.claimRemoval?.(name);
    if (instanceId !== undefined) return instanceId;
    this.#claiming.delete(name);
    onRemoved(replica);
    if (isNamed) throw new BalancerError('bad-request', `there is no replica called ${name}`);
    return undefined;
  }

  async #undo(claimed: readonly Claimed[]): Promise<void> {
    const { driver, log } = this.#parts;
    for (const { replica, instanceId } of claimed)
      await driver
        .undoRemoval?.(instanceId)
        .catch((error: unknown) =>
          log.warn({ replica: replica.name, cause: messageOf(error) }, 'failed to undo a removal'),
        );
  }
}
