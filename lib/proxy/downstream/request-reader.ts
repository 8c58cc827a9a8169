/**
 * Reads the requests of one client connection, one at a time: what comes behind a request is kept until its response is
 * written. The bytes are parsed by `http1/request-parser.ts`.
 * Invariants: one request is complete, and responded to, before the next is parsed (RFC 9112 section 9.3.2); what is kept
 * is bounded.
 */
import type { ParsedRequest, RequestLine } from '../../http1/request-head.ts';
import { type RequestLimits, RequestParser, type RequestSink } from '../../http1/request-parser.ts';
import { LargeReads, largeReadBudget } from '../io/large-reads.ts';
import { READ_INTO, readInto, SCRATCH } from '../io/node-internals.ts';
import type { ResponseTarget } from './client-response.ts';
import { ClientRequest } from './request.ts';
import { RequestPacer } from './request-pacer.ts';
import { type ReadControl, RequestStream } from './request-stream.ts';

/** What comes behind the request at hand is kept up to here; then the client is not read any more. */
const MAX_PIPELINED_BYTES = 65_536;
/** Longer input is parsed at once and not deferred, so that a crowd of clients costs little memory. */
const MAX_DEFERRED_BYTES = 4096;
/** A body of which more than this is to come is read in larger pieces. */
const MIN_LARGE_BYTES = 65_536;
const NOTHING = Buffer.alloc(0);

/** The connection whose requests are read. */
export interface RequestReaderOwner extends ResponseTarget {
  /** No further request is read: a response has said that the connection closes. */
  readonly isClosing: boolean;
  /** A request is under way, or its response is being written. */
  readonly isResponding: boolean;
  /** `parsed` is good until the call returns. */
  onRequest(request: ClientRequest, parsed: ParsedRequest): void;
  /** What came is not HTTP, or beyond a limit. */
  onParseError(error: unknown): void;
}

const pacer = new RequestPacer<RequestReader>((reader) => reader.processDeferred());

/** Parses fewer requests in a round of the event loop, for clients that have no connection yet; or as many as usual again. */
export function setAcceptPriority(isOn: boolean): void {
  pacer.setSlow(isOn);
}

export class RequestReader implements RequestSink, ReadControl {
  readonly #owner: RequestReaderOwner;
  readonly #clock: { readonly nowMs: number };
  readonly #parser: RequestParser;
  /** The request that is being read, or was read last. */
  #request: ClientRequest | undefined;
  #body: RequestStream | undefined;
  /** The head of a request whose small body has come with it: it is handled once that is read. */
  #completeHead: ParsedRequest | undefined;
  /** What came behind the request at hand. */
  #pipelined: Buffer[] = [];
  #pipelinedBytes = 0;
  /** What came and waits for the next round of the event loop, latin1. */
  #deferred: string | undefined;
  #isPaused = false;
  /** Since when part of a head has been there; negative while there is none. Infinite and not -1, to begin as a double. */
  #headSinceMs = Number.NEGATIVE_INFINITY;
  #largeReads: LargeReads | undefined;
  #hasReceived = false;
  #ignoresInput = false;

  /** `clock` is the worker's coarse clock. */
  constructor(owner: RequestReaderOwner, limits: RequestLimits, clock: { readonly nowMs: number }) {
    this.#owner = owner;
    this.#clock = clock;
    this.#parser = new RequestParser(limits, this);
  }

  /**
   * Takes the first `bytes` of `memory`, which are good until it returns; the byte behind them may be overwritten. `isFull`:
   * there is more to read at once. Returns false where the socket must not be read now; reading goes on by itself.
   */
  read(memory: Buffer, bytes: number, isFull: boolean): boolean {
    this.#take(memory, bytes);
    return this.#largeReads?.mayContinue(bytes, isFull) ?? true;
  }

  #take(memory: Buffer, bytes: number): void {
    this.#hasReceived = true;
    if (this.#ignoresInput || this.#owner.isClosing) {
      // the end of a body that nobody wants is still looked for
      if (!this.#ignoresInput && this.#isInBody) this.#parse(memory, 0, bytes);
      return;
    }
    if (this.#deferred !== undefined) this.#parseWithDeferred(memory, bytes);
    else if (this.#isInBody || this.#parser.isInHead) this.#parse(memory, 0, bytes);
    else if (this.isBusy) this.#keepPipelined(memory, 0, bytes);
    else if (bytes > MAX_DEFERRED_BYTES || pacer.tryAdmit()) this.#parse(memory, 0, bytes);
    else {
      this.#deferred = memory.toString('latin1', 0, bytes);
      pacer.enqueue(this);
    }
  }

  /** The round of the event loop for what was deferred has come. */
  processDeferred(): void {
    const text = this.#deferred;
    this.#deferred = undefined;
    // a client that has ended its side gets no response
    if (text === undefined || !this.#owner.carrier.writable) return;
    this.#parse(SCRATCH, 0, SCRATCH.write(text, 'latin1'));
  }

  /** A client that goes on sending is not deferred: what it sends is bounded by the limits on a request. */
  #parseWithDeferred(memory: Buffer, bytes: number): void {
    const text = this.#deferred! + memory.toString('latin1', 0, bytes);
    this.#deferred = undefined;
    const all = Buffer.allocUnsafe(text.length + 1);
    this.#parse(all, 0, all.write(text, 'latin1'));
  }

  #parse(memory: Buffer, from: number, to: number): void {
    try {
      let at = from;
      do at = this.#parser.parse(memory, at, to);
      while (at < to && this.#parser.phase === 'head' && !this.#owner.isClosing);
      if (at < to) this.#keepPipelined(memory, at, to);
    } catch (error) {
      this.#owner.onParseError(error);
    }
    if (!this.#parser.isInHead) this.#headSinceMs = Number.NEGATIVE_INFINITY;
    else if (this.#headSinceMs < 0) this.#headSinceMs = this.#clock.nowMs;
  }

  #keepPipelined(memory: Buffer, from: number, to: number): void {
    if (this.#owner.isClosing || this.#ignoresInput) return;
    this.#pipelined.push(Buffer.from(memory.subarray(from, to)));
    this.#pipelinedBytes += to - from;
    if (this.#pipelinedBytes > MAX_PIPELINED_BYTES) this.pauseReading();
  }

  // ---- what the parser finds

  onRequest(parsed: ParsedRequest, bytesHere: number): void {
    const { framing, bodyLength } = parsed;
    const length = framing === 'chunked' ? Number.NaN : bodyLength;
    this.#body = framing === 'none' ? undefined : new RequestStream(this, this.#owner, length);
    this.#request = new ClientRequest(this.#owner, parsed, this.#body);
    if (framing === 'length' && bodyLength > 0 && bytesHere >= bodyLength) {
      this.#completeHead = parsed;
      return;
    }
    if (!(length - bytesHere < MIN_LARGE_BYTES) && framing !== 'none') this.#startLargeReads();
    this.#owner.onRequest(this.#request, parsed);
  }

  onBody(piece: Buffer): void {
    this.#body?.push(piece);
  }

  onRequestEnd(): void {
    this.#endLargeReads();
    this.#body?.end();
    const parsed = this.#completeHead;
    this.#completeHead = undefined;
    if (parsed !== undefined) this.#owner.onRequest(this.#request!, parsed);
  }

  get contentBytes(): number {
    return this.#parser.contentBytes;
  }

  pauseReading(): void {
    this.#isPaused = true;
    this.#owner.carrier.pause();
  }

  resumeReading(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#owner.carrier.resume();
  }

  // ---- what the connection asks and decides

  /** The client has sent something. */
  get hasReceived(): boolean {
    return this.#hasReceived;
  }

  /** A request is half read. */
  get isInRequest(): boolean {
    return this.#isInBody || this.#parser.isInHead;
  }

  /** A request is under way, so that the next has to wait. */
  get isBusy(): boolean {
    return this.#owner.isResponding || this.#parser.phase === 'ended';
  }

  get hasDeferred(): boolean {
    return this.#deferred !== undefined;
  }

  get hasPipelinedBytes(): boolean {
    return this.#pipelinedBytes > 0;
  }

  get ignoresInput(): boolean {
    return this.#ignoresInput;
  }

  /** For how long part of a head has been there; below zero where there is none. */
  headAgeMs(nowMs: number): number {
    return this.#headSinceMs < 0 ? this.#headSinceMs : nowMs - this.#headSinceMs;
  }

  /** The request at hand is over: parses the next when it comes. */
  startNext(): void {
    this.#request = undefined;
    this.#parser.startNext();
  }

  /** Parses what was kept of the next requests, and reads on. */
  readPipelined(): void {
    if (this.#pipelinedBytes > 0 && this.#parser.phase === 'head') {
      const all = Buffer.concat(this.#pipelined, this.#pipelinedBytes + 1);
      const bytes = this.#pipelinedBytes;
      this.#dropPipelined();
      this.#parse(all, 0, bytes);
    }
    if (this.#pipelinedBytes <= MAX_PIPELINED_BYTES && !this.#isInBody) this.resumeReading();
  }

  /**
   * Looks at nothing that comes any more; a request that is under way stays. Returns the request line of a head that was
   * refused, or that has not come as a whole.
   */
  ignoreInput(): RequestLine | undefined {
    this.#ignoresInput = true;
    return this.#parser.unparsedLine;
  }

  /** Reads what comes and throws it away. */
  discardInput(): void {
    this.#ignoresInput = true;
    this.#endLargeReads();
    this.#isPaused = false;
    this.#owner.carrier.resume();
  }

  /** Ends all parsing, and delivers nothing more of a body; returns what was read behind the request at hand. */
  stop(): Buffer {
    const rest = this.hasPipelinedBytes ? Buffer.concat(this.#pipelined) : NOTHING;
    this.#ignoresInput = true;
    this.#deferred = undefined;
    this.#dropPipelined();
    this.#parser.stop();
    this.#body?.drop();
    this.#endLargeReads();
    return rest;
  }

  get #isInBody(): boolean {
    return this.#parser.phase === 'length' || this.#parser.phase === 'chunked';
  }

  #dropPipelined(): void {
    this.#pipelined = [];
    this.#pipelinedBytes = 0;
  }

  #startLargeReads(): void {
    this.#largeReads = new LargeReads(() => {
      if (!this.#isPaused && !this.#owner.socket.destroyed) this.#owner.socket.resume();
    });
    readInto(this.#owner.socket, () => largeReadBudget.next());
  }

  /** The body has ended, or nobody reads it any more. */
  #endLargeReads(): void {
    if (this.#largeReads === undefined) return;
    this.#largeReads = undefined;
    readInto(this.#owner.socket, () => {
      readInto(this.#owner.socket, null);
      return READ_INTO;
    });
  }
}
