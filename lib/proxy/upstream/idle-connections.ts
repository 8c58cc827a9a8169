/**
 * The connections of one pool that carry no request, and when each may carry the next.
 * Must not hold: attempts, and how connections are opened.
 *
 * A replica may end a connection right behind a response, without having said so. Nothing is written on a connection
 * before its socket has been read once more after the response: it rests until then (`read-rounds.ts`). The end may come
 * later than that, too; so where a replica was seen to do it, connections rest for longer, until the doubt is over.
 */

import type { Connection } from './connection.ts';
import { withMargin } from './pinned-connections.ts';
import { afterNextPoll, hurry, type PollListener } from './read-rounds.ts';

export interface IdleCounts {
  /** They may be written on now. */
  readonly idle: number;
  /** Idle in the next round of the event loop. */
  readonly settling: number;
  /** Idle in a while. */
  readonly quarantined: number;
}

/** How long a connection may lie idle where the replica did not say: under the 5 s of Node's own server. */
const IDLE_LIMIT_MS = 4000;
/** However long a replica says that it waits. */
const IDLE_LIMIT_MAX_MS = 120_000;
/** A connection that the replica ends so soon after its response was ended behind it, not for being idle. */
const EARLY_END_MS = 200;
/** What one such end adds to the doubt, of which every response on a connection used before takes one, and every tick. */
const DOUBT_AN_END = 4;
const MOST_DOUBT = 16;
/** How long a connection rests while there is doubt. The clock may be a tick behind. */
const LONG_REST_MS = 150;

export class IdleConnections implements PollListener {
  readonly #nowMs: () => number;
  readonly #onIdle: () => void;
  /** The one that was used last at the end. */
  readonly #idle: Connection[] = [];
  /** Not read since their responses: those of this round of the event loop, and those of the last. */
  #releasedOrdinal: Connection[] = [];
  #settling: Connection[] = [];
  readonly #quarantined: Connection[] = [];
  /** Above zero where the replica ends connections behind its responses. */
  #suspicion = 0;
  #isCalledAfterPoll = false;

  /** `nowMs` is the thread's coarse clock; `onIdle` is called when some that rested may be taken. */
  constructor(nowMs: () => number, onIdle: () => void) {
    this.#nowMs = nowMs;
    this.#onIdle = onIdle;
  }

  get counts(): IdleCounts {
    return { idle: this.#idle.length, settling: this.settling, quarantined: this.#quarantined.length };
  }

  get idle(): number {
    return this.#idle.length;
  }

  get settling(): number {
    return this.#releasedOrdinal.length + this.#settling.length;
  }

  /** Takes the idle one that was used last: its caches are warm, and the others grow idle and close. */
  take(): Connection | undefined {
    return this.#idle.pop();
  }

  /** Adds one that has just been connected. */
  addNew(connection: Connection): void {
    connection.idleSinceMs = this.#nowMs();
    this.#idle.push(connection);
  }

  /** Adds one that has just carried a whole response. */
  addUsed(connection: Connection): void {
    connection.idleSinceMs = this.#nowMs();
    if (this.#suspicion > 0) {
      if (connection.isReused) this.#suspicion--;
      this.#quarantined.push(connection);
      return;
    }
    this.#releasedOrdinal.push(connection);
    if (this.#isCalledAfterPoll) return;
    this.#isCalledAfterPoll = true;
    afterNextPoll(this);
  }

  onPolled(): boolean {
    const read = this.#settling;
    this.#settling = this.#releasedOrdinal;
    this.#releasedOrdinal = read;
    for (const connection of read) this.#idle.push(connection);
    read.length = 0;
    this.#onIdle();
    this.#isCalledAfterPoll = this.settling > 0;
    return this.#isCalledAfterPoll;
  }

  /** Somebody waits: those that rest are idle as soon as they can be. */
  hurry(): void {
    if (this.settling > 0) hurry();
  }

  /** Removes the one that has been free for longest, of those that are not about to be taken. */
  takeOldest(): Connection | undefined {
    return this.#idle.shift() ?? this.#quarantined.shift();
  }

  /** Removes those that have been idle for too long, and lets those be idle that have rested. To be called at each tick. */
  takeExpired(): readonly Connection[] {
    const nowMs = this.#nowMs();
    if (this.#suspicion > 0) this.#suspicion--;
    while (this.#quarantined.length > 0 && nowMs - this.#quarantined[0]!.idleSinceMs >= LONG_REST_MS)
      this.#idle.push(this.#quarantined.shift()!);
    const expired = this.#lists
      .flat()
      .filter((connection) => nowMs - connection.idleSinceMs >= idleLimitMs(connection));
    for (const connection of expired) this.#remove(connection);
    return expired;
  }

  /** A connection was closed by the other side, which may have been free. */
  closed(connection: Connection): void {
    if (!this.#remove(connection) || this.#nowMs() - connection.idleSinceMs >= EARLY_END_MS) return;
    this.#suspicion = Math.min(MOST_DOUBT, this.#suspicion + DOUBT_AN_END);
    this.#quarantined.push(...this.#settling.splice(0), ...this.#releasedOrdinal.splice(0));
  }

  get #lists(): readonly Connection[][] {
    return [this.#idle, this.#settling, this.#releasedOrdinal, this.#quarantined];
  }

  #remove(connection: Connection): boolean {
    return this.#lists.some((list) => {
      const at = list.lastIndexOf(connection);
      if (at !== -1) list.splice(at, 1);
      return at !== -1;
    });
  }
}

function idleLimitMs({ keepAliveTimeoutMs }: Connection): number {
  if (keepAliveTimeoutMs < 0) return IDLE_LIMIT_MS;
  return Math.min(IDLE_LIMIT_MAX_MS, withMargin(keepAliveTimeoutMs));
}
