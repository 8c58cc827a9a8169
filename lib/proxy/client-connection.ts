/**
 * One client connection: the exchanges on it, what is known of the peer, and how it ends.
 * Must not hold: parsing (Node's), the life of one request (`forward.ts`).
 * Invariants: nothing is written in the middle of an answer; after an answer that said close nothing more is
 * written; a client that is still sending is given a moment to read its answer before the connection is reset.
 */
import type { Socket } from 'node:net';
import type { BalancerError } from '../errors.ts';
import { rawFailure } from './client-response.ts';
import type { Exchange } from './forward.ts';
import type { ClientFacts } from './headers.ts';
import type { DataThreadOptions } from './messages.ts';

/** Requests that a client may send before it has read the answers. */
const MAX_PIPELINED = 256;
/** How long what a client goes on sending is read and thrown away after its last answer (RFC 9112 section 9.6). */
const LINGER_MS = 1000;

export class ClientConnection {
  readonly socket: Socket;
  readonly facts: ClientFacts;
  /** An answer has said that the connection closes after it. */
  isClosing = false;

  /** The request that is being answered. */
  #exchange: Exchange | undefined;
  /** What a pipelining client asked for meanwhile, in its order. */
  #held: (() => void)[] = [];
  /** Nothing that comes is understood any more. */
  #isDeaf = false;
  /** What to say of it after the answers that are owed. */
  #broken: BalancerError | undefined;
  #isCutShort = false;
  #lingersSinceMs: number | undefined;
  /** Bytes the kernel had taken at the last look, and since when no more. */
  #takenBytes = 0;
  #sinceMs: number;

  constructor(socket: Socket, facts: ClientFacts, nowMs: number) {
    this.socket = socket;
    this.facts = facts;
    this.#sinceMs = nowMs;
  }

  /** A request is being answered; the next has to wait (RFC 9112 section 9.3.2). */
  get isBusy(): boolean {
    return this.#exchange !== undefined;
  }

  /** Calls `take` once the requests before it have been answered. A client that sends too many is cut short. */
  hold(take: () => void): void {
    if (this.#held.length < MAX_PIPELINED) this.#held.push(take);
    else this.#isCutShort = true;
  }

  add(exchange: Exchange): void {
    this.#exchange = exchange;
  }

  remove(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    if (this.#held.length > 0) this.#next();
    else if (this.#broken !== undefined) this.#refuse(this.#broken);
    else if (this.#isCutShort) this.socket.destroySoon();
  }

  /** The connection closed. */
  gone(): void {
    this.#held = [];
    this.#exchange?.onClientGone();
  }

  /** What came is not HTTP, too long, or too late; answers that are owed go first. */
  parseFailed(error: BalancerError): void {
    if (this.#isDeaf) return;
    this.#isDeaf = true;
    const exchange = this.#exchange;
    if (exchange === undefined) this.#refuse(error);
    else if (exchange.isRequestComplete) this.#broken = error;
    else exchange.onBadBody(error);
  }

  /** Takes the next held request, after the answer before it has been handed over. */
  #next(): void {
    process.nextTick(() => {
      if (!this.isBusy) this.#held.shift()?.();
      if (!this.isBusy && this.#held.length > 0) this.#next();
    });
  }

  /** After the last answer, to a client that is still sending: ends our side, and reads on for a moment. */
  linger(nowMs: number): void {
    this.#lingersSinceMs = nowMs;
    this.socket.end();
  }

  /** Ends a connection on which nothing is owed. */
  closeIfIdle(): void {
    if (this.#exchange === undefined) this.socket.destroySoon();
  }

  /** Closes it when the client takes nothing of what waits for it, or asks for nothing, for too long. */
  tick(nowMs: number, options: DataThreadOptions): void {
    const { socket } = this;
    if (this.#lingersSinceMs !== undefined) {
      if (nowMs - this.#lingersSinceMs >= LINGER_MS) socket.destroy();
      return;
    }
    const taken = socket.bytesWritten - socket.writableLength;
    const isStuck = socket.writableLength > 0;
    if (taken !== this.#takenBytes || (!isStuck && this.#exchange !== undefined)) {
      this.#takenBytes = taken;
      this.#sinceMs = nowMs;
      return;
    }
    if (nowMs - this.#sinceMs >= (isStuck ? options.sendTimeoutMs : options.keepAliveTimeoutMs))
      socket.destroy();
  }

  #refuse(error: BalancerError): void {
    if (!this.isClosing && this.socket.writable) this.socket.write(rawFailure(error));
    this.isClosing = true;
    this.socket.destroySoon();
  }
}
