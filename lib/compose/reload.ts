/**
 * Reloads the options: reads all, judges all, then changes all or nothing.
 * Invariants: what can fail is done before anything changes; the change itself is one turn of the event loop; reloads
 * come one after the other.
 */
import type { ConfigView, ReloadView } from '../api/types.ts';
import { type Changes, changesBetween } from '../config/changes.ts';
import { type Config, ConfigError, type Settings } from '../config/config.ts';
import { describeOptions } from '../config/describe.ts';
import type { Journal } from '../fleet/journal.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';

/** A change that can no longer fail. */
export interface PreparedChange {
  /** Makes the change, in the same turn; resolves when every thread runs with it. */
  commit(): Promise<void>;
}

export interface ReloaderParts {
  readonly settings: Settings;
  /** Reads flags, environment and file anew. Throws ConfigError. */
  readonly load: () => Settings;
  /** Does whatever may fail, and leaves everything as it is. Throws BalancerError. */
  readonly prepare: (config: Config) => PreparedChange;
  readonly journal: Pick<Journal, 'note'>;
  readonly log: Logger;
}

export class Reloader {
  readonly #parts: ReloaderParts;
  /** What runs. */
  #settings: Settings;
  #needsRestart: readonly string[] = [];
  #last: Promise<unknown> = Promise.resolve();
  /** Ports that were chosen where the options say 0. */
  #ports: Partial<Pick<Config, 'port' | 'adminPort'>> = {};

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
    this.#settings = parts.settings;
  }

  /** These are served, whatever the options say. */
  serveOn(ports: Pick<Config, 'port' | 'adminPort'>): void {
    this.#ports = ports;
  }

  /** Every option as it runs, and what only a restart would change. */
  view(): ConfigView {
    const { config, sources } = this.#settings;
    const options = describeOptions({ config: { ...config, ...this.#ports }, sources });
    const file = config.config;
    return {
      file: file === '' ? null : file,
      N: options.length,
      options,
      needsRestart: this.#needsRestart,
    };
  }

  /** Throws BalancerError: `bad-request` with every problem, `log-unwritable`; nothing has changed then. */
  reload(): Promise<ReloadView> {
    const reloaded = this.#last.then(() => this.#reload());
    this.#last = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<ReloadView> {
    const { log } = this.#parts;
    try {
      const { next, changed, needsRestart } = this.#changes();
      const prepared = this.#parts.prepare(next.config);
      this.#settings = next;
      const isNews = changed.length > 0 || needsRestart.join() !== this.#needsRestart.join();
      this.#needsRestart = needsRestart;
      await prepared.commit();
      if (isNews) this.#report(changed, needsRestart);
      else log.info({}, 'options reloaded: nothing has changed');
      return { changed, needsRestart };
    } catch (error) {
      log.error({ cause: messageOf(error) }, 'options not reloaded: everything stays as it is');
      throw error;
    }
  }

  #changes(): Changes {
    try {
      return changesBetween(this.#settings, this.#parts.load());
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new BalancerError('bad-request', error.problems.join('; '), { cause: error });
    }
  }

  #report(changed: readonly string[], needsRestart: readonly string[]): void {
    const { journal, log } = this.#parts;
    const parts = [
      ...(changed.length > 0 ? [`changed: ${changed.join(', ')}`] : []),
      ...(needsRestart.length > 0 ? [`needs a restart: ${needsRestart.join(', ')}`] : []),
    ];
    const cause = parts.length > 0 ? parts.join('; ') : 'nothing needs a restart any more';
    log.info({ changed, needsRestart }, 'options reloaded');
    journal.note({ kind: 'config-changed', cause });
  }
}
