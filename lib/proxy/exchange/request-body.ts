/**
 * A request's body on its way from the client to whatever replica takes the request.
 * Invariants: bytes go out in the order they came, under the framing that the head announced; the client is read no
 * faster than the replica takes; up to MAX_REPLAY_BYTES are kept, so that another replica can be given the same body.
 */
import type { RequestFraming } from '../../http1/request-fields.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { BodySource } from '../downstream/request.ts';
import { bufferPool, type PooledBuffer } from '../io/buffer-pool.ts';
import { ReadProgress, type UnsentBytes } from '../io/unsent-bytes.ts';
import type { Connection } from '../upstream/connection.ts';

/** What is kept of a body for a retry. */
const MAX_REPLAY_BYTES = 65_536;
/** A body up to here goes out with its head as one string. */
const MAX_JOINED_BYTES = 4096;

/** What a body needs of its worker. */
export interface BodyWorker {
  readonly options: { readonly idleTimeoutMs: number; readonly maxBodyBytes: number };
  readonly unsentBytes: UnsentBytes;
}

/** The exchange that the body belongs to. */
export interface BodyOwner {
  /** A piece came, or the end. */
  onBodyProgress(): void;
  /** It is not to be sent on. */
  onBadBody(error: BalancerError): void;
}

export class RequestBody {
  readonly #worker: BodyWorker;
  readonly #source: BodySource;
  readonly #framing: RequestFraming;
  readonly #owner: BodyOwner;
  #connection: Connection | undefined;
  /** What came so far, for as long as that may have to be sent again. */
  #replay: Buffer[] = [];
  /** Where the copies of a body lie that will soon be too long to be kept. */
  #pooled: PooledBuffer | undefined;
  #bytes = 0;
  #isWanted = true;
  #isComplete = false;
  #onComplete: (() => void) | undefined;
  #isListening = false;
  #isHeld = false;
  #progress: ReadProgress | undefined;

  constructor(worker: BodyWorker, source: BodySource, framing: RequestFraming, owner: BodyOwner) {
    this.#worker = worker;
    this.#source = source;
    this.#framing = framing;
    this.#owner = owner;
  }

  /** Bytes of its content that have come. */
  get bytes(): number {
    return this.#source.contentBytes;
  }

  /** All of it has come and was written to the connection at hand. */
  get isSent(): boolean {
    return this.#isComplete && this.#connection !== undefined;
  }

  /** There is no connection that takes it. */
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

  /** Everything that came so far can be sent again. */
  get isReplayable(): boolean {
    return this.#isWanted && this.#bytes <= MAX_REPLAY_BYTES;
  }

  /** Calls `onComplete` once all of it has come and was sent on. */
  onceComplete(onComplete: () => void): void {
    if (this.#isComplete) onComplete();
    else this.#onComplete = onComplete;
  }

  /** The head with all of a small body behind it, latin1, to be sent on `connection`; undefined where it is not there yet. */
  joinWithHead(head: string, connection: Connection): string | undefined {
    if (this.#framing !== 'length' || !this.#source.isWhole || this.#source.length > MAX_JOINED_BYTES)
      return undefined;
    this.#listen();
    this.#source.resume();
    if (!this.#isComplete) return undefined;
    this.#connection = connection;
    return head + Buffer.concat(this.#replay).toString('latin1');
  }

  /** Sends the head of the request, what came so far of the body, and from now on what comes. */
  sendTo(connection: Connection, head: string): void {
    connection.startUpload(head);
    this.#connection = connection;
    this.#isHeld = false;
    for (const piece of this.#replay) if (!connection.writeBody(piece)) this.#hold();
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
    this.release();
    this.#source.resume();
  }

  /** It will not be sent again, whatever still comes of it. */
  release(): void {
    this.#isWanted = false;
    this.#dropReplay();
  }

  #dropReplay(): void {
    this.#replay = [];
    this.#pooled?.release();
    this.#pooled = undefined;
  }

  /** The replica takes bytes again. */
  resume(): void {
    this.#isHeld = false;
    this.#progress = undefined;
    this.#source.resume();
  }

  /**
   * While the client is not read: checks whether it is still there, and whether the replica reads on.
   */
  checkPeers(nowMs: number): void {
    const connection = this.#connection;
    if (!this.#isHeld || connection === undefined) return;
    this.#source.checkPeer();
    this.#progress ??= new ReadProgress(nowMs);
    const { unsentBytes, options } = this.#worker;
    if (!this.#progress.isCheckDue(nowMs, options.idleTimeoutMs)) return;
    if (this.#progress.hasProgressed(connection.socket, unsentBytes)) this.#owner.onBodyProgress();
  }

  #hold(): void {
    this.#isHeld = true;
    this.#source.pause();
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#source.listen(
      (piece) => this.#onPiece(piece),
      () => this.#onEnd(),
    );
  }

  #onEnd(): void {
    this.#isComplete = true;
    this.#onComplete?.();
    this.#owner.onBodyProgress();
  }

  /** Fresh memory for the first 64 KiB of each large body, faulted in and collected, was 5 % of the cost of an upload of 1 MiB. */
  #keep(piece: Buffer): void {
    const start = this.#bytes - piece.length;
    if (this.#source.length > MAX_REPLAY_BYTES && start === 0) this.#pooled = bufferPool.acquire();
    const memory = this.#pooled?.bytes.subarray(start, this.#bytes);
    if (memory !== undefined) piece.copy(memory);
    this.#replay.push(memory ?? Buffer.from(piece));
  }

  /** Sends a piece on, which is overwritten by the next read. */
  #onPiece(piece: Buffer): void {
    this.#bytes += piece.length;
    const { maxBodyBytes } = this.#worker.options;
    if (maxBodyBytes > 0 && this.#source.contentBytes > maxBodyBytes && this.#isWanted)
      return this.#owner.onBadBody(bodyTooLarge(maxBodyBytes));
    if (this.isReplayable) this.#keep(piece);
    else this.#dropReplay();
    if (this.#connection?.writeBody(piece) === false) this.#hold();
    this.#owner.onBodyProgress();
  }
}

/** Sends a request that is there as a whole and small; false, with nothing sent, where its body is to follow. */
export function sendWhole(
  connection: Connection,
  head: string,
  body: RequestBody | undefined,
  mayBatch: boolean,
): boolean {
  const whole = body === undefined ? head : body.joinWithHead(head, connection);
  if (whole === undefined) return false;
  if (mayBatch) connection.writeBatched(whole);
  else connection.write(whole);
  return true;
}

/** The failure of a request whose body is longer than the limit. */
export function bodyTooLarge(maxBodyBytes: number): BalancerError {
  return new BalancerError('body-too-large', `The request body is larger than ${maxBodyBytes} bytes`);
}
