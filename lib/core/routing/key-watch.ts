/** How the control plane learns the most common key on a replica: the data threads look for it, once a second, while asked. */
import { type Views, WATCHED } from './table-memory.ts';

export class KeyWatch {
  readonly #views: Views;

  constructor(views: Views) {
    this.#views = views;
  }

  /** Has the threads look for the most common key on a replica; undefined ends that. */
  watch(ordinal: number | undefined): void {
    this.#views.commonCount.fill(0);
    Atomics.store(this.#views.header, WATCHED, ordinal === undefined ? 0 : ordinal + 1);
  }

  /** The hash that the most requests in flight on the watched replica have; undefined while no thread has said. */
  get commonKey(): number | undefined {
    const { commonHash, commonCount } = this.#views;
    const counts = new Map<number, number>();
    for (let worker = 0; worker < commonHash.length; worker++) {
      const [hash, count] = [Atomics.load(commonHash, worker) >>> 0, Atomics.load(commonCount, worker)];
      if (count > 0) counts.set(hash, (counts.get(hash) ?? 0) + count);
    }
    return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
  }
}
