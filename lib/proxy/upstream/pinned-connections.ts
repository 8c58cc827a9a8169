/**
 * A connection to a replica that belongs to one client connection, since the replica authenticates connections
 * (`connection-auth.ts`): the client's further requests go there, nobody else's ever do, and it ends with the client.
 * Invariants: it is never given back to its pool; the pool closes it with its instance.
 * Source: RFC 9110 section 3.3 (a request is not to be judged by its connection, and what a proxy must do all the same).
 */
import { NO_TIMEOUT } from '../../http1/response-fields.ts';
import type { Connection, ConnectionOwner } from './connection.ts';

/** A request's claim on the replica of this ordinal; false where that may not be given requests. */
interface ReplicaClaim {
  acquirePinned(ordinal: number): boolean;
}

/** What is taken off the replica's own limit, so that we close first. */
const IDLE_MARGIN_MS = 1000;

/** How long a connection may be idle that the replica says it keeps open for so long. */
export function withMargin(keepAliveTimeoutMs: number): number {
  return Math.max(0, keepAliveTimeoutMs - IDLE_MARGIN_MS);
}

/**
 * Keeps a connection of `pool` for one client alone, in place of `before`, unless it is to no replica, or to become a
 * tunnel, which is nobody else's anyway; returns the one that is the client's.
 */
export function pinConnection(
  before: PinnedConnection | undefined,
  connection: Connection,
  pool: { readonly ordinal: number; pin(connection: Connection): PinnedConnection },
): PinnedConnection | undefined {
  if (pool.ordinal < 0 || connection.forTunnel || before?.connection === connection) return before;
  before?.close();
  return pool.pin(connection);
}

export class PinnedConnection implements ConnectionOwner {
  readonly connection: Connection;
  /** Of its replica. */
  readonly ordinal: number;
  readonly #passedMs: () => number;
  readonly #onClosed: (pinned: PinnedConnection) => void;
  #isIdle = false;
  #isClosed = false;

  /** `connection` is busy with a request of its client. */
  constructor(
    connection: Connection,
    { ordinal, passedMs }: { readonly ordinal: number; readonly passedMs: () => number },
    onClosed: (pinned: PinnedConnection) => void,
  ) {
    this.connection = connection;
    this.ordinal = ordinal;
    this.#passedMs = passedMs;
    this.#onClosed = onClosed;
  }

  get isIdle(): boolean {
    return this.#isIdle;
  }

  /**
   * Claims it, and its replica, for the client's next request, which then has to be assigned to the connection; false
   * where it has closed, or its replica may not be given requests any more. Then it is closed.
   */
  claim(replica: ReplicaClaim): boolean {
    if (!this.#isIdle || !replica.acquirePinned(this.ordinal)) {
      this.close();
      return false;
    }
    this.#isIdle = false;
    return true;
  }

  /** Closes it when it has been idle for longer than the replica allows; where that says nothing its client's limits hold. */
  tick(): void {
    const { idleSinceMs, keepAliveTimeoutMs } = this.connection;
    if (!this.#isIdle || keepAliveTimeoutMs === NO_TIMEOUT) return;
    // of a short limit half is used: closed too early, the client has to authenticate again
    const limitMs = Math.max(keepAliveTimeoutMs / 2, withMargin(keepAliveTimeoutMs));
    if (this.#passedMs() - idleSinceMs >= limitMs) this.close();
  }

  /** Its client has gone, or has another. */
  close(): void {
    if (!this.#isClosed) this.connection.destroy();
  }

  onConnected(): void {}

  onFree(connection: Connection): void {
    connection.idleSinceMs = this.#passedMs();
    this.#isIdle = true;
  }

  onClosed(): void {
    this.#isIdle = false;
    this.#isClosed = true;
    this.#onClosed(this);
  }
}
