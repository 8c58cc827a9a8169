/**
 * The body of a stream's request, and its response, in the shape that exchanges know.
 * Invariant: the window of the stream is the back-pressure: what nobody takes is not read, and the client sends no more.
 */
import { Buffer } from 'node:buffer';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { joinHeldPieces } from '../../io/held-pieces.ts';
import type { ClientResponse } from '../client-response.ts';
import { RechunkedBody } from '../rechunked-body.ts';
import { ClientRequest } from '../request.ts';
import { fieldsAsObject, HEAD_END, streamResponseHead } from './stream-head.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);
const END_STREAM = { endStream: true } as const;

export class StreamRequest extends ClientRequest {
  override get httpVersion(): string {
    return '2.0';
  }
}

/** A body, put into chunks where its length is not announced. */
export class StreamBody extends RechunkedBody {
  isComplete = false;
  protected rawTrailers: readonly string[] = [];

  /** `length` in bytes, NaN where it is not announced. */
  constructor(stream: ServerHttp2Stream, length: number) {
    super(stream, length);
    joinHeldPieces(stream);
    stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
      this.rawTrailers = raw ?? [];
    });
    // not `complete`: whether all came is known before the last of it is read
    stream.on('end', () => {
      this.isComplete = true;
    });
  }

  /** A client that has gone is known by the stream's own frames. */
  checkPeer(): void {}
}

/** The response of one stream: a short one is written at once, any other through a stream of its own. */
export class StreamResponse implements ClientResponse {
  readonly framesChunks = true;
  readonly wantsKeepAlive = true;
  readonly socket: Socket;
  hasStarted = false;
  readonly #stream: ServerHttp2Stream;
  /** Made when it is needed: most responses are short, and it would be half of what they cost. */
  #out: StreamOut | undefined;
  #trailers: readonly string[] = [];
  #hasEnded = false;
  /** Those that were registered before the end. */
  #callbacks: readonly (() => void)[] = [];

  constructor(stream: ServerHttp2Stream, socket: Socket) {
    this.#stream = stream;
    this.socket = socket;
  }

  get out(): Writable {
    this.#out ??= new StreamOut(this.#stream, () => this.#trailers);
    return this.#out;
  }

  /** The client has not taken all that was written. */
  get hasUnsentBytes(): boolean {
    return (this.#out ?? this.#stream).writableLength > 0;
  }

  /** Bytes of its body that the stream has taken. */
  get takenBytes(): number {
    return this.#out?.takenBytes ?? 0;
  }

  start(): void {
    this.hasStarted = true;
  }

  end(text?: string): void {
    this.#hasEnded = true;
    const isWhole = text !== undefined && this.#out === undefined && writeWhole(this.#stream, text);
    if (!isWhole) {
      if (text !== undefined) this.out.write(text, 'latin1');
      this.out.end();
    }
    for (const callback of this.#callbacks) this.onFlushed(callback);
  }

  writeInterim(text: string): void {
    if (this.#stream.closed || this.#stream.headersSent) return;
    this.#stream.additionalHeaders(fieldsAsObject(streamResponseHead(text).fields));
  }

  addTrailers(trailers: readonly string[]): void {
    this.#trailers = trailers;
  }

  onFlushed(callback: () => void): void {
    if (!this.#hasEnded) this.#callbacks = [...this.#callbacks, callback];
    else if (this.#out !== undefined) this.#out.once('finish', callback);
    else if (this.#stream.writableFinished) process.nextTick(callback);
    else this.#stream.once('finish', callback);
  }

  /**
   * Resets the stream. Node.js ends it before it does, which makes a body of announced length too short; behind any other
   * the end waits for trailers, which do not come.
   */
  cut(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  destroy(): void {
    this.#out?.destroy();
  }
}

/** Writes a whole response; false, with nothing written, where trailers may follow its body. */
function writeWhole(stream: ServerHttp2Stream, text: string): boolean {
  if (stream.destroyed || stream.closed) return true;
  const end = text.indexOf(HEAD_END) + HEAD_END.length;
  const { fields, mayHaveTrailers, needsHttp1 } = streamResponseHead(text.slice(0, end - 2));
  if (mayHaveTrailers) return false;
  if (needsHttp1) {
    stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED);
    return true;
  }
  const endStream = end === text.length;
  stream.respond(fields, endStream ? END_STREAM : undefined);
  if (!endStream) stream.end(text.slice(end), 'latin1');
  return true;
}

/** A response whose first bytes are a head as text. */
class StreamOut extends Writable {
  takenBytes = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #trailers: () => readonly string[];
  #hasHead = false;
  #waitsForTrailers = false;
  #onTrailersSent: () => void = () => {};

  constructor(stream: ServerHttp2Stream, trailers: () => readonly string[]) {
    super();
    this.#stream = stream;
    this.#trailers = trailers;
    this.on('error', () => {});
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: (error?: Error | null) => void): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return written();
    const body = this.#hasHead ? chunk : this.#writeHead(chunk);
    if (body.length === 0 || stream.writableEnded) return written();
    stream.write(body, () => {
      this.takenBytes += body.length;
      written();
    });
  }

  override _final(ended: (error?: Error | null) => void): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed || stream.writableEnded) return ended();
    stream.end();
    // not before the trailers are out: the stream may be reset then
    if (this.#waitsForTrailers) this.#onTrailersSent = ended;
    else stream.once('finish', () => ended());
  }

  /** Writes the head, and returns what stands behind it. */
  #writeHead(chunk: Buffer): Buffer {
    this.#hasHead = true;
    const end = chunk.indexOf(HEAD_END);
    const head = streamResponseHead(chunk.toString('latin1', 0, end + 2));
    const { fields, mayHaveTrailers, isEmpty } = head;
    const body = chunk.subarray(end + HEAD_END.length);
    if (head.needsHttp1) {
      this.#stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED);
      return NO_BYTES;
    }
    // gRPC clients read the fields of a head as trailers where it ends its stream, and only there
    this.#stream.respond(fields, { endStream: isEmpty, waitForTrailers: mayHaveTrailers });
    this.#waitsForTrailers = mayHaveTrailers;
    if (mayHaveTrailers) this.#stream.once('wantTrailers', () => this.#sendTrailers());
    return body;
  }

  #sendTrailers(): void {
    if (this.#stream.closed) return;
    this.#stream.sendTrailers(fieldsAsObject(this.#trailers()));
    this.#onTrailersSent();
  }
}
