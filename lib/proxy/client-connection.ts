/**
 * One client connection: the exchanges on it, what is known of the peer, and how it ends.
 * Must not hold: parsing (Node's), the life of one request (`forward.ts`).
 * Invariants: nothing is written in the middle of an answer; after an answer that said close nothing more is
 * written; a client that is still sending is read on for a while, so that its answer is not lost to a reset.
 */
import type { Socket } from 'node:net';
import type { BalancerError } from '../errors.ts';
import { writeHeld } from './batched-writes.ts';
import { type ClientResponse, rawFailure } from './client-response.ts';
import type { DataThread } from './data-thread.ts';
import type { Exchange } from './forward.ts';
import type { ClientFacts } from './headers.ts';
import type { ClientRequest } from './incoming.ts';
import type { DataThreadOptions } from './messages.ts';
import type { PinnedConnection } from './pinned.ts';
import { isWaiting } from './plain-requests.ts';
import { Uptake } from './send-queues.ts';
import type { Upstream } from './upstream.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** With so many requests that wait for their turn a client is not read any more, until there are no more than … */
const MOST_HELD = 64;
/** … so many. What had been read of it by then is held all the same. */
const FEWEST_HELD = 16;
/**
 * How long what a client goes on sending is read and thrown away after its last answer, and how long it may pause
 * meanwhile: closing on what was not read is a reset, which may take the answer with it (RFC 9112 section 9.6).
 */
const LINGER_MS = 30_000;
const LINGER_SILENCE_MS = 5000;

/** What Node's HTTP server keeps on a socket that it reads requests from. */
interface HttpSocket extends Socket {
  _paused?: boolean;
  readonly parser?: { resume(): void } | null;
}

export class ClientConnection {
  readonly socket: Socket;
  readonly facts: ClientFacts;
  /** An answer has said that the connection closes after it. */
  isClosing = false;
  /** The connection to a replica that has authenticated this client; it may have closed since. */
  pinned: PinnedConnection | undefined;

  readonly #thread: DataThread;
  /** The request that is being answered. */
  #exchange: Exchange | undefined;
  /** What a pipelining client asked for meanwhile, in its order. */
  #held: { readonly request: ClientRequest; readonly take: () => void }[] = [];
  /** It has sent something. */
  #hasSpoken = false;
  /** Nothing that comes is understood any more. */
  #isDeaf = false;
  /** What to say of it after the answers that are owed. */
  #broken: BalancerError | undefined;
  #isPaused = false;
  #lingersSinceMs: number | undefined;
  /** Bytes that had come from it at the last look, while it lingers. */
  #readBytes = 0;
  #uptake: Uptake | undefined;
  /** Bytes the kernel had taken at the last look, and since when no more. */
  #takenBytes = 0;
  #sinceMs: number;

  constructor(socket: Socket, facts: ClientFacts, thread: DataThread) {
    this.socket = socket;
    this.facts = facts;
    this.#thread = thread;
    this.#sinceMs = thread.nowMs;
  }

  /** It has sent something; false where a request could not be answered now. */
  hears(): boolean {
    this.#hasSpoken = true;
    return this.#exchange === undefined && !this.isClosing && !this.isLingering;
  }

  /** A request is being answered; the next has to wait (RFC 9112 section 9.3.2). */
  get isBusy(): boolean {
    return this.#exchange !== undefined;
  }

  /** Its last answer is out, and what it goes on sending is thrown away. */
  get isLingering(): boolean {
    return this.#lingersSinceMs !== undefined;
  }

  get isTaking(): boolean {
    return !this.socket.destroyed && this.socket.writableLength > 0;
  }

  /** Calls `take` once the requests before it have been answered; with many of them nothing more is read meanwhile. */
  hold(request: ClientRequest, take: () => void): void {
    this.#held.push({ request, take });
    if (this.#held.length === MOST_HELD) this.#pause();
  }

  add(exchange: Exchange): void {
    this.#exchange = exchange;
  }

  /** The exchange has ended; `response` is about to. */
  remove(exchange: object, response: ClientResponse): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    // until then the connection is the response's
    if (this.#held.length > 0) response.whenOut(() => this.#next());
    else if (this.#broken !== undefined) response.whenOut(() => this.refuse());
  }

  /** Keeps a connection for this client alone, unless it is to no replica, or to become a tunnel, which is nobody else's anyway. */
  pin(connection: UpstreamConnection, pool: Upstream): void {
    if (pool.ordinal < 0 || connection.forTunnel || this.pinned?.connection === connection) return;
    this.pinned?.close();
    this.pinned = pool.pin(connection);
  }

  /** The connection closed. */
  gone(): void {
    this.#held = [];
    this.#exchange?.onClientGone();
    this.pinned?.close();
  }

  /** What came is not HTTP, too long, or too late; answers that are owed go first. */
  parseFailed(error: BalancerError): void {
    if (this.#isDeaf || this.isLingering) return;
    this.#isDeaf = true;
    if (this.#exchange?.isRequestComplete === false) return this.#exchange.onBadBody(error);
    // a request that waits for its turn will never be whole
    if (this.#held.at(-1)?.request.complete === false) this.#held.pop();
    this.refuse(error);
  }

  /** Answers with `error` after the answers that are owed, and closes. */
  refuse(error?: BalancerError): void {
    this.#broken ??= error;
    if (this.#broken === undefined || this.#exchange !== undefined || this.#held.length > 0) return;
    // the answer that said so closes it
    if (this.isClosing) return;
    this.isClosing = true;
    writeHeld(this.socket);
    if (!this.socket.writable) return this.socket.destroySoon();
    this.#thread.refused(this.#broken.code, this.facts);
    this.socket.write(rawFailure(this.#broken));
    // who was too slow is not waited for
    if (this.#broken.code === 'request-timeout') this.socket.destroySoon();
    else this.linger(this.#thread.nowMs);
  }

  /** Takes the next held request; one that is answered at once makes room for another. */
  #next(): void {
    while (this.#exchange === undefined && this.#held.length > 0) this.#held.shift()?.take();
    if (this.#isPaused && this.#held.length < FEWEST_HELD) this.#resume();
    this.refuse();
  }

  /** Stops the parser as Node's server does when a client takes no answers: a paused socket alone is read on. */
  #pause(): void {
    this.#isPaused = true;
    const socket = this.socket as HttpSocket;
    socket._paused = true;
    socket.pause();
  }

  #resume(): void {
    this.#isPaused = false;
    const socket = this.socket as HttpSocket;
    socket._paused = false;
    socket.parser?.resume();
    socket.resume();
  }

  /** After the last answer, to a client that may still be sending: ends our side, and reads on for a while. */
  linger(nowMs: number): void {
    this.#lingersSinceMs = nowMs;
    this.#sinceMs = nowMs;
    writeHeld(this.socket);
    this.socket.end();
    if (this.#isPaused) this.#resume();
    else this.socket.resume();
  }

  /** Ends a connection on which nothing is owed. */
  closeIfIdle(): void {
    if (this.#exchange !== undefined || isWaiting(this.socket)) return;
    writeHeld(this.socket);
    this.socket.destroySoon();
  }

  /** Closes it when the client takes nothing of what waits for it, or asks for nothing, for too long. */
  tick(nowMs: number, options: DataThreadOptions): void {
    const { socket } = this;
    if (this.#lingersSinceMs !== undefined) return this.#tickLingering(nowMs, this.#lingersSinceMs);
    // closed just now, or what it sent has not been looked at yet
    if (socket.destroyed || isWaiting(socket)) return;
    // browsers open connections in advance: one that never asked for anything is owed no answer
    if (!this.#hasSpoken && nowMs - this.#sinceMs >= options.headerTimeoutMs) return this.#closeIdle();
    const taken = socket.bytesWritten - socket.writableLength;
    const isStuck = socket.writableLength > 0;
    if (taken !== this.#takenBytes || (!isStuck && this.#exchange !== undefined)) {
      this.#takenBytes = taken;
      this.#sinceMs = nowMs;
      this.#uptake = undefined;
      return;
    }
    if (isStuck && this.#readsOn(nowMs, options.sendTimeoutMs)) this.#sinceMs = nowMs;
    if (nowMs - this.#sinceMs < (isStuck ? options.sendTimeoutMs : options.keepAliveTimeoutMs)) return;
    if (isStuck) socket.destroy();
    else this.#closeIdle();
  }

  #closeIdle(): void {
    this.#thread.recorder.idleClosed();
    this.socket.destroy();
  }

  #tickLingering(nowMs: number, beganMs: number): void {
    const { bytesRead } = this.socket;
    if (bytesRead !== this.#readBytes) this.#sinceMs = nowMs;
    this.#readBytes = bytesRead;
    if (nowMs - this.#sinceMs >= LINGER_SILENCE_MS || nowMs - beganMs >= LINGER_MS) this.socket.destroy();
  }

  /** The kernel takes nothing more; whether the client goes on reading what it has, asked a few times within the limit. */
  #readsOn(nowMs: number, limitMs: number): boolean {
    this.#uptake ??= new Uptake(this.#sinceMs);
    return this.#uptake.isDue(nowMs, limitMs) && this.#uptake.hasTaken(this.socket, this.#thread.sendQueues);
  }
}
