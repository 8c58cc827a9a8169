/**
 * The hash that a request is placed by.
 * Must not hold: what is hashed (`hash-key.ts`), or what is done with it.
 *
 * A plain request's key is still there as bytes, where the hash takes four at a time: 13 ns for a key of ten, where
 * its text takes 30, after some 500 ns for the texts of all fields.
 * Invariant: it is what `hashKeyOf` makes of `placementKey`, however it was come by.
 */
import { Buffer } from 'node:buffer';
import { hashBytes } from '../core/hash.ts';
import {
  HOST,
  type HashKeySource,
  hashKeyOf,
  isByRequestId,
  type KeyFacts,
  pathOf,
  placementKey,
} from '../core/hash-key.ts';
import type { Algorithm } from '../core/slot-table.ts';
import { authorityOf, type ClientFacts, type RequestHead } from './headers.ts';
import type { ClientRequest } from './incoming.ts';
import { findValue, type PlainHead, valueEnd } from './plain-head.ts';
import type { RequestIds } from './request-ids.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** A source of keys, and the name of its field in bytes, if it is one. */
interface Source {
  readonly kind: HashKeySource['kind'];
  readonly field: Uint8Array;
  /** Its value may have to be made another before it is hashed. */
  readonly isHost: boolean;
}

export class RequestHasher {
  readonly #sources: readonly HashKeySource[];
  readonly #inBytes: readonly Source[];
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
   * Unsigned 32 bits. `head` is what was made of the request, `plain` what it came as, if it is plain. To be called
   * before the next id is made and the next plain head is read.
   */
  hashOf(
    client: ClientFacts,
    request: ClientRequest,
    head: RequestHead,
    plain: PlainHead | undefined,
  ): number {
    if (this.#isById) return this.#hashOfId(head, plain);
    const isInBytes = plain !== undefined && this.#algorithm !== 'classic';
    const hash = isInBytes ? this.#hashInBytes(head, plain) : undefined;
    if (hash !== undefined) return hash;
    const facts = new TextFacts(head.target, client, request, this.#trusted);
    return hashKeyOf(placementKey(this.#sources, facts, head.requestId).value, this.#algorithm);
  }

  #hashOfId({ requestId, requestIdAt }: RequestHead, plain: PlainHead | undefined): number {
    if (plain !== undefined && requestIdAt >= 0 && this.#algorithm !== 'classic')
      return hashBytes(plain.bytes, requestIdAt, requestIdAt + requestId.length);
    return requestId === this.#ids.last ? this.#ids.hashOfLast() : hashKeyOf(requestId, this.#algorithm);
  }

  /** Undefined where a source has to be read as text. */
  #hashInBytes(head: RequestHead, plain: PlainHead): number | undefined {
    const { bytes, target, targetAt } = plain;
    for (const { kind, field, isHost } of this.#inBytes) {
      if (kind === 'uri') return hashBytes(bytes, targetAt, targetAt + target.length);
      if (kind === 'path') return hashBytes(bytes, targetAt, targetAt + pathOf(target).length);
      if (kind !== 'header' && kind !== 'request-id') return undefined;
      const at = findValue(plain, field);
      if (at === -1) continue;
      const end = valueEnd(plain, at);
      if (isHost && !isHostKey(bytes, at, end)) return undefined;
      return hashBytes(bytes, at, end);
    }
    return this.#hashOfId(head, plain);
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
function withTargetHost({ url = '', rawHeaders }: ClientRequest): readonly string[] {
  const host = authorityOf(url);
  return host === undefined ? rawHeaders : [HOST, host, ...rawHeaders];
}

/** Makes texts of what is asked for. */
class TextFacts implements KeyFacts {
  readonly url: string;
  readonly #client: ClientFacts;
  readonly #request: ClientRequest;
  readonly #trusted: TrustedProxies;
  #rawHeaders: readonly string[] | undefined;

  constructor(url: string, client: ClientFacts, request: ClientRequest, trusted: TrustedProxies) {
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
