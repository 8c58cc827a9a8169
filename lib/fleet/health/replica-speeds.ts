/**
 * Has p2c give slow replicas less: compares what the data threads count of response times, four times a second, and
 * writes the speeds into the route table. Costs a pick nothing.
 */
import { LOOK_MS, RelativeSpeeds, type ResponseTimes } from '../../core/policy/relative-speed.ts';
import type { RouteTableWriter } from '../../core/routing/route-table.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Replica } from '../replica.ts';

export interface ReplicaSpeedsParts {
  readonly registry: { readonly members: readonly Pick<Replica, 'name' | 'ordinal' | 'state'>[] };
  readonly table: Pick<RouteTableWriter, 'setSpeed'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counters of an ordinal. */
  readonly responseTimes: (ordinal: number) => ResponseTimes;
}

/** A look costs 5 µs for each replica and four data threads, so large fleets are looked at less often. */
const REPLICAS_A_LOOK = 250;
/** A smaller change of a speed is not worth telling the data threads. */
const LEAST_CHANGE = 0.2;

export class ReplicaSpeeds {
  readonly #parts: ReplicaSpeedsParts;
  #speeds = new RelativeSpeeds();
  /** By ordinal, what is in the table; 1 where absent. */
  readonly #written = new Map<number, number>();
  #timer: Timer | undefined;

  constructor(parts: ReplicaSpeedsParts) {
    this.#parts = parts;
  }

  /** Begins, or ends with all replicas as fast as each other. */
  turn(isOn: boolean): void {
    if (isOn === (this.#timer !== undefined)) return;
    if (isOn) return this.#wait();
    this.close();
    this.#speeds = new RelativeSpeeds();
    for (const ordinal of this.#written.keys()) this.#write(ordinal, 1);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(): void {
    const { registry, clock } = this.#parts;
    const share = Math.max(1, Math.ceil(registry.members.length / REPLICAS_A_LOOK));
    this.#timer = clock.after(LOOK_MS * share, () => {
      this.#wait();
      this.#look();
    });
  }

  #look(): void {
    const { registry, responseTimes, log } = this.#parts;
    const serving = registry.members.filter(({ state }) => state === 'healthy');
    // one that is replaced is not healthy meanwhile, and so begins anew
    const speeds = this.#speeds.look(
      new Map(serving.map(({ name, ordinal }) => [name, responseTimes(ordinal)])),
    );
    const ordinals = new Set(serving.map(({ ordinal }) => ordinal));
    for (const ordinal of this.#written.keys()) if (!ordinals.has(ordinal)) this.#write(ordinal, 1);
    for (const replica of serving) {
      const speed = speeds.get(replica.name)!;
      const before = this.#written.get(replica.ordinal) ?? 1;
      if (before === 1 && speed < 1)
        log.debug({ replica: replica.name, speed }, `${replica.name} responds slowly, so p2c gives it less`);
      const isChange = (speed === 1) !== (before === 1) || Math.abs(speed - before) > LEAST_CHANGE * before;
      if (isChange) this.#write(replica.ordinal, speed);
    }
  }

  #write(ordinal: number, speed: number): void {
    this.#parts.table.setSpeed(ordinal, speed);
    if (speed === 1) this.#written.delete(ordinal);
    else this.#written.set(ordinal, speed);
  }
}
