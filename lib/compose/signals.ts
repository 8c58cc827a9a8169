/**
 * Signals of the process: SIGINT and SIGTERM shut the balancer down, a second one ends the process at once with status
 * 130; SIGHUP reopens the access log and reloads the options. Signals that arrive during the start take effect once the balancer serves.
 */
import { EXIT } from '../cli/usage.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { ServiceManager } from '../platform/service-manager.ts';
import type { App } from './app.ts';

/** A Ctrl-C that npm passes on arrives twice, once from the terminal. */
const ECHO_MS = 300;

export class Signals {
  readonly #log: Logger;
  readonly #systemd: ServiceManager;
  #app: App | undefined;
  #signals = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #hasHungUp = false;
  #isStopping = false;

  constructor(log: Logger, systemd: ServiceManager) {
    this.#log = log;
    this.#systemd = systemd;
  }

  /** Handles signals from now on. */
  listen(): void {
    process.on('SIGINT', () => this.#onSignal());
    process.on('SIGTERM', () => this.#onSignal());
    // sent by a log rotation and by a terminal that closes; it never ends the balancer
    process.on('SIGHUP', () => this.#onHangUp());
  }

  /** The balancer serves: from now on it is what signals act on. */
  attach(app: App): void {
    this.#app = app;
    if (this.#hasHungUp) this.#onHangUp();
    if (this.#signals > 0) this.stop(EXIT.done);
  }

  /** Shuts the balancer down, and ends the process with the status. */
  stop(exitStatus: number): void {
    if (this.#app === undefined || this.#isStopping) return;
    this.#isStopping = true;
    this.#systemd.stopping();
    this.#app.shutDown().then(
      () => process.exit(exitStatus),
      (error: unknown) => {
        this.#log.error({ cause: messageOf(error) }, 'shutdown failed');
        process.exit(1);
      },
    );
  }

  #onSignal(): void {
    const nowMs = performance.now();
    const isEcho = nowMs - this.#lastMs < ECHO_MS;
    this.#lastMs = nowMs;
    if (isEcho) return;
    this.#signals++;
    if (this.#signals > 1) process.exit(130);
    this.stop(EXIT.done);
  }

  #onHangUp(): void {
    this.#hasHungUp = true;
    if (this.#app === undefined) return;
    this.#app.reloadCertificates();
    const isReopened = this.#app.reopenLogs();
    this.#log.info({}, isReopened ? 'SIGHUP: access log reopened' : 'SIGHUP: nothing to reopen');
    // logs what it did, and what keeps it from doing it
    this.#systemd.reloading();
    const reloaded = this.#app.reload().catch(() => {});
    void reloaded.then(() => this.#systemd.ready());
  }
}
