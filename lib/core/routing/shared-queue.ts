/**
 * The order in which requests that wait for a replica are served, over all data threads. The requests themselves wait in
 * their own threads; shared are how many there are, a ticket for each, and the oldest ticket of each thread.
 * Invariant: a thread writes only its own entries, so the part of a thread that died can be taken back.
 */
import { NO_TICKET, TICKET, TICKETS, type Views, WAITING } from './table-memory.ts';

/** In place of a data thread's row where no thread has what is looked for. */
const NO_WORKER = -1;

/** What one data thread does with the queue. None of it allocates but `nextWake`. */
export class SharedQueue {
  readonly #views: Views;
  readonly #worker: number;

  /** `worker` is the calling thread's row, from 0. */
  constructor(views: Views, worker: number) {
    this.#views = views;
    this.#worker = worker;
  }

  /** Counts one more waiting request, unless `depth` wait already; false then, and nothing changed. */
  countWaiting(depth: number): boolean {
    const { header, waiting } = this.#views;
    if (Atomics.add(header, WAITING, 1) >= depth) {
      Atomics.sub(header, WAITING, 1);
      return false;
    }
    Atomics.add(waiting, this.#worker, 1);
    return true;
  }

  /** The reverse of one `countWaiting`. */
  uncountWaiting(): void {
    Atomics.sub(this.#views.waiting, this.#worker, 1);
    Atomics.sub(this.#views.header, WAITING, 1);
  }

  /** A number for a request that begins to wait; who came earlier, in whichever thread, has a lower one. */
  nextTicket(): number {
    return Atomics.add(this.#views.header, TICKET, 1) & TICKETS;
  }

  /** Says which ticket has waited longest in this thread; undefined when none waits. */
  setHead(ticket: number | undefined): void {
    Atomics.store(this.#views.heads, this.#worker, ticket ?? NO_TICKET);
  }

  /** True where no other thread has a request that has waited longer. */
  isOldest(ticket: number): boolean {
    const { heads } = this.#views;
    for (let worker = 0; worker < heads.length; worker++)
      if (worker !== this.#worker && Atomics.load(heads, worker) < ticket) return false;
    return true;
  }

  /** Tells the other thread whose request has waited longest to look whether it can be placed now. */
  wakeOldest(): void {
    const { heads, wake } = this.#views;
    let oldest = NO_WORKER;
    for (let worker = 0; worker < heads.length; worker++) {
      if (worker === this.#worker || Atomics.load(heads, worker) === NO_TICKET) continue;
      if (oldest === NO_WORKER || Atomics.load(heads, worker) < Atomics.load(heads, oldest)) oldest = worker;
    }
    if (oldest === NO_WORKER) return;
    Atomics.add(wake, oldest, 1);
    Atomics.notify(wake, oldest);
  }

  /** Resolves when another thread says that waiting requests may be placeable; `seen` is the last value returned. */
  async nextWake(seen: number): Promise<number> {
    const { wake } = this.#views;
    const result = Atomics.waitAsync(wake, this.#worker, seen);
    if (result.async) await result.value;
    return Atomics.load(wake, this.#worker);
  }
}
