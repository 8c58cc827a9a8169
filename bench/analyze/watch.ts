/** Looks at the fleet all the time while a load runs: how many replicas are eligible, and when all of them are. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicaView } from '../../lib/api/types.ts';
import type { Control } from './client.ts';
import type { SteadyLoad } from './steady.ts';

/** The fleet at one moment of the load. */
export interface Look {
  readonly atMs: number;
  readonly eligible: number;
  readonly replicas: number;
}

/** How exactly moments are known. */
export const LOOK_MS = 5;
/** Hang detection takes three probes of two seconds each by default, and a container its start. */
const WHOLE_MS = 60_000;

export class Watch {
  readonly #control: Control;
  readonly #load: SteadyLoad;
  readonly #looking: Promise<void>;
  readonly #looks: Look[] = [];
  #replicas: readonly ReplicaView[] = [];
  #isOver = false;
  #failure: unknown;

  constructor(control: Control, load: SteadyLoad) {
    this.#control = control;
    this.#load = load;
    this.#looking = this.#look();
  }

  /** Every look at which something had changed. */
  get looks(): readonly Look[] {
    return this.#looks;
  }

  /**
   * Resolves when all replicas are healthy and, where `replaced` is given, another instance is in its place.
   * Rejects after a minute.
   */
  async untilWhole(replaced?: ReplicaView): Promise<void> {
    const deadline = performance.now() + WHOLE_MS;
    // what was seen before the call may be of before the fault
    this.#replicas = [];
    while (performance.now() < deadline) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isWhole(replaced)) return;
      await delay(1);
    }
    const states = this.#replicas.map(({ name, state }) => `${name} ${state}`).join(', ');
    throw new Error(`the fleet was not whole in ${WHOLE_MS} ms: ${states}`);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
  }

  #isWhole(replaced: ReplicaView | undefined): boolean {
    const replicas = this.#replicas;
    const isReplaced =
      replaced === undefined ||
      replicas.some(({ name, instance }) => name === replaced.name && instance !== replaced.instance);
    return isReplaced && replicas.length > 0 && replicas.every(({ state }) => state === 'healthy');
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      try {
        // a draining replica takes no new requests and is not waited for
        const replicas = (await this.#control.replicas()).filter(({ state }) => state !== 'draining');
        this.#replicas = replicas;
        const eligible = replicas.filter(({ state }) => state === 'healthy').length;
        const last = this.#looks.at(-1);
        if (last?.eligible !== eligible || last.replicas !== replicas.length)
          this.#looks.push({ atMs: this.#load.nowMs, eligible, replicas: replicas.length });
      } catch (error) {
        this.#failure = error;
        return;
      }
      await delay(LOOK_MS);
    }
  }
}
