/**
 * Writes an answer to a client through Node's ServerResponse, but with a head that is ready-made text.
 * Must not hold: what the head says (`headers.ts`), where the answer comes from.
 *
 * `writeHead` would take the head apart, check and put it together again: 5 of the 25 µs that a small request may
 * cost. Setting `_header` is what `writeHead` itself does last; `_last` is how it says that the connection closes.
 * `test/proxy/client-response.test.ts` notices when a release of Node changes them.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import { type BalancerError, safeMessage } from '../errors.ts';

interface RawResponse {
  _header: string | null;
  _headerSent: boolean;
  _hasBody: boolean;
  _last: boolean;
  shouldKeepAlive: boolean;
}

/** What follows the answer on its connection: the next request, its end, or its end once the client has read it. */
export type Ending = 'keep-alive' | 'close' | 'linger';

/** From here on what is written to `response` goes out as it is; the first write begins with the head. */
export function beginRaw(response: ServerResponse, ending: Ending): void {
  const raw = response as unknown as RawResponse;
  raw._header = ' ';
  raw._headerSent = true;
  raw._hasBody = true;
  raw._last = ending === 'close';
  raw.shouldKeepAlive = ending === 'keep-alive';
  if (ending === 'close' && response.socket !== null) response.socket.destroySoon = closeWritten;
}

/** Closes a socket without a shutdown before it where nothing waits to be written: a tenth of a request less. */
function closeWritten(this: Socket): void {
  if (this.writableLength === 0) this.destroy();
  else Socket.prototype.destroySoon.call(this);
}

/** The JSON that tells a client of a failure of the balancer's own. */
function failureBody(error: BalancerError): string {
  return JSON.stringify({ message: `<Error> ${safeMessage(error)}`, status: 'failure' });
}

/** Answers a request that is no exchange with the balancer's own failure. */
export function sendFailure(response: ServerResponse, error: BalancerError, ending: Ending): void {
  const isHead = response.req.method === 'HEAD';
  beginRaw(response, ending);
  response.end(failureText(error, ending, { isHead, requestId: '' }));
}

/** The same for a connection on which no request was understood. */
export function rawFailure(error: BalancerError): string {
  return failureText(error, 'close', { isHead: false, requestId: '' });
}

/** The answer that tells of it, head and body; `requestId` is '' where the request was not understood, `debug` lines of its head. */
export function failureText(
  error: BalancerError,
  ending: Ending,
  {
    isHead,
    requestId,
    debug = '',
  }: { readonly isHead: boolean; readonly requestId: string; readonly debug?: string },
): string {
  const body = failureBody(error);
  const { status } = error;
  let head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nDate: ${new Date().toUTCString()}\r\n`;
  if (status === 503) head += 'Retry-After: 1\r\n';
  if (requestId !== '') head += `X-Request-Id: ${requestId}\r\n`;
  head += debug;
  head += ending === 'keep-alive' ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n';
  return `${head}\r\n${isHead ? '' : body}`;
}
