/**
 * The options that run, and the copies of them that the parts of the balancer hold.
 * Invariant: a change reaches every copy within one turn of the event loop, so nobody ever sees a part of it.
 */
import { LIVE_KEYS } from '../config/changes.ts';
import type { Config } from '../config/config.ts';

export class LiveOptions {
  #config: Config;
  readonly #copies: object[] = [];

  constructor(config: Config) {
    this.#config = config;
  }

  /** As they are now. */
  get config(): Config {
    return this.#config;
  }

  /** Keeps what `copy` has of the live options up to date, for as long as the balancer runs; returns it. */
  share<T extends object>(copy: T): T {
    this.#copies.push(copy);
    return copy;
  }

  /** Takes the live options of `config` into every copy. */
  replace(config: Config): void {
    this.#config = config;
    for (const copy of this.#copies)
      for (const key of LIVE_KEYS) if (Object.hasOwn(copy, key)) Object.assign(copy, { [key]: config[key] });
  }
}
