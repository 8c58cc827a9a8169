/**
 * The hash by which a request is routed: of its id, or of what `--hash-key` names (a header, a cookie, the path, the
 * client's address …); how a key is found in a request and made a number is in `core/hashing/hash-key.ts`.
 * Invariant: the hash is `hashKeyOf` of `placementKey`, whichever way it was computed.
 */
import { Buffer } from 'node:buffer';
import { hashBytes } from '../../core/hashing/hash.ts';
import {
  type HashKeySource,
  HOST,
  hashKeyOf,
  isByRequestId,
  type KeyFacts,
  NO_KEY,
  pathOf,
  placementKey,
} from '../../core/hashing/hash-key.ts';
import type { Algorithm } from '../../core/hashing/slot-table.ts';
import { findValue, NOT_FOUND, type ParsedRequest, valueEnd } from '../../http1/request-head.ts';
import type { ClientRequest } from '../downstream/request.ts';
import { authorityOf, type ClientInfo, MADE_HERE, type RequestHead } from '../headers/request-headers.ts';
import type { RequestIds } from '../headers/request-ids.ts';
import type { TrustedProxies } from '../headers/trusted-proxies.ts';

/** A source of keys, with the name of its field in bytes, if it is one. */
interface KeySource {
  readonly kind: HashKeySource['kind'];
  readonly field: Uint8Array;
  /** Its value may have to be put into canonical form before it is hashed. */
  readonly isHost: boolean;
}

export class RoutingKey {
  readonly #sources: readonly HashKeySource[];
  readonly #inBytes: readonly KeySource[];
  readonly #isById: boolean;
  readonly #algorithm: Algorithm;
  readonly #trusted: TrustedProxies;
  readonly #ids: RequestIds;

  constructor(
    sources: readonly HashKeySource[],
    algorithm: Algorithm,
    trusted: TrustedProxies,
    ids: RequestIds,
  ) {
    this.#sources = sources;
    this.#inBytes = sources.map((source) => ({
      kind: source.kind,
      field: fieldOf(source),
      isHost: source.kind === 'header' && source.name === HOST,
    }));
    this.#isById = isByRequestId(sources);
    this.#algorithm = algorithm;
    this.#trusted = trusted;
    this.#ids = ids;
  }

  /**
   * Unsigned 32 bits. `head` goes to the replica, `parsed` is the head as it came. To be called before the next id is made
   * and the next head is parsed.
   */
  hashOf(client: ClientInfo, request: ClientRequest, head: RequestHead, parsed: ParsedRequest): number {
    if (this.#isById) return this.#hashOfId(head, parsed);
    const hash = this.#algorithm === 'classic' ? undefined : this.#hashInBytes(head, parsed);
    if (hash !== undefined) return hash;
    const facts = new TextFacts(head.target, client, request, this.#trusted);
    const { source, value } = placementKey(this.#sources, facts, head.requestId);
    return source.kind === 'p2c' ? NO_KEY : hashKeyOf(value, this.#algorithm);
  }

  #hashOfId({ requestId, requestIdAt }: RequestHead, { bytes, base }: ParsedRequest): number {
    if (requestIdAt !== MADE_HERE && this.#algorithm !== 'classic')
      return hashBytes(bytes, base + requestIdAt, base + requestIdAt + requestId.length);
    return requestId === this.#ids.last ? this.#ids.hashOfLast() : hashKeyOf(requestId, this.#algorithm);
  }

  /**
   * Hashes the bytes of the head as they came, four at a time: 13 ns for a key of ten, where its text takes 30, after
   * some 500 ns to make texts of all fields. Undefined where a source has to be read as text, as cookies and
   * addresses are.
   */
  #hashInBytes(head: RequestHead, parsed: ParsedRequest): number | undefined {
    const { bytes, base, target, targetAt } = parsed;
    // a target in absolute form is hashed in the form in which it goes on
    if (head.target !== target) return undefined;
    const from = base + targetAt;
    for (const { kind, field, isHost } of this.#inBytes) {
      if (kind === 'uri') return hashBytes(bytes, from, from + target.length);
      if (kind === 'path') return hashBytes(bytes, from, from + pathOf(target).length);
      if (kind === 'p2c') return NO_KEY;
      if (kind !== 'header' && kind !== 'request-id') return undefined;
      const at = findValue(parsed, field);
      if (at === NOT_FOUND) continue;
      const end = valueEnd(parsed, at);
      if (isHost && !isHostKey(bytes, base + at, base + end)) return undefined;
      if (end > at) return hashBytes(bytes, base + at, base + end);
    }
    return this.#hashOfId(head, parsed);
  }
}

const COLON = 0x3a;
const [A, Z] = [0x41, 0x5a];

/** True for a host that is a key as it is: without a port, in lower case. */
function isHostKey(bytes: DataView, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes.getUint8(at);
    if (byte === COLON || (byte >= A && byte <= Z)) return false;
  }
  return true;
}

function fieldOf(source: HashKeySource): Uint8Array {
  if (source.kind === 'header') return Buffer.from(source.name, 'latin1');
  return Buffer.from(source.kind === 'request-id' ? 'x-request-id' : '', 'latin1');
}

/** The headers, with the host of a target that has one: it beats the Host header (RFC 9112 section 3.2.2). */
function withTargetHost({ url, rawHeaders }: ClientRequest): readonly string[] {
  const host = authorityOf(url);
  return host === undefined ? rawHeaders : [HOST, host, ...rawHeaders];
}

/** What keys are made of, as texts; made when they are first read. */
class TextFacts implements KeyFacts {
  readonly url: string;
  readonly #client: ClientInfo;
  readonly #request: ClientRequest;
  readonly #trusted: TrustedProxies;
  #rawHeaders: readonly string[] | undefined;

  constructor(url: string, client: ClientInfo, request: ClientRequest, trusted: TrustedProxies) {
    this.url = url;
    this.#client = client;
    this.#request = request;
    this.#trusted = trusted;
  }

  get rawHeaders(): readonly string[] {
    this.#rawHeaders ??= withTargetHost(this.#request);
    return this.#rawHeaders;
  }

  get clientIp(): string {
    return this.#client.trusted ? this.#trusted.originOf(this.#client, this.rawHeaders) : this.#client.ip;
  }
}
