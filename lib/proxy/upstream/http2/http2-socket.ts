/**
 * A connection to a replica that speaks HTTP/2, for those who speak HTTP/1.1: takes the text of one request after the
 * other, sends each as a stream of a shared session, and delivers the text of its response. So pools, deadlines,
 * retries and the parser of responses are the same for both protocols.
 * Invariant: a response that was cut never looks whole: the socket closes, as one of HTTP/1.1 would.
 * Source: RFC 9113 sections 8.1 (messages) and 8.7 (what may be repeated).
 */
import { Buffer } from 'node:buffer';
import { type ClientHttp2Stream, constants } from 'node:http2';
import type { OnReadOpts } from 'node:net';
import { Duplex } from 'node:stream';
import { encodeChunk } from '../../../http1/chunked-decoder.ts';
import { trailerSection } from '../../../http1/trailers.ts';
import { BalancerError } from '../../../platform/errors.ts';
import { joinHeldPieces } from '../../io/held-pieces.ts';
import { responseText, type StreamRequestHead, streamRequestHead } from './http2-text.ts';
import { StreamUpload } from './stream-upload.ts';

type Done = (error?: Error | null) => void;

const HEAD_END = '\r\n\r\n';

/** The session that a socket sends its requests on. */
export interface SocketSession {
  readonly scheme: 'http' | 'https';
  /** It takes no more requests than it has. */
  readonly isClosing: boolean;
  /** `signal`, if there is one, ends the stream. Throws where the session has closed. */
  request(head: StreamRequestHead, signal: AbortSignal | undefined): ClientHttp2Stream;
  /** Nobody waits any more for the response to a request. */
  onGivenUp(): void;
  /** The socket is closed. */
  remove(socket: Http2Socket): void;
}

export class Http2Socket extends Duplex {
  /** For whoever sends a body. Never called: a stream is read to its end, whatever became of its upload. */
  onWriteFailed: ((error: Error) => void) | undefined;
  readonly #session: SocketSession;
  readonly #onRead: OnReadOpts | undefined;
  /** Of the request at hand, until its response is complete. */
  #stream: ClientHttp2Stream | undefined;
  /** Of the request that was sent last; the stream goes on while it is not complete, whatever became of the response. */
  #upload: StreamUpload | undefined;
  #isHeld = false;

  /** What is read is given to `onRead`; without it, it is the data of this stream. */
  constructor(session: SocketSession, onRead: OnReadOpts | undefined) {
    super();
    this.#session = session;
    this.#onRead = onRead;
  }

  /** The session takes no more requests. */
  closeIfIdle(): void {
    if (this.#stream === undefined) this.destroy();
  }

  override pause(): this {
    this.#isHeld = true;
    this.#stream?.pause();
    return super.pause();
  }

  override resume(): this {
    this.#isHeld = false;
    this.#stream?.resume();
    return super.resume();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: Done): void {
    let rest = chunk;
    try {
      if (this.#upload?.isComplete !== false) rest = this.#sendHead(chunk);
    } catch (cause) {
      // the session was closed meanwhile: nothing of the request has gone out
      return written(new BalancerError('stream-refused', undefined, { cause }));
    }
    this.#upload!.write(rest, written);
  }

  override _destroy(error: Error | null, done: Done): void {
    const hasNoResponse = this.#stream !== undefined;
    this.#stream = undefined;
    if (hasNoResponse || this.#upload?.isComplete === false) this.#upload?.cancel();
    if (hasNoResponse) this.#session.onGivenUp();
    this.#session.remove(this);
    done(error);
  }

  /** Sends the head at the beginning of `chunk` and returns what stands behind it. */
  #sendHead(chunk: Buffer): Buffer {
    const end = chunk.indexOf(HEAD_END);
    const head = streamRequestHead(chunk.toString('latin1', 0, end + 2), this.#session.scheme);
    const abort = head.framing === 'chunked' ? new AbortController() : undefined;
    const stream = this.#session.request(head, abort?.signal);
    this.#stream = stream;
    this.#upload = new StreamUpload(stream, head, abort);
    this.#listen(stream, head.method);
    return chunk.subarray(end + HEAD_END.length);
  }

  #listen(stream: ClientHttp2Stream, method: string): void {
    joinHeldPieces(stream);
    let isChunked = false;
    let hasResponse = false;
    let trailers: readonly string[] = [];
    const isCurrent = (): boolean => this.#stream === stream;
    const writeHead = (status: number, raw: readonly string[], isWhole: boolean): void => {
      if (!isCurrent()) return;
      const head = responseText(status, raw, { method, isWhole, isLast: this.#session.isClosing });
      isChunked = head.isChunked;
      this.#deliver(Buffer.from(head.text, 'latin1'));
    };
    stream.on('headers', ({ ':status': status = 0 }, _flags, raw) => writeHead(status, raw ?? [], false));
    stream.on('response', ({ ':status': status = 0 }, flags, raw) => {
      hasResponse = true;
      writeHead(status, raw ?? [], (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    stream.on('data', (data: Buffer) => {
      if (isCurrent()) this.#deliver(isChunked ? encodeChunk(data) : data);
    });
    stream.on('trailers', (_headers, _flags, raw?: readonly string[]) => {
      trailers = raw ?? [];
    });
    stream.on('end', () => {
      // a reset may have that code too (RFC 9113 section 8.1); without a response its close is a failure
      if (!isCurrent() || !hasResponse || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
      this.#stream = undefined;
      if (isChunked) this.#deliver(trailerSection(trailers));
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      if (!isCurrent()) return;
      this.#stream = undefined;
      this.destroy(closingError(stream.rstCode));
    });
    if (this.#isHeld) stream.pause();
  }

  #deliver(bytes: Buffer): void {
    if (this.destroyed) return;
    if (this.#onRead === undefined) this.push(bytes);
    else this.#onRead.callback(bytes.length, bytes);
  }
}

/** Why a stream closed before its response was complete, in the words of a socket. */
function closingError(code: number | undefined): Error | undefined {
  switch (code) {
    case constants.NGHTTP2_REFUSED_STREAM:
      return new BalancerError('stream-refused');
    case constants.NGHTTP2_NO_ERROR:
      return undefined;
    default:
      return Object.assign(new Error(`The stream was reset with code ${code}`), { code: 'ECONNRESET' });
  }
}
