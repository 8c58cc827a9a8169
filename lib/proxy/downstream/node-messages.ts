/**
 * A request's body and a response as Node's HTTP server has them, in the shape that exchanges know: through
 * IncomingMessage and ServerResponse alone.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { fieldPairs } from '../../http1/header-scanner.ts';
import { passingTrailers, trailerSection } from '../../http1/trailers.ts';
import type { ClientResponse, Ending } from '../exchange/response-writer.ts';
import type { BodySource, OnPiece } from './request.ts';

/** A body, put into chunks again where it came in chunks. */
export class NodeBody implements BodySource {
  readonly socket: Socket;
  /** -1 where there is none. */
  readonly length: number;
  contentBytes = 0;
  readonly isWhole = false;
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    this.#message = message;
    this.socket = message.socket;
    const { 'content-length': length, 'transfer-encoding': coding } = message.headers;
    this.length = coding !== undefined ? Number.NaN : Number(length ?? -1);
  }

  get isComplete(): boolean {
    return this.#message.complete;
  }

  listen(onPiece: OnPiece, onEnd: () => void): void {
    const isChunked = Number.isNaN(this.length);
    this.#message.on('data', (piece: Buffer) => {
      this.contentBytes += piece.length;
      if (!isChunked) return onPiece(piece, undefined);
      const size = Buffer.from(`${piece.length.toString(16)}\r\n`, 'latin1');
      onPiece(Buffer.concat([size, piece, Buffer.from('\r\n')]), undefined);
    });
    this.#message.on('end', () => {
      if (isChunked) onPiece(trailerSection(passingTrailers(this.#message.rawTrailers)), undefined);
      onEnd();
    });
  }

  resume(): void {
    this.#message.resume();
  }

  pause(): void {
    this.#message.pause();
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';

/** A response whose first bytes are a head as text, written through ServerResponse, which frames the body itself. */
export class NodeResponse extends Writable implements ClientResponse {
  readonly framesChunks = true;
  isBegun = false;
  /** Who reads on what a client still sends after its last response. */
  client: { lingerNow(): void } | undefined;
  readonly #response: ServerResponse;
  #hasHead = false;
  #hasContinued = false;

  constructor(response: ServerResponse) {
    super();
    this.#response = response;
    response.sendDate = false;
    // the head says all that is to be said
    response.removeHeader('Connection');
    this.on('error', () => {});
  }

  get clientKeepsAlive(): boolean {
    const { httpVersionMinor, headers } = this.#response.req;
    // Node closes behind a response to who was not told to go on
    if (headers.expect !== undefined && !this.#hasContinued) return false;
    const options = (headers.connection ?? '').toLowerCase();
    return httpVersionMinor === 1 ? !/\bclose\b/.test(options) : /\bkeep-alive\b/.test(options);
  }

  get socket(): Socket {
    return this.#response.req.socket;
  }

  get out(): Writable {
    return this;
  }

  begin(ending: Ending): void {
    this.isBegun = true;
    const { socket, client } = this;
    // Node would close it at once, and with what was not read reset it
    if (ending === 'linger') socket.destroySoon = () => client?.lingerNow();
  }

  override end(text?: unknown): this {
    if (typeof text === 'string') this.write(text, 'latin1');
    return super.end();
  }

  writeInterim(text: string): void {
    if (!text.startsWith('HTTP/1.1 100 ')) this.socket.write(text, 'latin1');
    else if (!this.#hasContinued) {
      this.#hasContinued = true;
      this.#response.writeContinue();
    }
  }

  addTrailers(trailers: readonly string[]): void {
    const pairs: [string, string][] = [];
    for (let at = 0; at < trailers.length; at += 2) pairs.push([trailers[at]!, trailers[at + 1]!]);
    this.#response.addTrailers(pairs);
  }

  onFlushed(onFlushed: () => void): void {
    this.#response.once('finish', onFlushed);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: (error?: Error | null) => void): void {
    const body = this.#hasHead ? chunk : this.#writeHead(chunk);
    if (body.length === 0) written();
    else this.#response.write(body, written);
  }

  override _final(ended: (error?: Error | null) => void): void {
    this.#response.end(ended);
  }

  /** Writes the head, and returns what stands behind it. */
  #writeHead(chunk: Buffer): Buffer {
    this.#hasHead = true;
    const end = chunk.indexOf(HEAD_END);
    const text = chunk.toString('latin1', 0, end + 2);
    const [, status = '', reason = ''] = /^HTTP\/1\.1 (\d+) ?([^\r]*)/.exec(text) ?? [];
    this.#response.writeHead(Number(status), reason, fieldPairs(text, text.indexOf('\r\n') + 2));
    // not `flushHeaders`, which would write it as UTF-8
    this.#response.write(NOTHING);
    return chunk.subarray(end + HEAD_END.length);
  }
}
