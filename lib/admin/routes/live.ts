/**
 * `/live`: one snapshot a second to every page that is open, as server-sent events, and what happened since.
 * `snapshot` messages hold a Snapshot; `events` messages a list of events, the oldest first: at first the last ones,
 * later what is new. Must not hold: what is in a snapshot (`live-numbers.ts`), events themselves.
 *
 * Invariants: there is one timer for all clients, and none without a client; a snapshot is made once for all of them.
 * Source: HTML standard, section 9.2 (server-sent events).
 */

import type { EventLine, Snapshot } from '../../api/snapshot.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Route } from './api.ts';

/** What happened, as far as it is kept. */
export interface EventFeed {
  /** The events behind the one with this id, the oldest first; all that are kept where it is not known. */
  after(id: string): readonly EventLine[];
}

/** Makes snapshots; what each says of the last seconds reaches back to earlier ones. */
export interface SnapshotSource {
  next(): Snapshot;
  /** Forgets the earlier ones: the next snapshot begins anew. */
  reset(): void;
}

export interface LiveParts {
  readonly clock: Clock;
  readonly snapshots: SnapshotSource;
  readonly events: EventFeed;
}

const EVERY_MS = 1000;
/** Events that a page is told when it comes. */
const FIRST_EVENTS = 200;

type Write = (text: string) => void;

export class Live {
  readonly #parts: LiveParts;
  readonly #clients = new Set<Write>();
  #timer: Timer | undefined;
  #lastSnapshot = '';
  #lastEventId = '';

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  get route(): Route {
    return {
      path: '/live',
      methods: ['GET'],
      access: 'watch',
      answer: () => ({
        status: 200,
        headers: {
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          // some reverse proxies hold answers back unless told not to
          'x-accel-buffering': 'no',
        },
        begin: (write) => this.#join(write),
      }),
    };
  }

  /** Pages that are open. */
  get clients(): number {
    return this.#clients.size;
  }

  #join(write: Write): () => void {
    const kept = this.#parts.events.after('');
    if (this.#clients.size === 0) {
      this.#lastEventId = kept.at(-1)?.id ?? '';
      this.#wait(this.#parts.clock.nowMs() + EVERY_MS);
      this.#lastSnapshot = message('snapshot', this.#parts.snapshots.next());
    }
    this.#clients.add(write);
    // what is newer comes to all at once
    const known = kept.slice(0, kept.findLastIndex(({ id }) => id === this.#lastEventId) + 1);
    write(message('events', known.slice(-FIRST_EVENTS)) + this.#lastSnapshot);
    return () => this.#leave(write);
  }

  #leave(write: Write): void {
    this.#clients.delete(write);
    if (this.#clients.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#parts.snapshots.reset();
  }

  /** Waits for a time and not for a delay, so that the seconds do not drift. */
  #wait(dueMs: number): void {
    this.#timer = this.#parts.clock.after(Math.max(0, dueMs - this.#parts.clock.nowMs()), () => {
      const nowMs = this.#parts.clock.nowMs();
      this.#wait(Math.max(dueMs, nowMs - EVERY_MS) + EVERY_MS);
      this.#tell();
    });
  }

  #tell(): void {
    const events = this.#parts.events.after(this.#lastEventId);
    this.#lastEventId = events.at(-1)?.id ?? this.#lastEventId;
    this.#lastSnapshot = message('snapshot', this.#parts.snapshots.next());
    const text = (events.length > 0 ? message('events', events) : '') + this.#lastSnapshot;
    for (const write of [...this.#clients]) write(text);
  }
}

/** JSON holds no line end, so it is one `data` line. */
function message(event: string, content: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(content)}\n\n`;
}
