/**
 * The roles of services, which say what a balancer does with a replica: `current`, `replaced`, `removed`.
 * Invariant: a removal is final. Of balancers that remove a replica one claims it, and whoever is about to put another
 * service in its place finds that it was claimed, before or after that service is there. Of the two the older is claimed
 * first.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { RetiredRole } from '../driver.ts';
import { isRemoved, LABEL, notRemovedBy, placeOf, removedBy, type ServiceJson, withRole } from './mapper.ts';
import type { Roster } from './roster.ts';
import type { SwarmEngine } from './swarm-engine.ts';

/** Between two looks for tasks that are to end. */
const LOOK_MS = 250;
/** Beyond the grace of a removal: what is on a node that is cut off cannot be seen to end. */
const REMOVE_MS = 5000;
/** Until the service of a failed start is removed again, where no manager responded. */
const DISCARD_MS = 1000;
/** From a change of a role until every balancer of the pool has seen it, in two looks. */
const NOTICE_MS = 2500;
/** More than are removed while one is healed. */
const MOST_REMOVED = 1000;

export interface ServiceRolesParts {
  readonly engine: SwarmEngine;
  readonly roster: Roster;
  readonly pool: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class ServiceRoles {
  readonly #parts: ServiceRolesParts;
  /** Says on a service who removes it. */
  readonly #token = randomUUID();
  /** When the role of each service was changed. */
  readonly #retiredAtMs = new Map<string, number>();
  /** The service of each replica that is about to get another task or service, by name. */
  readonly #healing = new Map<string, string>();

  /** Services of failed starts that are still to be removed. */
  readonly #discarded = new Set<string>();
  /** The last services that this balancer removed without a claim: with their task, and not with their replica. */
  readonly #removed = new Set<string>();
  #isClosed = false;

  constructor(parts: ServiceRolesParts) {
    this.#parts = parts;
  }

  /** The service in which the replica's instances run; undefined where there is none. */
  async current(name: string): Promise<ServiceJson | undefined> {
    const services = await this.#servicesOf(name);
    return services.find((one) => placeOf(one)?.role === 'current' && !this.#discarded.has(one.ID));
  }

  /** Removes the service of a start that failed; where managers do not respond, as soon as they do. */
  async discard(serviceId: string): Promise<void> {
    this.#discarded.add(serviceId);
    try {
      await this.removeService(serviceId, 0);
      this.#discarded.delete(serviceId);
    } catch (error) {
      const { clock, log } = this.#parts;
      log.warn({ cause: messageOf(error) }, 'a failed start left its service, retrying');
      clock.after(DISCARD_MS, () => {
        if (!this.#isClosed) void this.discard(serviceId);
      });
    }
  }

  /** Nothing is tried again after this. */
  close(): void {
    this.#isClosed = true;
  }

  /** Claims the removal of the replica; gives the task in its place. Undefined where another balancer was first. */
  async claim(name: string): Promise<string | undefined> {
    const { roster, clock } = this.#parts;
    for (let claimed: string | undefined; ; ) {
      // between a service and the one that is created in its place there is none that is current
      const services = await this.#servicesOf(name);
      const [newest] = services.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1));
      if (newest === undefined || newest.ID === claimed) return claimed && roster.claim(claimed);
      // claimed first, since another balancer may know that one alone, or this one may go before that looks
      const healed = services.find(({ ID: id }) => id === newest.Spec.Labels[LABEL.heals]);
      if (healed !== undefined && healed.ID !== claimed) {
        const role = await this.#claimService(healed.ID);
        if (role === undefined) return undefined;
        if (role === 'gone') continue;
        claimed = healed.ID;
      }
      const before = await this.#claimService(newest.ID);
      if (before === undefined) return undefined;
      if (before === 'gone') continue;
      claimed = newest.ID;
      this.#retiredAtMs.set(claimed, clock.nowMs());
      if (before === 'current') return roster.claim(claimed);
      // it is being replaced, maybe by a service that was there before it was claimed
    }
  }

  /** The role that the service had until it was claimed; undefined where another balancer was first, `gone` for none. */
  async #claimService(id: string): Promise<string | undefined> {
    let before: string | undefined;
    const isThere = await this.#parts.engine.update(id, (spec) => {
      const { [LABEL.role]: role = 'current', [LABEL.remover]: remover } = spec.Labels;
      const removed = removedBy(spec, this.#token);
      if (removed !== undefined) before = role;
      // a call without a response may have been carried out, and is asked again here
      else if (remover !== this.#token) before = undefined;
      else before ??= 'current';
      return removed;
    });
    return isThere ? before : 'gone';
  }

  /** Takes back what `claim` did. */
  async undoClaim(instanceId: string): Promise<void> {
    const { engine, roster } = this.#parts;
    const serviceId = roster.serviceOf(instanceId);
    if (serviceId === undefined) return;
    let heals: string | undefined;
    await engine.update(serviceId, (spec) => {
      heals = spec.Labels[LABEL.heals];
      return notRemovedBy(spec, this.#token, 'current');
    });
    if (heals !== undefined)
      await engine.update(heals, (spec) => notRemovedBy(spec, this.#token, 'replaced'));
  }

  /** Gives the service of a task that runs the role, unless the replica was removed. */
  async retire(instanceId: string, role: RetiredRole): Promise<void> {
    const { engine, roster, clock } = this.#parts;
    const serviceId = roster.serviceOf(instanceId);
    if (serviceId === undefined) return;
    if (!this.#retiredAtMs.has(serviceId)) this.#retiredAtMs.set(serviceId, clock.nowMs());
    await engine.update(serviceId, (spec) =>
      isRemoved(spec) || spec.Labels[LABEL.role] === role ? undefined : withRole(spec, role),
    );
  }

  /** The replica that has this service is about to be healed. */
  beginHealing(name: string, serviceId: string): void {
    this.#healing.set(name, serviceId);
  }

  /** The service of the replica that is being healed; undefined where it is not. */
  healedServiceOf(name: string): string | undefined {
    return this.#healing.get(name);
  }

  /** Throws `not-found` where another balancer has removed the service of a replica that is being healed. */
  async mustStand(name: string): Promise<void> {
    const serviceId = this.#healing.get(name);
    if (serviceId === undefined) return;
    const service = await this.#parts.engine.service(serviceId);
    if (service === undefined || isRemoved(service.Spec)) throw removedElsewhere(name);
  }

  /** True for a service that this balancer has removed, or is about to, though its replica stays. */
  hasRemoved(serviceId: string): boolean {
    return this.#removed.has(serviceId);
  }

  endHealing(name: string): void {
    this.#healing.delete(name);
  }

  /** Stops the tasks of the service of an instance, once every balancer may know of its role, and removes it. */
  async remove(instanceId: string, graceMs: number): Promise<void> {
    const { roster, clock } = this.#parts;
    const serviceId = roster.serviceOf(instanceId);
    if (serviceId === undefined) return;
    const retiredAgoMs = clock.nowMs() - (this.#retiredAtMs.get(serviceId) ?? Number.NEGATIVE_INFINITY);
    if (!this.#retiredAtMs.delete(serviceId)) this.#removed.add(serviceId);
    for (const [name, healing] of this.#healing) if (healing === serviceId) this.#healing.delete(name);
    for (const oldest of this.#removed) {
      if (this.#removed.size <= MOST_REMOVED) break;
      this.#removed.delete(oldest);
    }
    if (retiredAgoMs < NOTICE_MS) await sleep(clock, NOTICE_MS - retiredAgoMs);
    await this.removeService(serviceId, graceMs);
    roster.forgetService(serviceId);
  }

  /** Resolves once its tasks have ended, or cannot be seen to end. */
  async removeService(serviceId: string, graceMs: number): Promise<void> {
    const { engine, clock } = this.#parts;
    const tasks = await engine.tasksOf(serviceId).catch(() => []);
    const running = tasks.filter((task) => task.Status.State === 'running').map(({ ID: id }) => id);
    await engine.remove(serviceId);
    const untilMs = clock.nowMs() + graceMs + REMOVE_MS;
    while (running.length > 0 && clock.nowMs() < untilMs) {
      const left = await engine.tasksNamed(running).catch(() => undefined);
      if (left?.every((task) => task.Status.State !== 'running')) return;
      await sleep(clock, LOOK_MS);
    }
  }

  async #servicesOf(name: string): Promise<readonly ServiceJson[]> {
    const { engine, pool } = this.#parts;
    const services = await engine.servicesWith(`${LABEL.name}=${name}`);
    return services.filter(({ Spec: { Labels: labels } }) => labels[LABEL.pool] === pool);
  }
}

/** Another balancer, or this one, has removed the replica meanwhile. */
export function removedElsewhere(name: string): BalancerError {
  return new BalancerError('not-found', `The replica ${name} was removed meanwhile`);
}
