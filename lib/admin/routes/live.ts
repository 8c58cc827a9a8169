/**
 * `/live`: one snapshot a second to every page that is open, as server-sent events, and what happened since.
 * Invariants: there is one timer, whose ticks sample the traffic for the history whether a page is open or not; a
 * snapshot is made once for all pages, and none without a page.
 * Source: HTML standard, section 9.2 (server-sent events).
 */

import type { History, Snapshot } from '../../api/snapshot.ts';
import type { FleetEvent } from '../../api/types.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { checkParameters } from '../query.ts';
import type { Route } from './fleet.ts';

/** What happened, as far as it is kept. */
export interface EventFeed {
  /** The events behind the one with this id, the oldest first; all that are kept where it is not known. */
  after(id: string): readonly FleetEvent[];
}

/** What is sampled each second. */
export interface SnapshotSource {
  /** Takes the sample of a second; where nobody watches, less is kept for snapshots. */
  sample(isWatched: boolean): void;
  /** Of the last sample. */
  snapshot(): Snapshot;
  readonly history: { read(): History | undefined };
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
      handle: ({ query }) => {
        checkParameters(query, []);
        return {
          status: 200,
          headers: {
            'content-type': 'text/event-stream',
            'cache-control': 'no-store',
            'x-content-type-options': 'nosniff',
            // some reverse proxies buffer responses unless they are asked not to
            'x-accel-buffering': 'no',
          },
          begin: (write) => this.#join(write),
        };
      },
    };
  }

  /** Pages that are open. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Begins to sample. */
  start(): void {
    this.#parts.snapshots.sample(false);
    this.#wait(this.#parts.clock.nowMs() + EVERY_MS);
  }

  close(): void {
    this.#timer?.cancel();
  }

  /**
   * A page first gets a `history` message (the traffic of the last fifteen minutes) and an `events` message (the last
   * events, the oldest first), then `snapshot` messages, and `events` messages with what is new.
   */
  #join(write: Write): () => void {
    const { events, snapshots } = this.#parts;
    const kept = events.after('');
    if (this.#clients.size === 0) {
      this.#lastEventId = kept.at(-1)?.id ?? '';
      this.#lastSnapshot = message('snapshot', snapshots.snapshot());
    }
    this.#clients.add(write);
    // what is newer comes to all at once
    const known = kept.slice(0, kept.findLastIndex(({ id }) => id === this.#lastEventId) + 1);
    const history = message('history', snapshots.history.read());
    write(history + message('events', known.slice(-FIRST_EVENTS)) + this.#lastSnapshot);
    return () => this.#clients.delete(write);
  }

  /** Waits for a time and not for a delay, so that the seconds do not drift. */
  #wait(dueMs: number): void {
    this.#timer = this.#parts.clock.after(Math.max(0, dueMs - this.#parts.clock.nowMs()), () => {
      const nowMs = this.#parts.clock.nowMs();
      this.#wait(Math.max(dueMs, nowMs - EVERY_MS) + EVERY_MS);
      this.#parts.snapshots.sample(this.#clients.size > 0);
      if (this.#clients.size > 0) this.#tell();
    });
  }

  #tell(): void {
    const events = this.#parts.events.after(this.#lastEventId);
    this.#lastEventId = events.at(-1)?.id ?? this.#lastEventId;
    this.#lastSnapshot = message('snapshot', this.#parts.snapshots.snapshot());
    const text = (events.length > 0 ? message('events', events) : '') + this.#lastSnapshot;
    for (const write of [...this.#clients]) write(text);
  }
}

/** JSON holds no line end, so it is one `data` line. */
function message(event: string, content: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(content)}\n\n`;
}
