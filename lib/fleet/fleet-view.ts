/**
 * The fleet as the admin routes see it: what there is, what a change would do, and the changes themselves, which wait
 * until the fleet is known and are refused during a shutdown.
 */

import type {
  ExplainQuestion,
  ExplainView,
  Preview,
  Readiness,
  ReplicaView,
  RingView,
} from '../api/types.ts';
import type { Placement } from '../core/hashing/slot-table.ts';
import { tableHash } from '../core/hashing/table-hash.ts';
import { formatEndpoint, NO_ORDINAL } from '../core/replica.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Driver } from '../drivers/driver.ts';
import type { Clock } from '../platform/clock.ts';
import { BalancerError } from '../platform/errors.ts';
import { canonicalAddress } from '../platform/ip-addresses.ts';
import type { Autoscaler } from './autoscale/autoscaler.ts';
import type { ScaleBounds } from './autoscale/bounds.ts';
import { type ExplainParts, explain } from './explain.ts';
import type { Drains } from './lifecycle/drains.ts';
import type { Launcher } from './lifecycle/launcher.ts';
import type { Scaling } from './lifecycle/scaling.ts';
import { type PreviewParts, previewAdd, previewRemove, previewScale, previewWeights } from './preview.ts';
import type { Registry } from './registry.ts';
import type { Replica } from './replica.ts';
import { mustHaveWeights, setWeights, type WeightChange } from './ring/weights.ts';

export interface FleetParts extends PreviewParts, ExplainParts {
  readonly registry: Registry;
  readonly scaling: Scaling;
  readonly drains: Drains;
  readonly launcher: Launcher;
  readonly table: RouteTableWriter;
  readonly placement: Placement;
  readonly vnodes: number;
  readonly driver: Pick<Driver, 'members'>;
  readonly clock: Clock;
  readonly health: { readonly isPanicking: boolean };
  readonly autoscaler: Pick<Autoscaler, 'isAtRest' | 'isOn'>;
  readonly bounds: Pick<ScaleBounds, 'check' | 'admit'>;
}

/** A replica's part of the slots. */
interface Share {
  readonly slots: number;
  readonly share: number;
}

/** In place of the version of a table where there has been none. */
const NO_VERSION = -1;
/** What `/ring?sample=` says of a slot that no member owns. */
const NO_MEMBER = -1;

export class FleetView {
  readonly #parts: FleetParts;
  /** Resolves when the fleet of an earlier balancer is known and this one's to change, or a new fleet has its names. */
  readonly #opened = Promise.withResolvers<void>();
  #isDraining = false;
  /** Slots of each ordinal in the table of `#countedVersion`. */
  #counts: readonly number[] = [];
  #countedVersion = NO_VERSION;
  #hash = '';
  #hashedVersion = NO_VERSION;

  constructor(parts: FleetParts) {
    this.#parts = parts;
  }

  /** Lets changes begin. Those requested before had to wait, since they could have taken a name that is in use. */
  open(): void {
    this.#opened.resolve();
  }

  /** Makes `/readyz` say that the balancer shuts down, and refuses changes from now on, those that wait included. */
  startDraining(): void {
    this.#isDraining = true;
    this.#opened.resolve();
  }

  names(): readonly string[] {
    return this.#parts.scaling.names();
  }

  async add(
    count: number,
    names: readonly string[],
    weights: WeightChange = new Map(),
    isForced = false,
  ): Promise<readonly string[]> {
    await this.#mustServe();
    if (weights.size > 0) mustHaveWeights(this.#parts);
    const { registry, plans, scaling } = this.#parts;
    const sizeAfter = (): number => registry.replicas.length + plans.planAdd(count, names).length;
    return this.#resize(sizeAfter, isForced, () => scaling.add(count, names, weights));
  }

  async previewAdd(
    count: number,
    names: readonly string[],
    weights?: WeightChange,
    isForced = false,
  ): Promise<Preview> {
    await this.#mustServe();
    const preview = previewAdd(this.#parts, count, names, weights);
    this.#parts.bounds.check(preview.N, isForced);
    return preview;
  }

  /** Gives replicas other weights; returns those of all members. */
  async setWeights(change: WeightChange): Promise<Readonly<Record<string, number>>> {
    await this.#mustServe();
    setWeights(this.#parts, change);
    return Object.fromEntries(this.#parts.registry.members.map(({ name, weight }) => [name, weight]));
  }

  async previewWeights(change: WeightChange): Promise<Preview> {
    await this.#mustServe();
    return previewWeights(this.#parts, change);
  }

  async remove(count: number, names: readonly string[], isForced = false): Promise<readonly string[]> {
    await this.#mustServe();
    const { registry, plans, scaling } = this.#parts;
    const sizeAfter = (): number => registry.replicas.length - plans.planRemove(count, names).length;
    return this.#resize(sizeAfter, isForced, () => scaling.remove(count, names));
  }

  async previewRemove(count: number, names: readonly string[], isForced = false): Promise<Preview> {
    await this.#mustServe();
    const preview = previewRemove(this.#parts, count, names);
    this.#parts.bounds.check(preview.N, isForced);
    return preview;
  }

  async scale(count: number, isForced = false): Promise<readonly string[]> {
    await this.#mustServe();
    const { plans, scaling, bounds, autoscaler } = this.#parts;
    const sizeAfter = (): number => {
      plans.planScale(count);
      return count;
    };
    // refused at once, and decided again when it is this call's turn
    if (autoscaler.isOn) bounds.check(sizeAfter(), isForced);
    return scaling.scale(count, (scale) => this.#resize(sizeAfter, isForced, scale));
  }

  async previewScale(count: number, isForced = false): Promise<Preview> {
    await this.#mustServe();
    const preview = previewScale(this.#parts, count);
    this.#parts.bounds.check(preview.N, isForced);
    return preview;
  }

  /** Keeps requests away from `names`, which stay members; returns all drained names. */
  async drain(names: readonly string[]): Promise<readonly string[]> {
    await this.#mustServe();
    this.#parts.drains.drain(names);
    return this.#parts.drains.drainedNames();
  }

  /** Lets requests go to `names` again; returns all drained names. */
  async undrain(names: readonly string[]): Promise<readonly string[]> {
    await this.#mustServe();
    this.#parts.drains.undrain(names);
    return this.#parts.drains.drainedNames();
  }

  explain(question: ExplainQuestion): ExplainView {
    return explain(this.#parts, question);
  }

  /** True where an instance has the canonical address, also of a replica that is to join or still drains. */
  hasAddress(address: string): boolean {
    const { registry } = this.#parts;
    const all = [...registry.replicas, ...registry.leaving];
    return all.some(({ instance }) => {
      const host = instance?.endpoint?.host;
      return host !== undefined && canonicalAddress(host) === address;
    });
  }

  /** Members first, then those that are being added, then those that drain. */
  replicas(): readonly ReplicaView[] {
    const { registry } = this.#parts;
    const joining = registry.replicas.filter((replica) => !replica.joined);
    return [...registry.members, ...joining, ...registry.leaving].map((replica) => this.#view(replica));
  }

  /** `sample` is how many slots to show the owners of. */
  ring(sample = 0): RingView {
    const { registry, placement, table, vnodes, driver } = this.#parts;
    const members = registry.members.map(({ name, id, ordinal }) => ({
      name,
      id,
      ...this.#shareOf(ordinal),
    }));
    const most = Math.max(0, ...members.map((member) => member.share));
    return {
      algorithm: placement.algorithm,
      slots: placement.slots,
      vnodes,
      version: table.version,
      hash: this.tableHash(),
      ...(driver.members !== undefined && { peers: driver.members.peers }),
      imbalance: rounded(most * members.length),
      members,
      ...(sample > 0 && { sample: this.#sample(sample) }),
    };
  }

  readiness(): Readiness {
    const { table, registry, drains, health } = this.#parts;
    const { eligible } = table;
    if (!this.#isDraining && this.#parts.autoscaler.isAtRest)
      return { ready: true, draining: false, reason: 'No replica runs; the next request starts one' };
    if (this.#isDraining) return { ready: false, draining: true, reason: 'The balancer is shutting down' };
    const drained = drains.drainedNames().length;
    const more = `${drained > 0 ? `, ${drained} drained` : ''}${health.isPanicking ? ', panic: most are not ready' : ''}`;
    const reason = `${eligible} of ${registry.members.length} replicas are eligible${more}`;
    return { ready: eligible > 0, draining: false, reason };
  }

  /** Owners of evenly spaced slots, as places in the list of members, or NO_MEMBER. */
  #sample(count: number): readonly number[] {
    const { registry, table } = this.#parts;
    const { slots } = table;
    const places = new Map(registry.members.map(({ ordinal }, place) => [ordinal, place]));
    const length = Math.min(count, slots.length);
    return Array.from({ length }, (_, index) => {
      const owner = slots[Math.floor((index * slots.length) / length)] ?? NO_ORDINAL;
      return places.get(owner) ?? NO_MEMBER;
    });
  }

  /**
   * Makes an operator's change of the size, which autoscaling has to allow and does not undo at once. `sizeAfter` throws
   * what the change would.
   */
  async #resize(
    sizeAfter: () => number,
    isForced: boolean,
    change: () => Promise<readonly string[]>,
  ): Promise<readonly string[]> {
    const { bounds, autoscaler } = this.#parts;
    if (!autoscaler.isOn) return change();
    const size = sizeAfter();
    bounds.check(size, isForced);
    const withdraw = bounds.admit(size);
    try {
      return await change();
    } catch (error) {
      withdraw();
      throw error;
    }
  }

  async #mustServe(): Promise<void> {
    await this.#opened.promise;
    if (this.#isDraining) throw new BalancerError('shutting-down');
  }

  #view(replica: Replica): ReplicaView {
    const { registry, launcher, clock } = this.#parts;
    const { instance, probes } = replica;
    return {
      name: replica.name,
      id: replica.id,
      state: replica.state,
      draining: replica.isDraining || replica.state === 'draining',
      endpoint: instance?.endpoint === undefined ? null : formatEndpoint(instance.endpoint),
      instance: instance?.instanceId ?? null,
      image: instance?.image ?? null,
      generation: instance?.generation ?? null,
      inFlight: registry.states.inFlightOf(replica),
      weight: replica.weight,
      ...this.#shareOf(replica.joined ? replica.ordinal : NO_ORDINAL),
      restarts: replica.restarts,
      ending: replica.ending ?? null,
      probes: { ...probes, last: probes.last ?? null },
      sinceMs: Math.round(clock.nowMs() - replica.sinceMs),
      cause: replica.cause === '' ? null : replica.cause,
      nextStartInMs: launcher.nextStartInMs(replica) ?? null,
    };
  }

  /** Eight hexadecimal digits, the same on every balancer that has the same owners for all slots. */
  tableHash(): string {
    const { table, registry } = this.#parts;
    if (this.#hashedVersion !== table.version) {
      this.#hash = tableHash(table.slots, registry.members).toString(16).padStart(8, '0');
      this.#hashedVersion = table.version;
    }
    return this.#hash;
  }

  #shareOf(ordinal: number): Share {
    const { table, placement } = this.#parts;
    if (this.#countedVersion !== table.version) {
      const counts = new Array<number>(table.shape.ordinals).fill(0);
      for (const owner of table.slots) if (owner < counts.length) counts[owner] = counts[owner]! + 1;
      this.#counts = counts;
      this.#countedVersion = table.version;
    }
    const slots = this.#counts[ordinal] ?? 0;
    return { slots, share: rounded(slots / placement.slots) };
  }
}

/** Six decimals: more than the number of slots can tell. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
