/**
 * Writes an answer to a client through Node's ServerResponse, but with a head that is ready-made text.
 * Must not hold: what the head says (`headers.ts`), where the answer comes from.
 *
 * `writeHead` would take the head apart, check and put it together again: 5 of the 25 µs that a small request may
 * cost. Setting `_header` is what `writeHead` itself does last; `_last` is how it says that the connection closes.
 * `test/proxy/client-response.test.ts` notices when a release of Node changes them.
 */
import type { ServerResponse } from 'node:http';
import { type BalancerError, safeMessage } from '../errors.ts';

interface RawResponse {
  _header: string | null;
  _headerSent: boolean;
  _hasBody: boolean;
  _last: boolean;
  shouldKeepAlive: boolean;
}

/** From here on what is written to `response` goes out as it is; the first write begins with the head. */
export function beginRaw(response: ServerResponse, keepAlive: boolean): void {
  const raw = response as unknown as RawResponse;
  raw._header = ' ';
  raw._headerSent = true;
  raw._hasBody = true;
  raw._last = !keepAlive;
  raw.shouldKeepAlive = keepAlive;
}

/** The JSON that tells a client of a failure of the balancer's own. */
export function failureBody(error: BalancerError): string {
  return JSON.stringify({ message: `<Error> ${safeMessage(error)}`, status: 'failure' });
}

/** Answers with the balancer's own failure. `keepAlive` false closes the connection after it. */
export function sendFailure(response: ServerResponse, error: BalancerError, keepAlive: boolean): void {
  const body = failureBody(error);
  const headers: Record<string, string | number> = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  };
  if (error.status === 503) headers['Retry-After'] = 1;
  if (!keepAlive) headers.Connection = 'close';
  response.writeHead(error.status, headers);
  response.end(body);
}
