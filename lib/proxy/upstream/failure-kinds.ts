/**
 * What the failures of attempts say of a replica. What is in no set is the balancer's or the client's.
 */
import type { ErrorCode } from '../../platform/errors.ts';

/**
 * The connection closed without a response. It may be the request's own doing; on a connection that was used before it
 * may mean no more than that its idle time was over.
 */
export const CLOSED: ReadonlySet<ErrorCode> = new Set(['upstream-closed', 'upstream-reset']);

/** What was sent went to an instance that may have ended. */
export const LOST: ReadonlySet<ErrorCode> = new Set(['upstream-closed', 'upstream-reset', 'upstream-gone']);

/** The replica shows that it takes no requests. */
export const UNREACHABLE: ReadonlySet<ErrorCode> = new Set([
  'connect-refused',
  'connect-failed',
  'connect-timeout',
]);

/** Where nothing was sent: nobody was there to take the connection, or the instance is gone. */
export const ABSENT: ReadonlySet<ErrorCode> = new Set(['connect-refused', 'connect-failed', 'upstream-gone']);

/** No response came. It may be the request's own doing, so all attempts of a request are one witness. */
export const UNSERVED: ReadonlySet<ErrorCode> = new Set([...CLOSED, 'response-timeout']);

/** Other failures that count against the replica. */
export const BROKEN: ReadonlySet<ErrorCode> = new Set(['bad-response']);

/** Statuses by which a replica says that it cannot serve. */
export const GATEWAY_FAILURES: ReadonlySet<number> = new Set([502, 503, 504]);
