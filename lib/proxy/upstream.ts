/**
 * One pool of keep-alive connections to one instance of a replica, for one data thread.
 * An attempt gets the connection that was used last (its caches are warm, and the others grow idle and close), or
 * a new one while the pool is under its cap, or the next that becomes free.
 * Must not hold: which replica a request goes to, retries, anything about clients.
 * Invariants: a connection is connecting, idle, or busy with exactly one attempt; an attempt that was given to
 * `send` hears `onConnection` or `onUpstreamError`, once, unless it is withdrawn before.
 */
import type { Endpoint } from '../core/replica.ts';
import { BalancerError } from '../errors.ts';
import type { Recorder } from '../metrics/recorder.ts';
import { type Attempt, type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts';

export interface UpstreamOptions {
  /** Below zero for what is no replica. */
  readonly ordinal: number;
  readonly endpoint: Endpoint;
  /** Most connections at a time. */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** The thread's coarse clock. */
  readonly nowMs: () => number;
  readonly recorder: Recorder;
}

/** How long a connection may lie idle where the replica did not say: under the 5 s of Node's own server. */
const IDLE_LIMIT_MS = 4000;
/** What is taken off the replica's own limit, so that we close first. */
const IDLE_MARGIN_MS = 1000;
/**
 * Connections that are opened at a time. With one for each of a thousand requests that come at once the first answers
 * waited for all of them, most of a second; meanwhile those that are there would have done the work.
 */
const MOST_CONNECTING = 8;
/** However long a replica says that it waits. */
const IDLE_LIMIT_MAX_MS = 120_000;

export class Upstream implements ConnectionOwner {
  readonly #options: UpstreamOptions;
  /** Free connections, the one used last at the end. */
  readonly #idle: UpstreamConnection[] = [];
  readonly #connections = new Set<UpstreamConnection>();
  /** Attempts that wait for a connection, first come first served. */
  readonly #waiting: Attempt[] = [];
  readonly #connecting = new Set<UpstreamConnection>();
  #isClosed = false;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** How many there are now. */
  get connections(): { readonly idle: number; readonly busy: number; readonly connecting: number } {
    const [idle, connecting] = [this.#idle.length, this.#connecting.size];
    return { idle, connecting, busy: this.#connections.size - idle - connecting };
  }

  /** Gives the attempt a connection, now or as soon as there is one. */
  send(attempt: Attempt): void {
    if (this.#isClosed) return attempt.onUpstreamError(new BalancerError('upstream-gone'));
    if (attempt.upgrade || attempt.needsFresh) return this.#open(attempt);
    const connection = this.#idle.pop();
    if (connection !== undefined) return connection.assign(attempt);
    this.#waiting.push(attempt);
    this.#grow();
  }

  /** The attempt no longer waits for a connection. */
  withdraw(attempt: Attempt): void {
    const at = this.#waiting.indexOf(attempt);
    if (at !== -1) this.#waiting.splice(at, 1);
  }

  /** Closes what has been idle or connecting for too long. To be called a few times a second. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    for (const connection of this.#connecting) {
      if (nowMs - connection.startedMs >= this.#options.connectTimeoutMs)
        connection.destroy(new BalancerError('connect-timeout'));
    }
    for (const connection of [...this.#idle]) {
      if (nowMs - connection.idleSinceMs >= idleLimitMs(connection)) connection.destroy();
    }
  }

  /** The instance is gone: everything that waits for it or hears from it fails with `upstream-gone`. */
  close(): void {
    this.#isClosed = true;
    const gone = new BalancerError('upstream-gone');
    for (const attempt of this.#waiting.splice(0)) attempt.onUpstreamError(gone);
    for (const connection of [...this.#connections]) connection.destroy(gone);
  }

  onConnected(connection: UpstreamConnection): void {
    this.#options.recorder.connected(this.#options.ordinal, connection.connectMs);
    this.#connecting.delete(connection);
    this.#giveOut(connection);
    this.#grow();
  }

  onFree(connection: UpstreamConnection): void {
    if (this.#isClosed) return connection.destroy();
    this.#giveOut(connection);
  }

  onClosed(connection: UpstreamConnection, error: BalancerError | undefined): void {
    if (!this.#connections.delete(connection)) return;
    if (error !== undefined) this.#noteFailure();
    this.#connecting.delete(connection);
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    // nobody will connect where one could not, so who waits need not find out one by one
    if (error !== undefined) for (const attempt of this.#waiting.splice(0)) attempt.onUpstreamError(error);
    else this.#grow();
  }

  /** Opens a connection where fewer are on their way than there are attempts that wait. */
  #grow(): void {
    const wanted = Math.min(this.#waiting.length, MOST_CONNECTING);
    if (this.#connecting.size < wanted && this.#connections.size < this.#options.maxConnections)
      this.#open(undefined);
  }

  #giveOut(connection: UpstreamConnection): void {
    const attempt = this.#waiting.shift();
    if (attempt !== undefined) return connection.assign(attempt);
    connection.idleSinceMs = this.#options.nowMs();
    this.#idle.push(connection);
  }

  /** Opens a connection for whoever waits, or for `only` one attempt that needs a new one. */
  #open(only: Attempt | undefined): void {
    const { endpoint, nowMs } = this.#options;
    const owner = only === undefined ? this : new FirstFor(this, only);
    const connection = new UpstreamConnection(endpoint, owner, nowMs(), only?.upgrade === true);
    this.#connections.add(connection);
    this.#connecting.add(connection);
  }

  /** A connection could not be made; of a replica that is gone that says nothing. */
  #noteFailure(): void {
    if (!this.#isClosed) this.#options.recorder.connectFailed(this.#options.ordinal);
  }

  /** A connection that was opened for one attempt is there, or gone; nobody else waited for it. */
  settleFirst(connection: UpstreamConnection, isOpen: boolean): void {
    this.#connecting.delete(connection);
    if (isOpen) return this.#options.recorder.connected(this.#options.ordinal, connection.connectMs);
    this.#connections.delete(connection);
    this.#noteFailure();
  }
}

/** Owns a connection that was opened for one attempt, which needs a new one; after that the pool has it. */
class FirstFor implements ConnectionOwner {
  readonly #pool: Upstream;
  readonly #attempt: Attempt;

  constructor(pool: Upstream, attempt: Attempt) {
    this.#pool = pool;
    this.#attempt = attempt;
  }

  onConnected(connection: UpstreamConnection): void {
    this.#pool.settleFirst(connection, true);
    connection.assign(this.#attempt);
  }

  onFree(connection: UpstreamConnection): void {
    // what was opened for a tunnel reads through the stream machinery, which the pool's connections avoid
    if (this.#attempt.upgrade) connection.destroy();
    else this.#pool.onFree(connection);
  }

  onClosed(connection: UpstreamConnection, error: BalancerError | undefined): void {
    if (error === undefined) return this.#pool.onClosed(connection, undefined);
    this.#pool.settleFirst(connection, false);
    this.#attempt.onUpstreamError(error);
  }
}

function idleLimitMs({ keepAliveTimeoutMs }: UpstreamConnection): number {
  if (keepAliveTimeoutMs < 0) return IDLE_LIMIT_MS;
  return Math.min(IDLE_LIMIT_MAX_MS, Math.max(0, keepAliveTimeoutMs - IDLE_MARGIN_MS));
}
