/**
 * The instances that were lost while one request was on them. Whether it is to blame is judged elsewhere (`fleet/poison.ts`).
 */
import { pathOf } from '../../../core/hashing/hash-key.ts';
import type { LosingRequest } from '../../../core/policy/poison.ts';
import type { RequestContext } from '../../downstream/request.ts';
import type { ConnectionPool } from '../../upstream/connection-pool.ts';
import type { ReplicaPools } from '../../upstream/replica-pools.ts';
import type { PoisonVerdicts } from './poison-verdicts.ts';

interface LossWorker {
  readonly pools: Pick<ReplicaPools, 'generationOf'>;
  readonly verdicts: PoisonVerdicts;
}

export class LostInstances {
  readonly #worker: LossWorker;
  readonly #request: LosingRequest;
  /** The pool whose connection closed on the request, while the same replica is tried once more. */
  #pool: ConnectionPool | undefined;
  readonly #generations: number[] = [];

  constructor(worker: LossWorker, { method, head }: Pick<RequestContext, 'method' | 'head'>) {
    this.#worker = worker;
    this.#request = { method, path: pathOf(head.target), id: head.requestId };
  }

  /** A connection of the pool closed on the request. */
  mark(pool: ConnectionPool): void {
    this.#pool = pool;
  }

  /** Reports the instance that was marked last; false where there is none. */
  report(): boolean {
    const generation = this.#pool && this.#worker.pools.generationOf(this.#pool);
    this.#pool = undefined;
    if (generation === undefined) return false;
    if (!this.#generations.includes(generation)) this.#generations.push(generation);
    this.#worker.verdicts.reportLoss({ ...this.#request, generation });
    return true;
  }

  get areSeveral(): boolean {
    return this.#generations.length > 1;
  }

  /** Requests of its kind are known to end instances. */
  get isPoison(): boolean {
    return this.#worker.verdicts.isPoison(this.#request);
  }

  /** Asks whether the request is to blame; `onVerdict` may never be called. */
  requestVerdict(onVerdict: (isPoison: boolean) => void): void {
    this.#worker.verdicts.request([...this.#generations], onVerdict);
  }

  /** The request is over. */
  reportSettled(isServed: boolean): void {
    if (this.#generations.length > 0) this.#worker.verdicts.reportSettled({ ...this.#request, isServed });
  }
}
