/** A client's request as the listener hands it over: types only. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientResponse } from './client-response.ts';
import type { ClientFacts, RequestHead } from './headers.ts';
import type { PinnedConnection } from './pinned.ts';
import type { EarlyData } from './tunnel.ts';
import type { Upstream } from './upstream.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** A request, by the names that Node's parser gives its parts. */
export type ClientRequest = Pick<
  IncomingMessage,
  | 'method'
  | 'url'
  | 'httpVersion'
  | 'httpVersionMajor'
  | 'httpVersionMinor'
  | 'rawHeaders'
  | 'socket'
  | 'complete'
> & {
  /** Undefined where none is announced. */
  readonly body: BodySource | undefined;
};

/** A request's body as it comes. */
export interface BodySource {
  readonly socket: Socket;
  /** What Content-Length says, in bytes; NaN for a body in chunks. */
  readonly length: number;
  /** All of it has come, and is told within the call of `resume`. */
  readonly isWhole: boolean;
  /** What has come and was not told yet. */
  readonly heldBytes: number;
  /** Name, value, name, value …; there at the end. */
  readonly rawTrailers: readonly string[];
  /** To be called once at most; without it what comes is thrown away. */
  listen(onPiece: (piece: Buffer) => void, onEnd: () => void): void;
  /** Nothing is told until the first call. */
  resume(): void;
  /** Nothing is told until `resume`, and after a while the client is not read any more. */
  pause(): void;
}

export interface Incoming {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly head: RequestHead;
  /** The hash key's hash, unsigned 32 bits. */
  readonly hash: number;
  /** What follows the head of a request to switch protocols; undefined for all others. */
  readonly early: EarlyData | undefined;
  readonly client: Client;
}

/** The connection that a request came on, as its exchange sees it. */
export interface Client {
  readonly facts: ClientFacts;
  /** An answer has said that the connection closes after it. */
  isClosing: boolean;
  /** Something waits for it to be taken, and how long it waits is watched. */
  readonly isTaking: boolean;
  /** The connection to a replica that has authenticated this client. */
  pinned: PinnedConnection | undefined;
  /** `connection`, of `pool`, has authenticated this client, or is about to. */
  pin(connection: UpstreamConnection, pool: Upstream): void;
  remove(exchange: object, response: ClientResponse): void;
  /** After the last answer, to a client that is still sending. */
  linger(nowMs: number): void;
}
