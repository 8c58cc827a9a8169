/**
 * The managers of a Swarm, asked in turn. While managers elect a leader, and without a quorum for good, they accept
 * calls and do not respond, so every call has a time limit, and what one manager does not say the next is asked.
 * Invariant: a manager is passed over where it is silent, cannot be reached, or has no leader; a refusal is final.
 */
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf } from '../../platform/errors.ts';
import { type Call, DockerApi } from '../docker/api.ts';

export const CALL_LIMIT_MS = 2000;
/** Said where an election has begun; what was asked may have been carried out all the same. */
const LEADERLESS = /does not have a leader|lost leader|leader(ship)? (is )?(lost|changed)|no leader/i;

/** True for what managers do or say while they elect a leader. */
export function isElection(error: unknown): boolean {
  return LEADERLESS.test(messageOf(error)) || /did not respond within/.test(messageOf(error));
}

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
        const isAway = isBalancerError(error, 'engine-unreachable') || LEADERLESS.test(messageOf(error));
        if (!isAway) throw error;
        failure ??= isBalancerError(error, 'engine-unreachable')
          ? error
          : new BalancerError('engine-unreachable', messageOf(error), { cause: error });
        if (this.#current === index) this.#current = (index + 1) % this.#apis.length;
      }
    }
    throw failure;
  }
}
