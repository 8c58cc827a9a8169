/**
 * Tells systemd how the service is (sd_notify(3)): the socket is a datagram socket, which Node.js does not have, so
 * `systemd-notify` sends each message; where systemd runs the service it is there. The unit needs NotifyAccess=all,
 * since a child process sends.
 */
import { execFile } from 'node:child_process';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';

type Environment = Record<string, string | undefined>;

/** Of these no child may make use: with NotifyAccess=all a replica could say that the service has ended. */
const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

export class ServiceManager {
  /** '' where there is none. */
  #socket: string;
  readonly #watchdogMs: number;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /** Removes its variables from the environment. */
  constructor(environment: Environment, log: Logger) {
    this.#socket = environment.NOTIFY_SOCKET ?? '';
    this.#watchdogMs = Number(environment.WATCHDOG_USEC ?? 0) / 1000;
    this.#log = log;
    for (const name of VARIABLES) delete environment[name];
  }

  /** The service is up; from now on the watchdog is notified twice in its interval. */
  ready(): void {
    this.#notify('READY=1', `MAINPID=${process.pid}`);
    if (this.#socket === '' || this.#watchdogMs === 0 || this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#notify('WATCHDOG=1'), this.#watchdogMs / 2);
    this.#timer.unref();
  }

  reloading(): void {
    this.#notify('RELOADING=1');
  }

  stopping(): void {
    this.#notify('STOPPING=1');
  }

  /** Another process is the service from now on: this one says nothing more, least of all that it ends. */
  release(): void {
    this.#socket = '';
    clearInterval(this.#timer);
  }

  #notify(...states: readonly string[]): void {
    if (this.#socket === '') return;
    const env = { ...process.env, NOTIFY_SOCKET: this.#socket };
    execFile('systemd-notify', ['--no-block', ...states], { env }, (error) => {
      if (error === null || this.#hasFailed) return;
      this.#hasFailed = true;
      this.#log.warn({ cause: messageOf(error) }, 'systemd could not be notified');
    });
  }
}
