/**
 * Reads the body of a large upload straight into blocks, past the copies of Node's HTTP parser.
 * Must not hold: where the bytes go, limits of time.
 *
 * The parser hands every piece of a body on in memory of its own. A MiB costs 1,000 µs more for it: pages that are
 * touched for the first time, and a collector that is driven by what they weigh. So once such a body has begun, the
 * socket is read into our memory, and the parser is shown the same bytes with nobody listening for bodies: it skips
 * them in no time, and still says where the message ends, what is wrong with it, and what comes behind it.
 *
 * Beside what `raw-reads.ts` needs of Node it is its own that its parser copies a body only for a listener. Where that
 * is missing, `begin` gives undefined, and the body comes the ordinary way; `test/proxy/direct-reads.test.ts` notices.
 * Invariants: the parser sees every byte exactly once and in order; when the body has ended it has its socket back.
 */
import type { Socket } from 'node:net';
import { type Block, takeBlock, takeNextBlock } from './blocks.ts';
import {
  giveToParser,
  type Handle,
  type Parser,
  type RawSocket,
  READ_INTO,
  readRaw,
  SCRATCH,
  showToParser,
  takeFromParser,
} from './raw-reads.ts';

/** Takes a piece of the body, which lies in `block` and is good for as long as that is held; false to be held back. */
export type TakePiece = (piece: Buffer, block: Block) => boolean;

/** Of a body with less to come reading it directly is not worth the change. */
export const LEAST_DIRECT_BYTES = 131_072;
/** A block with less room is exchanged for another. */
const LEAST_READ_BYTES = 131_072;
export class DirectReads {
  readonly #socket: RawSocket;
  readonly #handle: Handle;
  readonly #parser: Parser;
  readonly #kOnBody: number;
  readonly #take: TakePiece;
  #bytesLeft: number;
  #block: Block | undefined;
  #filled = 0;
  #isHeld = false;

  /**
   * Takes over the reading of `socket` until `bytesLeft` more bytes of a body have come, each given to `take`.
   * Undefined, with nothing changed, where that is not possible.
   */
  static begin(socket: Socket, bytesLeft: number, take: TakePiece): DirectReads | undefined {
    const { _handle: handle, parser, _paused: isPaused } = socket as RawSocket;
    if (!handle || !parser || isPaused === true || socket.destroyed) return undefined;
    const kOnBody = parser.constructor.kOnBody;
    if (kOnBody === undefined) return undefined;
    const block = takeBlock();
    if (block === undefined) return undefined;
    const reads = new DirectReads(
      { socket: socket as RawSocket, handle, parser, kOnBody },
      { bytesLeft, take, block },
    );
    const hear = (bytes: number, buffer: Buffer) => reads.#read(buffer.subarray(0, bytes));
    if (takeFromParser(reads.#socket)) {
      if (readRaw(reads.#socket, hear, () => reads.#nextBuffer())) return reads;
      giveToParser(reads.#socket, parser, handle);
    }
    block.release();
    return undefined;
  }

  private constructor(
    {
      socket,
      handle,
      parser,
      kOnBody,
    }: {
      readonly socket: RawSocket;
      readonly handle: Handle;
      readonly parser: Parser;
      readonly kOnBody: number;
    },
    {
      bytesLeft,
      take,
      block,
    }: { readonly bytesLeft: number; readonly take: TakePiece; readonly block: Block },
  ) {
    this.#socket = socket;
    this.#handle = handle;
    this.#parser = parser;
    this.#kOnBody = kOnBody;
    this.#bytesLeft = bytesLeft;
    this.#take = take;
    this.#block = block;
  }

  /** Reads on. */
  resume(): void {
    if (this.#block === undefined) return;
    this.#isHeld = false;
    this.#startReading();
  }

  #startReading(): void {
    if (this.#socket._handle !== this.#handle || this.#handle.reading) return;
    this.#handle.reading = true;
    this.#handle.readStart();
  }

  /** Reads no more for now. */
  hold(): void {
    if (this.#block === undefined) return;
    this.#isHeld = true;
    if (this.#socket._handle !== this.#handle || !this.#handle.reading) return;
    this.#handle.reading = false;
    this.#handle.readStop();
  }

  /** Gives the socket back to the parser, which has the body's listeners told of what is still to come. */
  end(): void {
    if (this.#block === undefined) return;
    this.#block.release();
    this.#block = undefined;
    this.#isHeld = false;
    if (giveToParser(this.#socket, this.#parser, this.#handle)) this.#startReading();
  }

  #nextBuffer(): Buffer {
    if (this.#block === undefined) return READ_INTO;
    if (this.#block.bytes.length - this.#filled < LEAST_READ_BYTES) {
      this.#block.release();
      this.#block = takeNextBlock();
      this.#filled = 0;
    }
    return this.#block.bytes.subarray(this.#filled);
  }

  /** One read; false where the next has to wait. */
  #read(read: Buffer): boolean {
    const block = this.#block;
    if (block === undefined) return false;
    const chunk = read.buffer === SCRATCH.buffer ? this.#intoBlock(read, block) : read;
    this.#filled += chunk.length;
    const piece = chunk.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= piece.length;
    if (!this.#take(piece, block)) this.hold();
    this.#showToParser(piece);
    if (this.#bytesLeft === 0) {
      this.end();
      if (piece.length < chunk.length && !this.#socket.destroyed)
        showToParser(this.#socket, chunk.subarray(piece.length));
    }
    return !this.#isHeld;
  }

  #intoBlock(read: Buffer, block: Block): Buffer {
    const chunk = block.bytes.subarray(this.#filled, this.#filled + read.length);
    read.copy(chunk);
    return chunk;
  }

  /** The server's own listener runs the parser. */
  #showToParser(piece: Buffer): void {
    const parser = this.#parser;
    const onBody = parser[this.#kOnBody];
    parser[this.#kOnBody] = undefined;
    try {
      showToParser(this.#socket, piece);
    } finally {
      parser[this.#kOnBody] = onBody;
    }
  }
}
