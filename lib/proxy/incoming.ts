/** A client's request as the listener hands it over: types only. */
import type { IncomingMessage } from 'node:http';
import type { ClientResponse } from './client-response.ts';
import type { ClientFacts, RequestHead } from './headers.ts';
import type { EarlyData } from './tunnel.ts';

/** A request's head as Node's parser gives it. */
export type ClientRequest = Pick<
  IncomingMessage,
  | 'method'
  | 'url'
  | 'httpVersion'
  | 'httpVersionMajor'
  | 'httpVersionMinor'
  | 'rawHeaders'
  | 'headers'
  | 'socket'
  | 'complete'
>;

export interface Incoming {
  /** An IncomingMessage where it has a body. */
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
  remove(exchange: object, response: ClientResponse): void;
  /** After the last answer, to a client that is still sending. */
  linger(nowMs: number): void;
}
