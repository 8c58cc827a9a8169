/**
 * The managers of a Swarm, asked in turn. While managers elect a leader, and without a quorum for good, they accept
 * calls and do not respond, so every call has a time limit, and what one manager does not say the next is asked.
 * Invariant: nothing but a call's time limit and the connection decides that a manager is passed over; a refusal is final.
 */
import type { Clock } from '../../platform/clock.ts';
import { isBalancerError } from '../../platform/errors.ts';
import { type Call, DockerApi } from '../docker/api.ts';

export const CALL_LIMIT_MS = 2000;

export interface ManagersOptions {
  /** `unix:///path`, `tcp://host:port`; none is the usual engine. */
  readonly engines: readonly string[];
  readonly clock: Clock;
  /** Longest wait for each response. */
  readonly callLimitMs: number;
}

export class Managers {
  readonly #apis: readonly DockerApi[];
  readonly #callLimitMs: number;
  /** The one that responded last. */
  #current = 0;

  /** Throws `engine-unreachable` for a DOCKER_HOST that cannot be read. */
  constructor({ engines, clock, callLimitMs }: ManagersOptions) {
    this.#callLimitMs = callLimitMs;
    this.#apis =
      engines.length === 0
        ? [new DockerApi({ clock })]
        : engines.map((engine) => new DockerApi({ clock, engine }));
  }

  /** Throws what the first manager's failure was where none responds. */
  async call(call: Omit<Call, 'timeoutMs'>): Promise<unknown> {
    let failure: unknown;
    for (let tried = 0; tried < this.#apis.length; tried++) {
      const index = this.#current;
      try {
        return await this.#apis[index]!.call({ ...call, timeoutMs: this.#callLimitMs });
      } catch (error) {
        if (!isBalancerError(error, 'engine-unreachable')) throw error;
        failure ??= error;
        if (this.#current === index) this.#current = (index + 1) % this.#apis.length;
      }
    }
    throw failure;
  }
}
