/**
 * Single instances: started, renamed and removed through the driver.
 * Invariants: one operation at a time runs under one name, for an engine gives a name to one instance at a time; an
 * instance is removed once, however many callers ask for it.
 */
import type { Driver, Instance, RetiredRole } from '../../drivers/driver.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';

/** What has to be known of an instance to retire or remove it. */
type InstanceRef = Pick<Instance, 'instanceId' | 'name'>;

export class Instances {
  readonly #driver: Driver;
  readonly #log: Logger;
  /** The last operation that was queued under each name. */
  readonly #turns = new Map<string, Promise<void>>();
  readonly #removing = new Map<string, Promise<void>>();
  /** Instances that their holders will remove later, with the number of holders. */
  readonly #holders = new Map<string, number>();

  constructor(driver: Driver, log: Logger) {
    this.#driver = driver;
    this.#log = log;
  }

  /** Instances that are being removed now, or will be by whoever protects them. */
  get beingRemoved(): ReadonlySet<string> {
    return new Set([...this.#removing.keys(), ...this.#holders.keys()]);
  }

  /** Runs an operation under a name once all that was queued under it before is done. */
  runInTurn<T>(name: string, operation: () => Promise<T>): Promise<T> {
    const done = (this.#turns.get(name) ?? Promise.resolve()).then(operation);
    const turn = done
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        if (this.#turns.get(name) === turn) this.#turns.delete(name);
      });
    this.#turns.set(name, turn);
    return done;
  }

  /** Gives the instance the role and frees its name, in its turn. Throws what the driver does. */
  retire({ instanceId, name }: InstanceRef, role: RetiredRole): Promise<void> {
    return this.runInTurn(name, () => this.#driver.retire(instanceId, role));
  }

  /** Kills and removes an instance in the turn of its name, so that the next start under it finds the name free. */
  removeInTurn(instance: InstanceRef): Promise<void> {
    return this.runInTurn(instance.name, () => this.remove(instance, 0));
  }

  /**
   * Stops and removes an instance, killing it after `graceMs`; safe to call again. A failure is logged and no more,
   * since the supervisor's next look finds the instance again.
   */
  remove(instance: InstanceRef, graceMs: number): Promise<void> {
    return this.#removeOnce(instance, () => this.#driver.remove(instance.instanceId, graceMs));
  }

  /** Kills and removes an instance once what is queued under its name is done, and `earlier` has resolved. */
  removeAfter(instance: InstanceRef, earlier: Promise<void>): Promise<void> {
    const queued = this.#turns.get(instance.name);
    return this.#removeOnce(instance, async () => {
      await Promise.all([queued, earlier]);
      await this.#driver.remove(instance.instanceId, 0);
    });
  }

  #removeOnce({ instanceId, name }: InstanceRef, remove: () => Promise<void>): Promise<void> {
    const underWay = this.#removing.get(instanceId);
    if (underWay !== undefined) return underWay;
    const done = remove()
      .catch((error: unknown) =>
        this.#log.warn(
          { replica: name, instance: instanceId, cause: messageOf(error) },
          `instance of ${name} not removed (${messageOf(error)})`,
        ),
      )
      .finally(() => this.#removing.delete(instanceId));
    this.#removing.set(instanceId, done);
    return done;
  }

  /** Keeps the supervisor from removing an instance as an orphan, until each of its holders has called what it got. */
  protect(instanceId: string): () => void {
    this.#holders.set(instanceId, (this.#holders.get(instanceId) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#holders.get(instanceId) ?? 1) - 1;
      if (left > 0) this.#holders.set(instanceId, left);
      else this.#holders.delete(instanceId);
    };
  }

  /** Resolves when everything that is being removed is gone. */
  async whenRemoved(): Promise<void> {
    while (this.#removing.size > 0) await Promise.all(this.#removing.values());
  }

  /** Resolves when every instance has the role that it was given. */
  async whenRenamed(): Promise<void> {
    while (this.#turns.size > 0) await Promise.all(this.#turns.values());
  }
}
