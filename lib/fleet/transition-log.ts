/**
 * Logs changes of state; one that comes again and again is a line with a count now and then.
 */
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import { Repeats } from './repeats.ts';
import type { Transition } from './replica.ts';

/** The least time between two lines of the same change. */
const REPORT_MS = 10_000;
/** A change that has not come for this long is logged as new. */
const FORGET_MS = 60_000;

export class TransitionLog {
  readonly #log: Logger;
  readonly #repeats: Repeats<Transition>;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    const report = (transition: Transition, count: number): void => this.#write(transition, count);
    this.#repeats = new Repeats({ clock, reportMs: REPORT_MS, forgetMs: FORGET_MS, report });
  }

  note(transition: Transition): void {
    const { name, from, to, cause, instanceId } = transition;
    this.#repeats.note([name, from, to, instanceId, cause].join('\n'), transition);
  }

  #write({ name, from, to, cause, instanceId, ms }: Transition, count: number): void {
    const fields = { replica: name, from, to, cause, ms, instance: instanceId, ...(count > 1 && { count }) };
    const text = count > 1 ? `${name} is ${to}, ${count} times so far` : `${name} is ${to}`;
    const isLost = from === 'healthy' && (to === 'starting' || to === 'gone');
    if (to === 'unhealthy' || isLost) this.#log.warn(fields, text);
    else this.#log.info(fields, text);
  }
}
