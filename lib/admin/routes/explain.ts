/**
 * `/explain`: where a request goes and why. Turns the parameters that describe a request into the facts that are hashed.
 * Invariant: they become what the listener would have seen, byte for byte: UTF-8 as latin1 units.
 */

import { isIP } from 'node:net';
import type { ExplainQuestion, ExplainView } from '../../api/types.ts';
import { quote } from '../../config/suggest.ts';
import { isRequestId } from '../../core/hashing/hash-key.ts';
import { isToken } from '../../core/http-token.ts';
import { canonicalAddress } from '../../platform/ip-addresses.ts';
import { refuse } from '../query.ts';
import { succeeded } from '../reply.ts';
import type { Route } from './fleet.ts';

export interface Explainer {
  /** Throws BalancerError `bad-request` where the request has nothing that it could be placed by. */
  explain(question: ExplainQuestion): ExplainView;
}

const TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a field value may not hold them (RFC 9110 section 5.5)
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

const HOW =
  'ask with key=K, or with any of path=/P, header.NAME=V, cookie.NAME=V, query.NAME=V and client-ip=A';

export function explainRoute(explainer: Explainer): Route {
  return {
    path: '/explain',
    methods: ['GET', 'HEAD'],
    access: 'read',
    handle({ query }) {
      const view = explainer.explain(questionIn(query));
      return succeeded({ ...view, key: Buffer.from(view.key, 'latin1').toString('utf8') });
    },
  };
}

/** What the parameters ask; throws BalancerError `bad-request` that names the one to mend. */
export function questionIn(query: URLSearchParams): ExplainQuestion {
  const key = query.get('key');
  if (key === null) return requestIn(query);
  if (query.size > 1) refuse('A key says all there is to say: ask with key alone, or without it');
  return key === '' ? refuse('key is empty') : { key: bytesOf(key) };
}

function requestIn(query: URLSearchParams): ExplainQuestion {
  if (query.size === 0) refuse(`There is nothing to explain: ${HOW}`);
  let path = '/';
  let clientIp = '';
  const rawHeaders: string[] = [];
  const cookies: string[] = [];
  const pairs: string[] = [];
  for (const [parameter, value] of query) {
    const [, kind, name = ''] = /^(header|cookie|query)\.(.+)$/s.exec(parameter) ?? [];
    if (parameter === 'path') path = targetOf(value);
    else if (parameter === 'client-ip') clientIp = addressOf(value);
    else if (kind === 'header') rawHeaders.push(...fieldOf(parameter, name, value));
    else if (kind === 'cookie') cookies.push(cookieOf(parameter, name, value));
    else if (kind === 'query') pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    else refuse(`Unknown parameter ${quote(parameter)}; ${HOW}`);
  }
  if (cookies.length > 0) rawHeaders.push('cookie', cookies.join('; '));
  const joint = pairs.length === 0 ? '' : path.includes('?') ? '&' : '?';
  const url = `${path}${joint}${pairs.join('&')}`;
  return { facts: { url, rawHeaders, clientIp }, requestId: requestIdIn(rawHeaders) };
}

/** The first id that the balancer would accept from a client. */
function requestIdIn(rawHeaders: readonly string[]): string | undefined {
  return rawHeaders.find(
    (value, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === 'x-request-id' && isRequestId(value),
  );
}

function targetOf(value: string): string {
  if (!TARGET.test(value))
    refuse(`path must be what a client sends: / and what follows it, percent-encoded, not ${quote(value)}`);
  return value;
}

function addressOf(value: string): string {
  if (isIP(value) === 0) refuse(`client-ip must be an address, not ${quote(value)}`);
  return canonicalAddress(value);
}

function fieldOf(parameter: string, name: string, value: string): readonly [string, string] {
  if (!isToken(name)) refuse(`${quote(parameter)} is not the name of a header`);
  if (CONTROL.test(value)) refuse(`${quote(parameter)} is not the value of a header`);
  return [name, bytesOf(value.replace(/^[ \t]+|[ \t]+$/g, ''))];
}

function cookieOf(parameter: string, name: string, value: string): string {
  if (!isToken(name)) refuse(`${quote(parameter)} is not the name of a cookie`);
  if (CONTROL.test(value) || value.includes(';')) refuse(`${quote(parameter)} is not the value of a cookie`);
  return `${name}=${bytesOf(value)}`;
}

function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
