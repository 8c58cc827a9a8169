/**
 * Creates the services of replicas. A name is given to one of those who ask for it at the same time, on one balancer or
 * several, and to one whose call was carried out although its response was lost.
 */
import { randomUUID } from 'node:crypto';
import type { ReplicaSpec } from '../../core/replica-spec.ts';
import { BalancerError, isBalancerError } from '../../platform/errors.ts';
import { userFor } from '../docker/image.ts';
import type { Start } from '../driver.ts';
import { LABEL, placeOf } from './mapper.ts';
import type { SwarmDriverOptions } from './options.ts';
import { type ServiceSettings, serviceSpec } from './service-spec.ts';
import type { SwarmEngine } from './swarm-engine.ts';

/** Services of one replica side by side: one that serves and those that drain. */
const MOST_BESIDE = 9;

export interface NewServicesParts {
  readonly options: SwarmDriverOptions;
  readonly engine: SwarmEngine;
  /** The overlay of the replicas; undefined where they publish ports on their nodes. */
  readonly network: () => string | undefined;
}

export class NewServices {
  readonly #parts: NewServicesParts;

  constructor(parts: NewServicesParts) {
    this.#parts = parts;
  }

  /**
   * The id of a service with the replica's name, or one beside it while a service of that name still drains; `heals` is
   * the service whose place it takes. Throws `name-held`, `start-failed`, `engine-unreachable`.
   */
  async create(place: Start, spec: ReplicaSpec, heals?: string): Promise<string> {
    const { engine } = this.#parts;
    const settings = await this.#settingsFor(spec);
    const creator = randomUUID();
    for (let beside = 1; ; beside++) {
      const name = beside === 1 ? place.name : `${place.name}-${beside}`;
      try {
        return await engine.create(serviceSpec(place, name, spec, { ...settings, creator, heals }));
      } catch (error) {
        if (!isBalancerError(error, 'name-held')) throw error;
        const holder = await engine.service(name);
        if (holder?.Spec.Labels[LABEL.creator] === creator) return holder.ID;
        const isOurs = holder?.Spec.Labels[LABEL.pool] === settings.pool;
        const isRetired = holder === undefined || (isOurs && placeOf(holder)?.role !== 'current');
        if (isRetired && beside < MOST_BESIDE) continue;
        const whose = isOurs ? 'a service of this pool' : 'a service that is not ours';
        const reason = `The name ${name} is held by ${whose}: choose another name, or remove it`;
        throw new BalancerError('name-held', reason, { cause: error });
      }
    }
  }

  async #settingsFor({ image, user }: ReplicaSpec): Promise<Omit<ServiceSettings, 'creator' | 'heals'>> {
    const { engine, network, options } = this.#parts;
    const { pool, constraints, drainTimeoutMs, stopTimeoutMs } = options;
    // another node may have the image although the manager has not, so its absence is no reason not to start
    const found = user === '' ? await engine.image(image) : undefined;
    return {
      pool,
      user: user || userFor(found ?? { Id: '' }),
      network: network(),
      constraints,
      stopGraceMs: drainTimeoutMs + stopTimeoutMs,
    };
  }
}
