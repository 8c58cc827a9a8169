/**
 * The head of a response on its way to the client: the replica's, without its hop-by-hop fields, and what the balancer
 * adds. Works on the text of the head, so names, order and repeats stay as they came.
 * Invariant: exactly one framing header goes out, the one by which the body is written.
 * Source: RFC 9110 sections 6.6.1, 7.6.1, 7.8 and 15.5.22, RFC 9112 sections 6.1, 6.3 and 9.6.
 */
import type { ResponseHead } from '../../http1/response-head.ts';

/** A response with this status names in Upgrade what would be understood (RFC 9110 section 15.5.22). */
const UPGRADE_REQUIRED = 426;
/** What a replica says of it itself counts (RFC 6797 section 8.1: browsers read the first). */
const HSTS = /^strict-transport-security:/im;
const VIA = 'Via: 1.1 ringlb\r\n';

/** What is added to a response's own head. */
export interface ResponseExtras {
  /** The client understands chunks (HTTP/1.1). */
  readonly takesChunks: boolean;
  readonly keepAlive: boolean;
  readonly requestId: string;
  readonly via: boolean;
  /** Debug headers, or ''. */
  readonly debug: string;
  /** The lines that set the sticky cookie, or ''. */
  readonly sticky: string;
  /** The Strict-Transport-Security line, or ''. */
  readonly hsts: string;
  /** For responses without a Date (RFC 9110 section 6.6.1). */
  readonly date: string;
}

/** The head of the response to the client, with its empty line. */
export function buildResponseHead(head: ResponseHead, extras: ResponseExtras): string {
  const { takesChunks, keepAlive } = extras;
  let text = head.forward;
  // a client that is given no chunks is given no trailers either
  if (head.framing === 'chunked' && !takesChunks) text = text.replace(/^trailer:.*\r\n/gim, '');
  if (isChunkedToClient(head, takesChunks) || (head.isChunkedTold && takesChunks))
    text += 'Transfer-Encoding: chunked\r\n';
  if (!head.hasDate) text += `Date: ${extras.date}\r\n`;
  if (!head.hasRequestId) text += `X-Request-Id: ${extras.requestId}\r\n`;
  if (extras.via) text += VIA;
  if (extras.hsts !== '' && !HSTS.test(head.forward)) text += extras.hsts;
  text += extras.sticky;
  text += extras.debug;
  if (head.framing === 'upgrade') return `${text}Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n\r\n`;
  if (head.statusCode === UPGRADE_REQUIRED && head.upgrade !== '')
    return `${text}Connection: Upgrade, ${keepAlive ? 'keep-alive' : 'close'}\r\nUpgrade: ${head.upgrade}\r\n\r\n`;
  if (!keepAlive) return `${text}Connection: close\r\n\r\n`;
  return takesChunks ? `${text}\r\n` : `${text}Connection: keep-alive\r\n\r\n`;
}

/** A body that only the end of its connection would delimit goes on in chunks too, so that a cut can be seen. */
function isChunkedToClient({ framing }: ResponseHead, takesChunks: boolean): boolean {
  return takesChunks && (framing === 'chunked' || framing === 'close');
}
