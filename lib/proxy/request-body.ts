/**
 * A request's body on its way from the client to whatever replica takes the request.
 * Must not hold: which replica that is, timeouts.
 * Invariants: bytes go out in the order they came, under the framing that the head announced; the client is read
 * no faster than the replica takes; up to KEEP_BYTES are kept so that another replica can be given the same body.
 */
import { BalancerError } from '../errors.ts';
import type { Block } from './blocks.ts';
import type { DataThread } from './data-thread.ts';
import { DirectReads, LEAST_DIRECT_BYTES } from './direct-reads.ts';
import type { RequestFraming } from './headers.ts';
import type { BodySource } from './incoming.ts';
import { Uptake } from './send-queues.ts';
import { passingTrailers, trailerSection } from './trailers.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** What is kept of a body for a retry. */
const KEEP_BYTES = 65_536;
/** Up to so much goes out with its head as one string. */
const JOIN_BYTES = 4096;
const CRLF = '\r\n';

/** Who sends the body on. */
export interface BodyReader {
  /** A piece came, or the end. */
  onBodyProgress(): void;
  /** It is not to be sent on. */
  onBadBody(error: BalancerError): void;
}

export class RequestBody {
  readonly #thread: DataThread;
  readonly #source: BodySource;
  readonly #framing: RequestFraming;
  readonly #reader: BodyReader;
  #connection: UpstreamConnection | undefined;
  #kept: Buffer[] = [];
  #bytes = 0;
  #isWanted = true;
  #isComplete = false;
  #isListening = false;
  #isHeld = false;
  #uptake: Uptake | undefined;
  /** While the rest of a large body is read past the parser. */
  #direct: DirectReads | undefined;

  constructor(thread: DataThread, source: BodySource, framing: RequestFraming, reader: BodyReader) {
    this.#thread = thread;
    this.#source = source;
    this.#framing = framing;
    this.#reader = reader;
  }

  /** How much of it has come. */
  get bytes(): number {
    return this.#bytes;
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

  /** Everything that came so far can be sent again. */
  get isKept(): boolean {
    return this.#isWanted && this.#bytes <= KEEP_BYTES;
  }

  /** The head and all of a small body behind it, latin1, to be sent on `connection`; undefined where it is not there yet. */
  joinedTo(head: string, connection: UpstreamConnection): string | undefined {
    if (this.#framing !== 'length' || !this.#source.isWhole || this.#source.length > JOIN_BYTES)
      return undefined;
    this.#listen();
    this.#source.resume();
    if (!this.#isComplete) return undefined;
    this.#connection = connection;
    return head + Buffer.concat(this.#kept).toString('latin1');
  }

  /** Sends the head of the request, what came so far of the body, and from now on what comes. */
  sendTo(connection: UpstreamConnection, head: string): void {
    // the first piece usually came with the head, and goes out with it too
    connection.expectUpload();
    connection.cork();
    process.nextTick(() => connection.uncork());
    connection.write(head);
    this.#connection = connection;
    this.#isHeld = false;
    for (const chunk of this.#kept) this.#write(connection, chunk);
    if (this.#isComplete) this.#writeEnd(connection);
    this.#listen();
    if (!this.#isHeld) this.#source.resume();
  }

  /** The connection is lost; what comes waits for the next. */
  detach(): void {
    this.#connection = undefined;
    this.#stop();
  }

  /** Nobody wants the rest. */
  discard(): void {
    this.#connection = undefined;
    this.#kept = [];
    this.#isWanted = false;
    this.#direct?.end();
    this.#direct = undefined;
    this.#source.resume();
  }

  /** The replica takes bytes again. */
  resume(): void {
    this.#isHeld = false;
    this.#uptake = undefined;
    this.#direct?.resume();
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
    this.#uptake ??= new Uptake(nowMs);
    const { sendQueues, options } = this.#thread;
    if (!this.#uptake.isDue(nowMs, options.idleTimeoutMs)) return;
    if (this.#uptake.hasTaken(connection.socket, sendQueues)) this.#reader.onBodyProgress();
  }

  #hold(): void {
    this.#isHeld = true;
    this.#stop();
  }

  #stop(): void {
    if (this.#direct === undefined) this.#source.pause();
    else this.#direct.hold();
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#source.listen(
      (piece) => this.#take(piece),
      () => this.#end(),
    );
  }

  #end(): void {
    this.#isComplete = true;
    this.#direct = undefined;
    if (this.#connection !== undefined) this.#writeEnd(this.#connection);
    this.#reader.onBodyProgress();
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const { maxBodyBytes } = this.#thread.options;
    if (maxBodyBytes > 0 && this.#bytes > maxBodyBytes && this.#isWanted)
      return this.#reader.onBadBody(tooLarge(maxBodyBytes));
    if (this.isKept) this.#kept.push(chunk);
    else this.#forget();
    if (this.#connection !== undefined) this.#write(this.#connection, chunk);
    this.#reader.onBodyProgress();
    this.#readDirectly();
  }

  /** It has become too large to be sent again. */
  #forget(): void {
    if (this.#connection?.isWritten === true) for (const chunk of this.#kept) giveBack(chunk);
    this.#kept = [];
  }

  /** The rest of a large body is not read by the parser. */
  #readDirectly(): void {
    if (this.#framing !== 'length' || this.#direct !== undefined) return;
    if (!this.#isWanted || this.#source.heldBytes > 0) return;
    const bytesLeft = this.#source.length - this.#bytes;
    if (!(bytesLeft >= LEAST_DIRECT_BYTES)) return;
    this.#direct = DirectReads.begin(this.#source.socket, bytesLeft, (piece, block) =>
      this.#takeDirect(piece, block),
    );
    if (this.#isHeld) this.#direct?.hold();
    else this.#direct?.resume();
  }

  /** The body is larger than what is kept, but may not have been until this piece of it. */
  #takeDirect(piece: Buffer, block: Block): boolean {
    this.#bytes += piece.length;
    if (this.isKept) this.#kept.push(Buffer.from(piece));
    else this.#forget();
    const connection = this.#connection;
    if (connection !== undefined && !connection.write(piece, block.hold().release)) this.#isHeld = true;
    this.#reader.onBodyProgress();
    return !this.#isHeld && this.#connection !== undefined;
  }

  #write(connection: UpstreamConnection, chunk: Buffer): void {
    const onSent = this.isKept ? undefined : () => giveBack(chunk);
    if (this.#framing === 'length') {
      if (!connection.write(chunk, onSent)) this.#hold();
      return;
    }
    connection.cork();
    connection.write(chunk.length.toString(16) + CRLF);
    connection.write(chunk, onSent);
    if (!connection.write(CRLF)) this.#hold();
    connection.uncork();
  }

  #writeEnd(connection: UpstreamConnection): void {
    if (this.#framing === 'chunked')
      connection.write(trailerSection(passingTrailers(this.#source.rawTrailers)));
  }
}

/** Sends a request of which all is there and small; false, with nothing sent, where its body is to follow. */
export function sendsWhole(
  connection: UpstreamConnection,
  head: string,
  body: RequestBody | undefined,
  isCrowded: boolean,
): boolean {
  const whole = body === undefined ? head : body.joinedTo(head, connection);
  if (whole === undefined) return false;
  if (isCrowded) connection.writeTogether(whole);
  else connection.write(whole);
  return true;
}

/** The failure of a request whose body is longer than the limit. */
export function tooLarge(maxBodyBytes: number): BalancerError {
  return new BalancerError('body-too-large', `The request body is larger than ${maxBodyBytes} bytes`);
}

/**
 * Frees the memory of a piece that nobody reads any more. Left to the collector, it is what sets it off: with uploads
 * of 1 MiB every 200 of them, at 100 µs each.
 */
function giveBack({ buffer, length }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0);
}
