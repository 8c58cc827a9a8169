/**
 * What is done to single instances: they are started, renamed and taken away.
 * Must not hold: which instance is needed, and when.
 * Invariants: under one name one thing is done at a time, for an engine gives a name to one instance at a time; an
 * instance is taken away once, however many ask for it.
 */
import type { Driver, Instance, RetiredRole } from '../../drivers/driver.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';

/** What has to be known of an instance to do something to it. */
type Known = Pick<Instance, 'instanceId' | 'name'>;

export class Instances {
  readonly #driver: Driver;
  readonly #log: Logger;
  /** Until when each name is in use. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Instances that are being taken away. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Instances that are to be taken away later. */
  readonly #held = new Set<string>();

  constructor(driver: Driver, log: Logger) {
    this.#driver = driver;
    this.#log = log;
  }

  /** Those that are being taken away or will be. */
  get leaving(): ReadonlySet<string> {
    return new Set([...this.#leaving.keys(), ...this.#held]);
  }

  /** Does something under a name once all is done that was to be done under it before. */
  inTurn<T>(name: string, act: () => Promise<T>): Promise<T> {
    const done = (this.#turns.get(name) ?? Promise.resolve()).then(act);
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

  /** Gives the instance the role and its name free, in its turn. Throws what the driver does. */
  retire({ instanceId, name }: Known, role: RetiredRole): Promise<void> {
    return this.inTurn(name, () => this.#driver.retire(instanceId, role));
  }

  /** Takes an instance away at once, in the turn of its name: what is started under it next finds it free. */
  clear(instance: Known): Promise<void> {
    return this.inTurn(instance.name, () => this.dispose(instance, 0));
  }

  /** Takes an instance away; safe to call again. Failures are logged, since the next look will find it again. */
  dispose({ instanceId, name }: Known, graceMs: number): Promise<void> {
    const underWay = this.#leaving.get(instanceId);
    if (underWay !== undefined) return underWay;
    const done = this.#driver
      .remove(instanceId, graceMs)
      .catch((error: unknown) =>
        this.#log.warn(
          { replica: name, instance: instanceId, cause: messageOf(error) },
          'instance not removed',
        ),
      )
      .finally(() => this.#leaving.delete(instanceId));
    this.#leaving.set(instanceId, done);
    return done;
  }

  /** Keeps an instance from being discarded by others, until the function returned is called. */
  hold(instanceId: string): () => void {
    this.#held.add(instanceId);
    return () => this.#held.delete(instanceId);
  }

  /** Resolves when what is being taken away now is gone. */
  async settled(): Promise<void> {
    while (this.#leaving.size > 0) await Promise.all(this.#leaving.values());
  }
}
