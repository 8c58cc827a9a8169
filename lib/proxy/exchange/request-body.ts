/**
 * A request's body on its way from the client to whatever replica takes the request.
 * Must not hold: which replica that is, timeouts.
 * Invariants: bytes go out in the order they came, under the framing that the head announced; the client is read
 * no faster than the replica takes; up to KEEP_BYTES are kept so that another replica can be given the same body.
 */

import type { RequestFraming } from '../../http1/request-head.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { BodySource } from '../downstream/request.ts';
import type { PooledBuffer } from '../io/buffer-pool.ts';
import { ReadProgress } from '../io/unsent-bytes.ts';
import type { Connection } from '../upstream/connection.ts';
import type { WorkerContext } from './worker-context.ts';

/** What is kept of a body for a retry. */
const KEEP_BYTES = 65_536;
/** Up to so much goes out with its head as one string. */
const JOIN_BYTES = 4096;

/** Who sends the body on. */
export interface BodyOwner {
  /** A piece came, or the end. */
  onBodyProgress(): void;
  /** It is not to be sent on. */
  onBadBody(error: BalancerError): void;
}

export class RequestBody {
  readonly #worker: WorkerContext;
  readonly #source: BodySource;
  readonly #framing: RequestFraming;
  readonly #reader: BodyOwner;
  #connection: Connection | undefined;
  #kept: Buffer[] = [];
  #bytes = 0;
  #isWanted = true;
  #isComplete = false;
  #onceCompleteCallback: (() => void) | undefined;
  #isListening = false;
  #isHeld = false;
  #progress: ReadProgress | undefined;

  constructor(worker: WorkerContext, source: BodySource, framing: RequestFraming, reader: BodyOwner) {
    this.#worker = worker;
    this.#source = source;
    this.#framing = framing;
    this.#reader = reader;
  }

  /** How much of its content has come. */
  get bytes(): number {
    return this.#source.contentBytes;
  }

  /** All of it has come and was written to the connection at hand. */
  get isSent(): boolean {
    return this.#isComplete && this.#connection !== undefined;
  }

  /** The connection that it was sent on takes no more of it. */
  get isDetached(): boolean {
    return this.#connection === undefined;
  }

  /** All of it has come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** The client is not read because the replica takes nothing. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Calls `onComplete` once all of it has come and was sent on. */
  onceComplete(onComplete: () => void): void {
    if (this.#isComplete) onComplete();
    else this.#onceCompleteCallback = onComplete;
  }

  /** Everything that came so far can be sent again. */
  get isReplayable(): boolean {
    return this.#isWanted && this.#bytes <= KEEP_BYTES;
  }

  /** The head and all of a small body behind it, latin1, to be sent on `connection`; undefined where it is not there yet. */
  joinWithHead(head: string, connection: Connection): string | undefined {
    if (this.#framing !== 'length' || !this.#source.isWhole || this.#source.length > JOIN_BYTES)
      return undefined;
    this.#listen();
    this.#source.resume();
    if (!this.#isComplete) return undefined;
    this.#connection = connection;
    return head + Buffer.concat(this.#kept).toString('latin1');
  }

  /** Sends the head of the request, what came so far of the body, and from now on what comes. */
  sendTo(connection: Connection, head: string): void {
    // the first piece usually came with the head, and goes out with it too
    connection.expectUpload();
    connection.cork();
    process.nextTick(() => connection.uncork());
    connection.write(head);
    this.#connection = connection;
    this.#isHeld = false;
    for (const piece of this.#kept) if (!connection.write(piece)) this.#hold();
    this.#listen();
    if (!this.#isHeld) this.#source.resume();
  }

  /** The connection is lost; what comes waits for the next. */
  detach(): void {
    this.#connection = undefined;
    this.#source.pause();
  }

  /** Nobody wants the rest. */
  discard(): void {
    this.#connection = undefined;
    this.#kept = [];
    this.#isWanted = false;
    this.#source.resume();
  }

  /** The replica takes bytes again. */
  resume(): void {
    this.#isHeld = false;
    this.#progress = undefined;
    this.#source.resume();
  }

  /**
   * While the client is held back: looks whether it is still there, and whether the replica reads on. A client's reset
   * lies behind all that was not read yet; writing hears of it at once, even when there is nothing to write.
   */
  look(nowMs: number): void {
    const connection = this.#connection;
    if (!this.#isHeld || connection === undefined) return;
    this.#source.socket.write('');
    this.#progress ??= new ReadProgress(nowMs);
    const { unsentBytes, options } = this.#worker;
    if (!this.#progress.isDue(nowMs, options.idleTimeoutMs)) return;
    if (this.#progress.hasProgressed(connection.socket, unsentBytes)) this.#reader.onBodyProgress();
  }

  #hold(): void {
    this.#isHeld = true;
    this.#source.pause();
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#source.listen(
      (piece, block) => this.#take(piece, block),
      () => this.#end(),
    );
  }

  #end(): void {
    this.#isComplete = true;
    this.#onceCompleteCallback?.();
    this.#reader.onBodyProgress();
  }

  /** A piece that lies in a block is sent from there; all else must be copied to outlive the call. */
  #take(piece: Buffer, block: PooledBuffer | undefined): void {
    this.#bytes += piece.length;
    const { maxBodyBytes } = this.#worker.options;
    if (maxBodyBytes > 0 && this.#source.contentBytes > maxBodyBytes && this.#isWanted)
      return this.#reader.onBadBody(bodyTooLarge(maxBodyBytes));
    const { isReplayable } = this;
    const connection = this.#connection;
    const copy =
      isReplayable || (block === undefined && connection !== undefined) ? Buffer.from(piece) : piece;
    if (isReplayable) this.#kept.push(copy);
    else this.#kept = [];
    if (connection !== undefined) {
      const isRoom = copy === piece ? connection.write(piece, block?.hold().release) : connection.write(copy);
      if (!isRoom) this.#hold();
    }
    this.#reader.onBodyProgress();
  }
}

/** Sends a request of which all is there and small; false, with nothing sent, where its body is to follow. */
export function sendWhole(
  connection: Connection,
  head: string,
  body: RequestBody | undefined,
  isBusy: boolean,
): boolean {
  const whole = body === undefined ? head : body.joinWithHead(head, connection);
  if (whole === undefined) return false;
  if (isBusy) connection.writeTogether(whole);
  else connection.write(whole);
  return true;
}

/** The failure of a request whose body is longer than the limit. */
export function bodyTooLarge(maxBodyBytes: number): BalancerError {
  return new BalancerError('body-too-large', `The request body is larger than ${maxBodyBytes} bytes`);
}
