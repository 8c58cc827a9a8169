/**
 * Every failure that the balancer names, in one table: its HTTP status, what a client may read of it, and whether the
 * request may be retried on another replica.
 */

import type { Ending } from '../core/ending.ts';

interface ErrorKind {
  /** HTTP status of the response, RFC 9110 section 15. */
  readonly status: number;
  /** What a client may read; undefined where the error's own message is safe and more specific. */
  readonly message: string | undefined;
  /** True if the request may be retried on another replica, method and bytes sent permitting. */
  readonly mayRetry: boolean;
}

const own = (status: number): ErrorKind => ({ status, message: undefined, mayRetry: false });
const fixed = (status: number, message: string): ErrorKind => ({ status, message, mayRetry: false });
const retriable = (status: number, message: string): ErrorKind => ({ status, message, mayRetry: true });

export const ERRORS = {
  // errors of a client or an operator
  'tls-redirect': fixed(308, 'This is served over TLS; follow Location'),
  'bad-request': own(400),
  'bad-proxy-header': fixed(400, 'A trusted proxy sent no valid PROXY protocol header'),
  unauthorized: fixed(401, 'This needs the admin token: Authorization: Bearer TOKEN'),
  forbidden: own(403),
  'not-found': own(404),
  'method-not-allowed': own(405),
  'deploy-running': own(409),
  'request-timeout': fixed(408, 'The request did not arrive in time'),
  'body-too-large': own(413),
  'unsupported-media-type': own(415),
  'too-many-failures': fixed(
    429,
    'Too many wrong tokens came from this address; wait, then show the right one',
  ),
  'too-many-streams': fixed(
    429,
    'This address has 64 event streams open, as many as it may; close one, then ask again',
  ),
  'rate-limited': fixed(429, 'Too many requests came from this client; wait, then ask again'),
  'too-many-of-client': fixed(429, 'This client has as many connections open as it may'),
  'target-too-long': fixed(414, 'The request target is too long'),
  'head-too-large': fixed(431, 'The request head is too large'),
  'expectation-failed': fixed(417, 'Only Expect: 100-continue is understood'),
  'not-implemented': own(501),
  'http-version': fixed(505, 'Only HTTP/1.0 and HTTP/1.1 are understood'),

  // failures of the balancer itself
  internal: fixed(500, 'The balancer failed on this request'),
  'none-eligible': fixed(503, 'No replica is eligible'),
  'queue-full': fixed(503, 'Every replica is busy and the queue is full'),
  'queue-timeout': fixed(503, 'No replica became free in time'),
  'too-many-connections': fixed(503, 'The balancer has as many connections as it can take'),
  'out-of-sockets': fixed(503, 'The balancer has no socket left for a replica'),
  'shutting-down': fixed(503, 'The balancer is shutting down'),

  // failures of a replica
  'connect-refused': retriable(502, 'The replica refused the connection'),
  'connect-failed': retriable(502, 'The replica could not be reached'),
  'connect-timeout': retriable(504, 'The replica did not accept the connection in time'),
  'upstream-closed': retriable(502, 'The replica closed the connection without a response'),
  'upstream-reset': retriable(502, 'The replica reset the connection'),
  'stream-refused': retriable(502, 'The replica refused the stream before it did anything'),
  'upstream-gone': retriable(502, 'The replica died before it responded'),
  poison: fixed(502, 'Replicas ended while they worked on this request; it is not given to another'),
  'bad-response': fixed(502, 'The replica sent a response that is not HTTP/1.1'),
  'response-timeout': retriable(504, 'The replica did not respond in time'),
  'idle-timeout': fixed(504, 'The replica stopped sending'),

  // failures of an engine or the machine
  'engine-unreachable': own(503),
  'image-missing': own(502),
  'name-held': own(400),
  'start-failed': own(502),
  'pool-taken': own(503),
  'port-in-use': own(500),
  'certificate-unusable': own(500),
  'log-unwritable': own(500),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

export interface BalancerErrorOptions extends ErrorOptions {
  readonly retryAfterS?: number;
  readonly location?: string;
}

/** A failure with a stable code and a message for people. */
export class BalancerError extends Error {
  readonly code: ErrorCode;
  /** After how many seconds the same may be tried again; 0 where nobody knows. */
  readonly retryAfterS: number;
  /** Where the client should go instead; '' for nowhere. */
  readonly location: string;

  constructor(code: ErrorCode, message?: string, options?: BalancerErrorOptions) {
    super(message ?? ERRORS[code].message ?? code, options);
    this.name = 'BalancerError';
    this.code = code;
    this.location = options?.location ?? '';
    this.retryAfterS = options?.retryAfterS ?? (this.status === 503 ? 1 : 0);
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** An instance ended, or was abandoned, before it was healthy. */
export class StartError extends BalancerError {
  readonly ending: Ending;

  constructor(ending: Ending, message = ending.text) {
    super('start-failed', message);
    this.ending = ending;
  }
}

/** What a client may read of the error. */
export function safeMessage(error: BalancerError): string {
  return ERRORS[error.code].message ?? error.message;
}

/** True when `error` is a BalancerError of one of `codes` (of any code when none is given). */
export function isBalancerError(error: unknown, ...codes: ErrorCode[]): error is BalancerError {
  return error instanceof BalancerError && (codes.length === 0 || codes.includes(error.code));
}

/** The errno name of a system error (`ECONNREFUSED`), or '' when it has none. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** How OpenSSL's messages begin, which go on with lines of its source and a line end. */
const OPENSSL = /^[0-9A-F]{8,}:error:/;

/** A sentence for any thrown value. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = 'reason' in error && OPENSSL.test(error.message) ? error.reason : undefined;
  return typeof reason === 'string' ? `TLS: ${reason}` : error.message;
}

/** Fails to compile if a case of a tagged union is not handled. */
export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
