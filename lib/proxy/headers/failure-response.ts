/**
 * The balancer's own failures as responses, head and body. Which error has which status is in `platform/errors.ts`;
 * which error a request ends with is decided in `exchange.ts` and, for a replica's failures, in `replica-lease.ts`.
 */

import { failureWith } from '../../api/failure.ts';
import { type BalancerError, safeMessage } from '../../platform/errors.ts';
import { STATUS_CODES } from '../../platform/node/http.ts';

export interface FailureOptions {
  /** False says `Connection: close`. */
  readonly keepAlive: boolean;
  /** The request was HEAD, so that its response has no body. */
  readonly isHead: boolean;
  /** '' where the request was not understood. */
  readonly requestId: string;
  /** Debug headers, or ''. */
  readonly debug: string;
}

/** The whole response, latin1. */
export function failureResponse(
  error: BalancerError,
  { keepAlive, isHead, requestId, debug }: FailureOptions,
): string {
  const body = JSON.stringify(failureWith(safeMessage(error)));
  const { status } = error;
  let head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nDate: ${new Date().toUTCString()}\r\n`;
  if (error.retryAfterS > 0) head += `Retry-After: ${error.retryAfterS}\r\n`;
  if (error.location !== '') head += `Location: ${error.location}\r\n`;
  if (requestId !== '') head += `X-Request-Id: ${requestId}\r\n`;
  head += debug;
  head += keepAlive ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n';
  return `${head}\r\n${isHead ? '' : body}`;
}

/** The same for a connection that is closed with it because no exchange came of its last request. */
export function finalFailureResponse(error: BalancerError, isHead = false): string {
  return failureResponse(error, { keepAlive: false, isHead, requestId: '', debug: '' });
}
