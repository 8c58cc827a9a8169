/**
 * Where a plain request is redirected to, where `--tls-redirect` has it so.
 * Source: RFC 9110 section 15.4.9 (308 keeps method and body), RFC 8555 section 8.3 (challenges stay plain).
 */
import { Buffer } from 'node:buffer';
import { ACME_CHALLENGE } from '../../../api/peer-header.ts';
import { fieldValue, type ParsedRequest } from '../../../http1/request-head.ts';
import { BalancerError } from '../../../platform/errors.ts';
import { authorityOf, type ClientInfo } from '../../headers/request-headers.ts';

export interface RedirectOptions {
  readonly tlsPort: number;
  /** A number is the port that clients know. */
  readonly tlsRedirect: 'on' | 'off' | number;
}

const HTTPS_PORT = 443;
const HOST = Buffer.from('host', 'latin1');
const FORWARDED_PROTO = Buffer.from('x-forwarded-proto', 'latin1');

/** The redirect of a request for `target`, path and query; undefined for one that is served as it is. */
export function redirectToTls(
  options: RedirectOptions,
  client: ClientInfo,
  parsed: ParsedRequest,
  target: string,
): BalancerError | undefined {
  if (options.tlsRedirect === 'off' || client.isTls || target.startsWith(ACME_CHALLENGE)) return undefined;
  // the proxy in front has taken the encryption off
  if (client.trusted && /^https$/i.test(fieldValue(parsed, FORWARDED_PROTO))) return undefined;
  const authority = authorityOf(parsed.target) ?? fieldValue(parsed, HOST);
  const host = authority.replace(/:\d*$/, '');
  // where a client of HTTP/1.0 names no host there is nowhere to send it
  if (host === '' || !target.startsWith('/')) return undefined;
  const port = options.tlsRedirect === 'on' ? options.tlsPort : options.tlsRedirect;
  const location = `https://${host}${port === HTTPS_PORT ? '' : `:${port}`}${target}`;
  return new BalancerError('tls-redirect', undefined, { location });
}
