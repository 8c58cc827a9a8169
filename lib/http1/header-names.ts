/**
 * Which header fields a proxy treats specially, found by the name as it came, without lower-casing it. What is done with
 * them is decided in `request-headers.ts`.
 * Source: RFC 9110 section 7.6.1 (hop-by-hop), RFC 9112 section 6 (framing).
 */

/** Fields of one hop, in lower case: they never go on. Trailer goes on where there may be trailers. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Kinds of field; small whole numbers because a switch over them runs for every header. */
export const FIELD = {
  endToEnd: 0,
  hopByHop: 1,
  connection: 2,
  te: 3,
  transferEncoding: 4,
  contentLength: 5,
  host: 6,
  forwardedFor: 7,
  forwardedHost: 8,
  forwardedProto: 9,
  forwarded: 10,
  requestId: 11,
  debug: 12,
  // from here on: read, and passed on like an end-to-end field
  expect: 13,
  authorization: 14,
} as const;

const BY_NAME: Readonly<Record<string, number>> = {
  connection: FIELD.connection,
  'keep-alive': FIELD.hopByHop,
  'proxy-connection': FIELD.hopByHop,
  upgrade: FIELD.hopByHop,
  'http2-settings': FIELD.hopByHop,
  te: FIELD.te,
  'transfer-encoding': FIELD.transferEncoding,
  'content-length': FIELD.contentLength,
  host: FIELD.host,
  'x-forwarded-for': FIELD.forwardedFor,
  'x-forwarded-proto': FIELD.forwardedProto,
  'x-forwarded-host': FIELD.forwardedHost,
  forwarded: FIELD.forwarded,
  'x-request-id': FIELD.requestId,
  'x-ringlb-debug': FIELD.debug,
  expect: FIELD.expect,
  authorization: FIELD.authorization,
};

/** [length * 32 + first letter's low five bits] is 1 where some special name has that length and letter. */
const MAY_BE_SPECIAL = new Uint8Array(32 * 32);
for (const name of Object.keys(BY_NAME)) MAY_BE_SPECIAL[name.length * 32 + (name.charCodeAt(0) & 31)] = 1;

/** False where no special field has a name of this length that begins so. */
export function mayBeSpecial(length: number, firstByte: number): boolean {
  return length <= 31 && MAY_BE_SPECIAL[length * 32 + (firstByte & 31)] === 1;
}

/** The kind of the field called `name`. Most names are told apart by length and first letter alone. */
export function fieldOf(name: string): number {
  // every request has it, and a string made by toLowerCase has to be looked for among all that V8 knows
  if (name === 'Host' || name === 'host') return FIELD.host;
  if (!mayBeSpecial(name.length, name.charCodeAt(0))) return FIELD.endToEnd;
  return BY_NAME[name.toLowerCase()] ?? FIELD.endToEnd;
}
