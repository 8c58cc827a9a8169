/**
 * Services whose tasks end again and again. Swarm starts the next task at once, for ever, so the wait between two starts
 * is raised by us: 1 s, doubling to 60 s with each further end.
 */
import { backoffMs } from '../../core/policy/backoff.ts';
import { isOver, type TaskJson } from './mapper.ts';

/** So many ends within this time are a loop. */
const ENDS = 5;
const WITHIN_MS = 60_000;
/** After so long without an end it is over. */
const FORGET_MS = 600_000;
const FIRST_MS = 1000;
const MAX_MS = 60_000;

interface History {
  /** When each of the last ends was seen. */
  ends: number[];
  /** How often the wait was raised. */
  raised: number;
}

export class CrashLoops {
  readonly #histories = new Map<string, History>();
  /** Tasks whose end was counted. */
  #counted: ReadonlySet<string> = new Set();

  /** Counts what has ended since the last call; gives the wait for each service that needs a longer one. */
  note(tasks: readonly TaskJson[], nowMs: number): ReadonlyMap<string, number> {
    const failed = tasks.filter((task) => isOver(task) && ['failed', 'complete'].includes(task.Status.State));
    const waits = new Map<string, number>();
    for (const { ID: id, ServiceID: service } of failed) {
      if (this.#counted.has(id)) continue;
      const waitMs = this.#count(service, nowMs);
      if (waitMs !== undefined) waits.set(service, waitMs);
    }
    this.#counted = new Set(failed.map(({ ID: id }) => id));
    // Swarm keeps the last tasks of a service for as long as there is the service
    const services = new Set(tasks.map(({ ServiceID: service }) => service));
    for (const service of this.#histories.keys()) if (!services.has(service)) this.#histories.delete(service);
    return waits;
  }

  #count(service: string, nowMs: number): number | undefined {
    const history = this.#histories.get(service) ?? { ends: [], raised: 0 };
    this.#histories.set(service, history);
    if (nowMs - (history.ends.at(-1) ?? nowMs) > FORGET_MS) history.raised = 0;
    history.ends = [...history.ends, nowMs].slice(-ENDS);
    const isLoop = history.ends.length === ENDS && nowMs - history.ends[0]! <= WITHIN_MS;
    // while it is slowed down its ends are further apart, and it is a loop all the same
    if (!isLoop && history.raised === 0) return undefined;
    history.raised++;
    return backoffMs(history.raised, FIRST_MS, MAX_MS);
  }
}
