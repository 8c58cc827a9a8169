/**
 * Reads the body of a large upload straight into blocks, past the copies of Node's HTTP parser.
 * Must not hold: where the bytes go, limits of time.
 *
 * The parser hands every piece of a body on in memory of its own. A MiB costs 1,000 µs more for it: pages that are
 * touched for the first time, and a collector that is driven by what they weigh. So once such a body has begun, the
 * socket is read into our memory, and the parser is shown the same bytes with nobody listening for bodies: it skips
 * them in no time, and still says where the message ends, what is wrong with it, and what comes behind it.
 *
 * Three things are Node's own: that a parser is told to leave a socket (what the server does for an upgrade), that it
 * copies a body only for a listener, and the fields by which `onread` is told to a socket. Where they are missing,
 * `begin` gives undefined, and the body comes the ordinary way; `test/proxy/direct-reads.test.ts` notices.
 * Invariants: the parser sees every byte exactly once and in order; when the body has ended it has its socket back.
 */
import type { Socket } from 'node:net';
import { type Block, takeBlock, takeNextBlock } from './blocks.ts';

/** Takes a piece of the body, which lies in `block` and is good for as long as that is held; false to be held back. */
export type TakePiece = (piece: Buffer, block: Block) => boolean;

/** Of a body with less to come reading it directly is not worth the change. */
export const LEAST_DIRECT_BYTES = 131_072;
/** A block with less room is exchanged for another. */
const LEAST_READ_BYTES = 131_072;
/** For the first bytes of a further body on the same connection, or for those behind the body. */
const SCRATCH = Buffer.allocUnsafeSlow(65_536);

interface Handle {
  reading: boolean;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
}

interface Parser {
  readonly constructor: { readonly kOnBody?: number };
  consume(handle: Handle): void;
  unconsume(): void;
  _consumed?: boolean;
  [listener: number]: unknown;
}

interface HttpSocket extends Socket {
  _handle?: Handle | null;
  _paused?: boolean;
  parser?: Parser | null;
  [field: symbol]: unknown;
}

/** The fields of a socket that its `onread` option sets. */
interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly next: symbol;
}

let fields: Fields | undefined;

function fieldsOf(socket: Socket): Fields | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [buffer, callback, next] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  return buffer && callback && next && { buffer, callback, next };
}

export class DirectReads {
  readonly #socket: HttpSocket;
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
    const { _handle: handle, parser, _paused: isPaused } = socket as HttpSocket;
    fields ??= fieldsOf(socket);
    if (fields === undefined || !handle || !parser || isPaused === true || socket.destroyed) return undefined;
    if (parser._consumed !== true || parser.constructor.kOnBody === undefined) return undefined;
    const block = takeBlock();
    if (block === undefined) return undefined;
    return new DirectReads(socket as HttpSocket, { handle, parser, fields }, { bytesLeft, take, block });
  }

  private constructor(
    socket: HttpSocket,
    { handle, parser, fields }: { readonly handle: Handle; readonly parser: Parser; readonly fields: Fields },
    {
      bytesLeft,
      take,
      block,
    }: { readonly bytesLeft: number; readonly take: TakePiece; readonly block: Block },
  ) {
    this.#socket = socket;
    this.#handle = handle;
    this.#parser = parser;
    this.#kOnBody = parser.constructor.kOnBody!;
    this.#bytesLeft = bytesLeft;
    this.#take = take;
    this.#block = block;
    parser.unconsume();
    parser._consumed = false;
    const isFirst = !(socket[fields.buffer] instanceof Uint8Array);
    socket[fields.callback] = (bytes: number, buffer: Buffer) => this.#read(buffer.subarray(0, bytes));
    socket[fields.next] = () => this.#nextBuffer();
    // a further body on this connection begins in the buffer that was said last
    if (!isFirst) return;
    const buffer = this.#nextBuffer();
    socket[fields.buffer] = buffer;
    handle.useUserBuffer(buffer);
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
    if (this.#socket.parser !== this.#parser || this.#socket._handle !== this.#handle) return;
    this.#parser.consume(this.#handle);
    this.#parser._consumed = true;
    this.#startReading();
  }

  #nextBuffer(): Buffer {
    if (this.#block === undefined) return SCRATCH;
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
    // what was read before the parser had its socket back
    if (block === undefined) return this.#socket.emit('data', read);
    const chunk = read.buffer === SCRATCH.buffer ? this.#intoBlock(read, block) : read;
    this.#filled += chunk.length;
    const piece = chunk.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= piece.length;
    if (!this.#take(piece, block)) this.hold();
    this.#showToParser(piece);
    if (this.#bytesLeft === 0) {
      this.end();
      if (piece.length < chunk.length && !this.#socket.destroyed)
        this.#socket.emit('data', chunk.subarray(piece.length));
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
      this.#socket.emit('data', piece);
    } finally {
      parser[this.#kOnBody] = onBody;
    }
  }
}
