/**
 * One pool of keep-alive connections to one instance of a replica, for one worker: an attempt gets the connection
 * that was used last, or the next that becomes free, or a new one while the pool is under its cap.
 * Invariants: of an attempt that was given to `send` either `onConnection` or `onUpstreamError` is called, once,
 * unless it is withdrawn before: until then it is in exactly one of `#waiting`, `#waitingForRoom`, `#reserved` and
 * `#failing`. No attempt waits while a connection is idle, nor while there is room for another and none is being
 * opened for it; a connection that was opened for one attempt is never counted on for others.
 */
import type { Endpoint } from '../../core/replica.ts';
import { RESPONSE_LIMITS, type ResponseLimits } from '../../http1/response-parser.ts';
import type { Recorder } from '../../metrics/recorder.ts';
import { BalancerError } from '../../platform/errors.ts';
import { type Attempt, type Connect, Connection, type ConnectionOwner } from './connection.ts';
import { connectUpstream } from './early-response.ts';
import { IdleConnections, type IdleCounts } from './idle-connections.ts';
import { PinnedConnection } from './pinned-connections.ts';

/** What a pool is bounded by, which may change while it is used. */
export interface PoolCaps {
  /** Most connections at a time. */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** How long an attempt may wait for a connection, of whatever kind. */
  readonly waitTimeoutMs: number;
}

export interface ConnectionPoolOptions extends PoolCaps {
  /** Below zero for what is no replica. */
  readonly ordinal: number;
  readonly endpoint: Endpoint;
  /** The worker's coarse clock of time limits. */
  readonly nowMs: () => number;
  /** The same, but going on while the thread stands still: a replica closes what is idle by its own clock. */
  readonly passedMs: () => number;
  readonly recorder: Recorder;
  /** Opens a socket; `connectUpstream` unless given. */
  readonly connect?: Connect;
  /** RESPONSE_LIMITS unless given. */
  readonly limits?: ResponseLimits;
}

/** The connections of a pool, by what they do. */
export interface ConnectionCounts extends IdleCounts {
  /** Each belongs to a client, and waits for its next request. */
  readonly pinnedIdle: number;
  readonly busy: number;
  readonly connecting: number;
}

/** Attempts that wait: for any connection, for room to open their own, for that to be opened. */
export interface WaitingCounts {
  readonly forAny: number;
  readonly forRoom: number;
  readonly forTheirs: number;
}

/** An attempt that has failed and has not been called back yet. */
interface Failing {
  readonly attempt: Attempt;
  readonly error: BalancerError;
}

/**
 * Connections that are opened at a time. With one for each of a thousand requests that come at once the first responses
 * waited for all of them, most of a second; meanwhile the open ones would have done the work.
 */
const MAX_CONNECTING = 8;

export class ConnectionPool implements ConnectionOwner {
  #options: ConnectionPoolOptions;
  readonly #connect: Connect;
  /** Every connection: connecting, free or busy. */
  readonly #connections = new Set<Connection>();
  readonly #free: IdleConnections;
  /** Being opened for the attempts in `#waiting`. */
  readonly #opening = new Set<Connection>();
  /** Being opened for one attempt, which needs a new connection. */
  readonly #reserved = new Map<Connection, Attempt>();
  /** Attempts that wait for any connection, first come first served. */
  readonly #waiting: Attempt[] = [];
  /** Attempts that need a new connection, while there is no room for one. */
  readonly #waitingForRoom: Attempt[] = [];
  readonly #failing: Failing[] = [];
  /** Connections that belong to one client each. None of the others, and not counted against the cap. */
  readonly #pinned = new Set<PinnedConnection>();
  #isRestoring = false;
  #isClosed = false;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.#connect = options.connect ?? connectUpstream;
    this.#free = new IdleConnections(options.passedMs, () => this.#serveWaiting());
  }

  /** Keeps to other caps from now on; connections beyond a lower one stay until they have been idle for long. */
  configure(caps: PoolCaps): void {
    this.#options = { ...this.#options, ...caps };
    this.#restore();
  }

  get ordinal(): number {
    return this.#options.ordinal;
  }

  get connections(): ConnectionCounts {
    const free = this.#free.counts;
    const connecting = this.#opening.size + this.#reserved.size;
    let pinnedIdle = 0;
    for (const { isIdle } of this.#pinned) if (isIdle) pinnedIdle++;
    const isFree = free.idle + free.settling + free.quarantined;
    const busy = this.#connections.size - connecting - isFree + this.#pinned.size - pinnedIdle;
    return { ...free, pinnedIdle, connecting, busy };
  }

  get waiting(): WaitingCounts {
    return {
      forAny: this.#waiting.length,
      forRoom: this.#waitingForRoom.length,
      forTheirs: this.#reserved.size,
    };
  }

  /** Gives the attempt a connection, now or as soon as there is one. */
  send(attempt: Attempt): void {
    if (this.#isClosed) return attempt.onUpstreamError(new BalancerError('upstream-gone'));
    const needsNew = attempt.request.upgrade || attempt.needsNewConnection;
    if (!needsNew) {
      const connection = this.#free.take();
      if (connection !== undefined) return connection.assign(attempt);
    }
    attempt.waitsSinceMs = this.#options.nowMs();
    (needsNew ? this.#waitingForRoom : this.#waiting).push(attempt);
    this.#restore();
  }

  /** The attempt no longer waits for a connection. */
  withdraw(attempt: Attempt): void {
    if (remove(this.#waiting, attempt) || remove(this.#waitingForRoom, attempt)) return;
    const at = this.#failing.findIndex((failing) => failing.attempt === attempt);
    if (at !== -1) this.#failing.splice(at, 1);
    for (const [connection, owner] of this.#reserved) {
      if (owner !== attempt) continue;
      this.#reserved.delete(connection);
      if (connection.forTunnel) connection.destroy();
      else this.#opening.add(connection);
    }
    this.#restore();
  }

  /** Makes the connection, which is busy, its client's alone from now on. */
  pin(connection: Connection): PinnedConnection {
    const pinned = new PinnedConnection(connection, this.#options, () => this.#pinned.delete(pinned));
    this.#connections.delete(connection);
    this.#pinned.add(pinned);
    connection.setOwner(pinned);
    this.#restore();
    return pinned;
  }

  /** Ends what has been idle, connecting or waiting for too long. To be called a few times a second. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    const isLate = (connection: Connection): boolean =>
      nowMs - connection.startedMs >= this.#options.connectTimeoutMs;
    const tooLate = (): BalancerError => new BalancerError('connect-timeout');
    for (const connection of this.#opening) if (isLate(connection)) connection.destroy(tooLate());
    for (const [connection, attempt] of this.#reserved)
      if (isLate(connection) || this.#hasWaited(attempt, nowMs)) connection.destroy(tooLate());
    for (const queue of [this.#waiting, this.#waitingForRoom])
      while (queue.length > 0 && this.#hasWaited(queue[0]!, nowMs))
        this.#failing.push({ attempt: queue.shift()!, error: tooLate() });
    for (const connection of this.#free.takeExpired()) connection.destroy();
    for (const pinned of this.#pinned) pinned.tick();
    this.#restore();
  }

  #hasWaited({ waitsSinceMs }: Attempt, nowMs: number): boolean {
    return nowMs - waitsSinceMs >= this.#options.waitTimeoutMs;
  }

  /** The instance is gone: every attempt that waits for it or is on it fails with `upstream-gone`. */
  close(): void {
    this.#isClosed = true;
    const gone = new BalancerError('upstream-gone');
    this.#failAll(this.#waiting, gone);
    this.#failAll(this.#waitingForRoom, gone);
    for (const connection of [...this.#connections]) connection.destroy(gone);
    for (const { connection } of [...this.#pinned]) connection.destroy(gone);
    this.#restore();
  }

  onConnected(connection: Connection): void {
    this.#options.recorder.connected(this.#options.ordinal, connection.connectMs);
    const attempt = this.#reserved.get(connection);
    this.#reserved.delete(connection);
    if (attempt !== undefined) return connection.assign(attempt);
    this.#opening.delete(connection);
    this.#free.addNew(connection);
    this.#serveWaiting();
  }

  onFree(connection: Connection): void {
    // what was opened for a tunnel reads through the stream machinery, which the pool's connections avoid
    if (this.#isClosed || connection.forTunnel) return connection.destroy();
    this.#free.addUsed(connection);
    this.#serveWaiting();
  }

  onClosed(connection: Connection, error: BalancerError | undefined): void {
    if (!this.#connections.delete(connection)) return;
    this.#free.onClosed(connection);
    const attempt = this.#reserved.get(connection);
    this.#reserved.delete(connection);
    this.#opening.delete(connection);
    if (error !== undefined) this.#failedToOpen(attempt, error);
    else if (attempt !== undefined) this.#waitingForRoom.push(attempt);
    this.#restore();
  }

  /** A connection is free, or soon will be. */
  #serveWaiting(): void {
    if (this.#waiting.length > 0 || this.#waitingForRoom.length > 0) this.#restore();
  }

  /**
   * Restores the invariants: whatever may break them ends here. Called again from within, by an attempt that is
   * called back, it leaves all to the first call.
   */
  #restore(): void {
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    try {
      while (this.#step());
    } finally {
      this.#isRestoring = false;
    }
    if (this.#waiting.length > 0 || this.#waitingForRoom.length > 0) this.#free.hasten();
  }

  /** Does one thing that is due; false where nothing is. */
  #step(): boolean {
    const failing = this.#failing.shift();
    if (failing !== undefined) failing.attempt.onUpstreamError(failing.error);
    else if (this.#waiting.length > 0 && this.#free.idle > 0)
      this.#free.take()!.assign(this.#waiting.shift()!);
    else if (this.#waitingForRoom.length > 0 && this.#makeRoom()) this.#open(this.#waitingForRoom.shift());
    else if (this.#expectedSoon < Math.min(this.#waiting.length, MAX_CONNECTING) && this.#makeRoom())
      this.#open(undefined);
    else return false;
    return true;
  }

  /** Connections that the waiting attempts will be given next. */
  get #expectedSoon(): number {
    return this.#opening.size + this.#free.settling;
  }

  get #hasRoom(): boolean {
    return this.#connections.size < this.#options.maxConnections;
  }

  /** Makes room for a connection, if need be in place of one that is free. */
  #makeRoom(): boolean {
    if (!this.#hasRoom) this.#free.takeOldest()?.destroy();
    return this.#hasRoom;
  }

  /** Opens a connection for the attempts that wait, or for `only` one that needs a new one. */
  #open(only: Attempt | undefined): void {
    const { endpoint, nowMs } = this.#options;
    const { limits = RESPONSE_LIMITS } = this.#options;
    const forTunnel = only?.request.upgrade === true;
    const opening = { nowMs: nowMs(), forTunnel, connect: this.#connect, limits };
    let connection: Connection;
    try {
      connection = new Connection(this, endpoint, opening);
    } catch (cause) {
      return this.#failedToOpen(only, new BalancerError('connect-failed', undefined, { cause }));
    }
    this.#connections.add(connection);
    if (only === undefined) this.#opening.add(connection);
    else this.#reserved.set(connection, only);
  }

  /** A connection could not be opened. No other will be either, so all attempts that wait fail, and not one by one. */
  #failedToOpen(only: Attempt | undefined, error: BalancerError): void {
    // a replica that is gone is not at fault
    if (!this.#isClosed) this.#options.recorder.connectFailed(this.#options.ordinal);
    if (only === undefined) this.#failAll(this.#waiting, error);
    else this.#failing.push({ attempt: only, error });
  }

  #failAll(attempts: Attempt[], error: BalancerError): void {
    for (const attempt of attempts.splice(0)) this.#failing.push({ attempt, error });
  }
}

function remove<T>(list: T[], item: T): boolean {
  const at = list.lastIndexOf(item);
  if (at !== -1) list.splice(at, 1);
  return at !== -1;
}
