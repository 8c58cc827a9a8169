/** A client's request as its connection hands it over. */
import type { Socket } from 'node:net';
import { fieldPairs } from '../../http1/header-scanner.ts';
import type { ParsedRequest } from '../../http1/request-head.ts';
import type { BalancerError } from '../../platform/errors.ts';
import type { ClientResponse } from '../exchange/response-writer.ts';
import type { ClientInfo, RequestHead } from '../headers/request-headers.ts';
import type { PooledBuffer } from '../io/buffer-pool.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { PinnedConnection } from '../upstream/pinned-connections.ts';
import type { WorkerOptions } from '../worker-protocol.ts';

/** A request; its body is told to whoever listens to `body`. */
export class ClientRequest {
  readonly method: string;
  /** The target as received. */
  readonly url: string;
  readonly minorVersion: 0 | 1;
  readonly socket: Socket;
  /** Undefined where none is announced. */
  readonly body: BodySource | undefined;
  readonly #text: string;
  readonly #fieldsAt: number;

  constructor(socket: Socket, marks: ParsedRequest, body: BodySource | undefined) {
    this.socket = socket;
    this.method = marks.method;
    this.url = marks.target;
    this.minorVersion = marks.minorVersion;
    this.body = body;
    this.#text = marks.text;
    this.#fieldsAt = marks.fieldsAt;
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

/** Takes a piece of a body. It lies in `block`, and is good as long as that is held; without one until the call returns. */
export type OnPiece = (piece: Buffer, block: PooledBuffer | undefined) => void;

/** A request's body as it comes: in chunks with their framing where it came so, its last chunk and trailers included. */
export interface BodySource {
  readonly socket: Socket;
  /** What Content-Length says, in bytes; NaN for a body in chunks. */
  readonly length: number;
  /** Bytes of content, without the framing of chunks, that have come. */
  readonly contentBytes: number;
  /** All of it has come. */
  readonly isComplete: boolean;
  /** All of it has come, and is told within the call of `resume`. */
  readonly isWhole: boolean;
  /** To be called once at most; without it what comes is thrown away. */
  listen(onPiece: OnPiece, onEnd: () => void): void;
  /** Nothing is told until the first call. */
  resume(): void;
  /** Nothing is told until `resume`, and after a while the client is not read any more. */
  pause(): void;
}

export interface RequestContext {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly head: RequestHead;
  /** The hash key's hash, unsigned 32 bits. */
  readonly hash: number;
  /** The client asks to switch to another protocol. */
  readonly isUpgrade: boolean;
  readonly client: DownstreamConnection;
}

/** The connection that a request came on, as its exchange sees it. */
export interface DownstreamConnection {
  readonly facts: ClientInfo;
  /** A response has said that the connection closes after it. */
  isClosing: boolean;
  /** Something waits for it to be taken, and how long it waits is watched. */
  readonly hasUnsentBytes: boolean;
  /** The connection to a replica that has authenticated this client. */
  readonly pinned: PinnedConnection | undefined;
  /** `connection`, of `pool`, has authenticated this client, or is about to. */
  pin(connection: Connection, pool: ConnectionPool): void;
  remove(exchange: object, response: ClientResponse): void;
  /** After the last response, to a client that is still sending. */
  linger(nowMs: number): void;
  /** It has sent more than its request. */
  readonly hasPipelinedBytes: boolean;
  /**
   * Gives the socket up, as an ordinary stream, for another protocol, once all of the request has come; `onReady` is
   * given what was read of that already.
   */
  becomeTunnel(onReady: (early: Buffer) => void): void;
}

/** A request that is being answered, as its connection sees it. */
export interface ActiveExchange {
  /** All of the request has come. */
  readonly isRequestComplete: boolean;
  /** The rest of its body is not HTTP. */
  onBadBody(error: BalancerError): void;
  onClientGone(): void;
}

/** Who takes the requests of any number of connections. */
export interface RequestHandler {
  /** There is no other request on the connection. `marks` are good until the call returns. */
  take(
    client: ManagedConnection,
    request: ClientRequest,
    response: ClientResponse,
    marks: ParsedRequest,
  ): void;
  /** The connection closed. */
  closed(client: ManagedConnection): void;
}

/** A connection whose requests are taken, as its listener sees it. */
export interface ManagedConnection extends DownstreamConnection {
  add(exchange: ActiveExchange): void;
  /** Ends it where nothing is owed. */
  closeIfIdle(): void;
  /** Closes it when its client takes nothing of what waits for it, or asks for nothing, for too long. */
  tick(nowMs: number, options: WorkerOptions): void;
}
