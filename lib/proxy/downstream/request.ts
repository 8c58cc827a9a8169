/** A client's request, and the connection that it came on, as those who handle it see them. */
import type { Socket } from 'node:net';
import { fieldPairs } from '../../http1/header-scanner.ts';
import type { ParsedRequest, RequestLine } from '../../http1/request-head.ts';
import type { ResponseRequest } from '../../http1/response-parser.ts';
import type { BalancerError } from '../../platform/errors.ts';
import type { ClientInfo, RequestHead } from '../headers/request-headers.ts';
import type { Listed } from '../unordered-list.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { PinnedConnection } from '../upstream/pinned-connections.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import type { ClientResponse } from './client-response.ts';

/** A request as it came. */
export class ClientRequest {
  readonly method: string;
  /** The target as received. */
  readonly url: string;
  readonly minorVersion: 0 | 1;
  /** Undefined where none is announced. */
  readonly body: BodySource | undefined;
  readonly #connection: { readonly socket: Socket };
  readonly #text: string;
  readonly #fieldsAt: number;

  constructor(connection: { readonly socket: Socket }, parsed: ParsedRequest, body: BodySource | undefined) {
    this.#connection = connection;
    this.method = parsed.method;
    this.url = parsed.target;
    this.minorVersion = parsed.minorVersion;
    this.body = body;
    this.#text = parsed.text;
    this.#fieldsAt = parsed.fieldsAt;
  }

  get socket(): Socket {
    return this.#connection.socket;
  }

  /** All of it has come. */
  get complete(): boolean {
    return this.body === undefined || this.body.isComplete;
  }

  get httpVersion(): string {
    return this.minorVersion === 1 ? '1.1' : '1.0';
  }

  /** Name, value, name, value …; made at each call. */
  get rawHeaders(): string[] {
    return fieldPairs(this.#text, this.#fieldsAt);
  }
}

/** A request that was refused; of one whose head could not be understood, its first line alone. */
export type RefusedRequest = RequestLine & Partial<Pick<ClientRequest, 'rawHeaders'>>;

/** Takes a piece of a body, which is good until the call returns. */
export type OnPiece = (piece: Buffer) => void;

/** A request's body as it comes: in chunks with their framing where it came so, its last chunk and trailers included. */
export interface BodySource {
  /** Finds out whether a client that is not read is still there. */
  checkPeer(): void;
  /** What Content-Length says, in bytes; NaN for a body in chunks, NO_LENGTH where the head announces none. */
  readonly length: number;
  /** Bytes of content, without the framing of chunks, that have come. */
  readonly contentBytes: number;
  /** All of it has come. */
  readonly isComplete: boolean;
  /** All of it has come, and is delivered within the call of `resume`. */
  readonly isWhole: boolean;
  /** To be called once at most; without it what comes is thrown away. */
  listen(onPiece: OnPiece, onEnd: () => void): void;
  /** Delivers what came and comes; nothing is delivered before the first call. */
  resume(): void;
  /** Delivers nothing until `resume`; after a while the client is not read any more. */
  pause(): void;
}

/** A request that is to be forwarded, with all that belongs to it. */
export interface RequestContext extends ResponseRequest {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  /** The head that goes to the replica. */
  readonly head: RequestHead;
  /** The routing key's hash, unsigned 32 bits. */
  readonly hash: number;
  readonly client: DownstreamConnection;
}

/** All of the request has come. */
export function isRequestComplete({ head, request }: RequestContext): boolean {
  return head.framing === 'none' || request.complete;
}

/** The connection that a request came on, as its exchange sees it. */
export interface DownstreamConnection {
  readonly info: ClientInfo;
  /** A response has said that the connection closes after it. */
  isClosing: boolean;
  /** The client has not taken all that was written to it; for how long it may be so is limited here. */
  readonly hasUnsentBytes: boolean;
  /** The connection to a replica that has authenticated this client. */
  readonly pinned: PinnedConnection | undefined;
  /** Makes `connection`, of `pool`, which authenticates this client, this client's alone. */
  pin(connection: Connection, pool: ConnectionPool): void;
  /** The exchange has ended, and its response is about to. */
  release(exchange: object, response: ClientResponse): void;
  /** After the last response, to a client that is still sending: ends our side, and reads on for a while. */
  linger(nowMs: number): void;
  /** The client has sent more than its request. */
  readonly hasPipelinedBytes: boolean;
  /**
   * Gives the socket up, as an ordinary stream, for another protocol, once all of the request has come; `onReady` is
   * given what was read of that protocol already.
   */
  becomeTunnel(onReady: (early: Buffer) => void): void;
}

/** An exchange, as the connection of its request sees it. */
export interface ActiveExchange {
  readonly isRequestComplete: boolean;
  /** The rest of the request's body is not HTTP. */
  onBadBody(error: BalancerError): void;
  onClientGone(): void;
}

/** Handles the requests of any number of connections. */
export interface RequestHandler {
  /** Handles the one request that its connection has now. `parsed` is good until the call returns. */
  handleRequest(
    client: ManagedConnection,
    request: ClientRequest,
    response: ClientResponse,
    parsed: ParsedRequest,
  ): void;
  onConnectionClosed(client: TimedConnection): void;
}

/** What a listener does with a client connection of any protocol. */
export interface TimedConnection extends Listed {
  /** Closes it if it has no request under way; where it has brought nothing yet, only with `evenIfUnused`. */
  closeIfIdle(evenIfUnused: boolean): void;
  /** Closes it when its client has taken nothing of what was written to it, or has sent no request, for too long. */
  tick(nowMs: number, options: WorkerOptions): void;
}

/** A client connection of one request at a time, or one stream of many, as its listener sees it. */
export interface ManagedConnection extends DownstreamConnection {
  setExchange(exchange: ActiveExchange): void;
}
