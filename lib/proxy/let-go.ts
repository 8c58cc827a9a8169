/**
 * Requests behind whose heads Node's parser has let go of the socket: those that ask for another protocol, and those
 * with a body in chunks. Must not hold: which those are (`direct-requests.ts`), what becomes of a request.
 * Invariant: the socket is read by one at a time: the body, then what comes early for another protocol, then requests.
 */
import type { Socket } from 'node:net';
import type { BalancerError } from '../errors.ts';
import { BodyReads } from './body-reads.ts';
import { DirectBody } from './direct-body.ts';
import { announcedLength, DirectRequest, DirectResponse, NO_BODY } from './direct-requests.ts';
import type { LeanRequest } from './node-request.ts';
import { EarlyData } from './tunnel.ts';
import { upgradeOf } from './upgrades.ts';

export interface LetGoOwner {
  take(request: DirectRequest, response: DirectResponse, early: EarlyData | undefined): void;
  /** The connection is one of HTTP requests still, and nobody reads it; `came` begins the next. */
  takeBack(came: Buffer): void;
  onBodyFault(error: BalancerError): void;
}

/** Takes the request of this head; `first` came behind it. */
export function takeLetGo(asked: LeanRequest, socket: Socket, first: Buffer, owner: LetGoOwner): void {
  const { method = '', url = '', rawHeaders, httpVersionMinor: minor, keepsAlive } = asked;
  const protocol = minor === 0 ? '' : upgradeOf(rawHeaders);
  const length = announcedLength(rawHeaders);
  const body = length === NO_BODY ? undefined : new DirectBody(socket, length);
  const request = new DirectRequest(socket, { method, url, rawHeaders, minor, body });
  const response = new DirectResponse(socket, keepsAlive);
  const early = protocol === '' ? undefined : new EarlyData(socket, protocol);
  // not heard where the protocol was switched
  if (early !== undefined) response.whenOut(() => owner.takeBack(early.take()));
  // before what follows it, which may be the next request
  owner.take(request, response, early);
  const onBodyEnd = (rest: Buffer) => (early === undefined ? owner.takeBack(rest) : early.begin(rest));
  if (body === undefined) return onBodyEnd(first);
  new BodyReads(socket, body, { onBodyEnd, onBodyFault: (error) => owner.onBodyFault(error) }).begin(first);
}
