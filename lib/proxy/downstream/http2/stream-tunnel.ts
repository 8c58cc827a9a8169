/**
 * A stream that a client opened for a WebSocket (extended CONNECT), as the socket of a client that upgraded over
 * HTTP/1.1: the first thing written is the head that switches protocols, all that follows goes through.
 * Source: RFC 8441 sections 4 and 5.
 */
import type { Buffer } from 'node:buffer';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { joinHeldPieces } from '../../io/held-pieces.ts';
import { fieldsAsObject, HEAD_END, streamResponseHead } from './stream-head.ts';

type Done = (error?: Error | null) => void;

/** Fields of the handshake that the protocol's own CONNECT replaces. */
const HANDSHAKE_FIELD = 'sec-websocket-accept';

export class StreamTunnel extends Duplex {
  bytesRead = 0;
  /** Bytes that the stream has taken. */
  takenBytes = 0;
  readonly #stream: ServerHttp2Stream;
  #hasHead = false;

  constructor(stream: ServerHttp2Stream) {
    // what is not taken at once is held by the stream
    super({ readableHighWaterMark: 1 });
    this.#stream = stream;
    joinHeldPieces(stream);
    stream.on('data', (data: Buffer) => {
      this.bytesRead += data.length;
      if (!this.push(data)) stream.pause();
    });
    stream.on('end', () => this.push(null));
    stream.on('close', () => this.destroy());
    stream.pause();
  }

  /** For those who know it as a socket. */
  setNoDelay(): this {
    return this;
  }

  setTimeout(ms: number, onTimeout?: () => void): this {
    this.#stream.setTimeout(ms, onTimeout);
    return this;
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: Done): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return written();
    const data = this.#hasHead ? chunk : this.#writeHead(chunk);
    if (data.length === 0) written();
    else
      stream.write(data, () => {
        this.takenBytes += data.length;
        written();
      });
  }

  override _final(ended: Done): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return ended();
    stream.end(() => ended());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#stream.close(this.writableFinished ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    done(error);
  }

  #writeHead(chunk: Buffer): Buffer {
    this.#hasHead = true;
    const end = chunk.indexOf(HEAD_END);
    const { fields } = streamResponseHead(chunk.toString('latin1', 0, end + 2));
    const { [HANDSHAKE_FIELD]: _, ...rest } = fieldsAsObject(fields);
    this.#stream.respond({ ...rest, ':status': 200 });
    return chunk.subarray(end + HEAD_END.length);
  }
}
