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
    const isLost = from === 'healthy' && (to === 'starting' || to === 'gone');
    const text = `${sentenceOf({ name, from, to, cause })}${count > 1 ? `, ${count} times so far` : ''}`;
    if (to === 'unhealthy' || isLost) this.#log.warn(fields, text);
    else this.#log.info(fields, text);
  }
}

/** The rest of a cause is in the field of that name. */
const LONGEST_CAUSE = 160;

/** What happened with whom and why, so that the message alone is enough to search the log by. */
function sentenceOf({ name, from, to, cause }: Pick<Transition, 'name' | 'from' | 'to' | 'cause'>): string {
  const why = cause === '' ? '' : ` (${shortened(cause)})`;
  if (to === 'healthy') return `${name} is healthy`;
  if (to === 'starting' && from === 'healthy') return `${name} died${why}, starting another`;
  if (to === 'starting' && from === 'unhealthy') return `${name} is replaced${why}`;
  return `${name} is ${to}${why}`;
}

function shortened(text: string): string {
  return text.length > LONGEST_CAUSE ? `${text.slice(0, LONGEST_CAUSE - 1)}…` : text;
}
