/**
 * The connections of one pool that carry no request, and when each may carry the next.
 * A replica may close a connection right behind a response without having said so, so nothing is written on one
 * before its socket has been read once more after the response: until then it is settling (`read-rounds.ts`).
 * The close may come later than that, too: where a replica was seen to do it, its connections are quarantined for
 * longer, until it has not done so for a while.
 */
import { NO_TIMEOUT } from '../../http1/response-fields.ts';
import type { Connection } from './connection.ts';
import { withMargin } from './pinned-connections.ts';
import { callAfterPoll, hastenPoll, type PollListener } from './read-rounds.ts';

export interface IdleCounts {
  /** They may be written on now. */
  readonly idle: number;
  /** Idle in the next round of the event loop. */
  readonly settling: number;
  /** Idle in a while. */
  readonly quarantined: number;
}

/** How long a connection may be idle where the replica did not say: under the 5 s of Node's own server. */
const IDLE_LIMIT_MS = 4000;
/** However long a replica says that it waits. */
const MAX_IDLE_LIMIT_MS = 120_000;
/** A connection that the replica closes so soon after its response was closed behind it, and not for being idle. */
const EARLY_CLOSE_MS = 200;
/** What one early close adds to the suspicion, which each response on a reused connection, and each tick, lowers by one. */
const SUSPICION_PER_CLOSE = 4;
const MAX_SUSPICION = 16;
/** How long a connection is quarantined. The clock may be a tick behind. */
const QUARANTINE_MS = 150;

export class IdleConnections implements PollListener {
  readonly #nowMs: () => number;
  readonly #onIdle: () => void;
  /** The one that was used last at the end. */
  readonly #idle: Connection[] = [];
  /** Not read since their responses: those of this round of the event loop, and those of the last. */
  #freed: Connection[] = [];
  #settling: Connection[] = [];
  readonly #quarantined: Connection[] = [];
  /** Above zero where the replica closes connections behind its responses. */
  #suspicion = 0;
  #isCalledAfterPoll = false;

  /** `nowMs` is a coarse clock; `onIdle` is called when some that settled may be taken. */
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
    return this.#freed.length + this.#settling.length;
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
    this.#freed.push(connection);
    if (this.#isCalledAfterPoll) return;
    this.#isCalledAfterPoll = true;
    callAfterPoll(this);
  }

  onPolled(): boolean {
    const settled = this.#settling;
    this.#settling = this.#freed;
    this.#freed = settled;
    for (const connection of settled) this.#idle.push(connection);
    settled.length = 0;
    this.#onIdle();
    this.#isCalledAfterPoll = this.settling > 0;
    return this.#isCalledAfterPoll;
  }

  /** A request waits: those that settle are idle as soon as they can be. */
  hasten(): void {
    if (this.settling > 0) hastenPoll();
  }

  /** Removes the one that has been free for longest, of those that are not about to be taken. */
  takeOldest(): Connection | undefined {
    return this.#idle.shift() ?? this.#quarantined.shift();
  }

  /** Removes those that have been idle for too long, and ends quarantines that are over. To be called at each tick. */
  takeExpired(): readonly Connection[] {
    const nowMs = this.#nowMs();
    if (this.#suspicion > 0) this.#suspicion--;
    while (this.#quarantined.length > 0 && nowMs - this.#quarantined[0]!.idleSinceMs >= QUARANTINE_MS)
      this.#idle.push(this.#quarantined.shift()!);
    const expired = this.#lists
      .flat()
      .filter((connection) => nowMs - connection.idleSinceMs >= idleLimitMs(connection));
    for (const connection of expired) this.#remove(connection);
    return expired;
  }

  /** Removes one that the replica has closed, if it was free. */
  onClosed(connection: Connection): void {
    if (!this.#remove(connection) || this.#nowMs() - connection.idleSinceMs >= EARLY_CLOSE_MS) return;
    this.#suspicion = Math.min(MAX_SUSPICION, this.#suspicion + SUSPICION_PER_CLOSE);
    this.#quarantined.push(...this.#settling.splice(0), ...this.#freed.splice(0));
  }

  get #lists(): readonly Connection[][] {
    return [this.#idle, this.#settling, this.#freed, this.#quarantined];
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
  if (keepAliveTimeoutMs === NO_TIMEOUT) return IDLE_LIMIT_MS;
  return Math.min(MAX_IDLE_LIMIT_MS, withMargin(keepAliveTimeoutMs));
}
