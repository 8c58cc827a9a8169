/**
 * A replica is a named place on the ring. Here are its states, what its name may be, and how its endpoint is written.
 * Nothing of instances (containers, processes).
 */

/** A place on the ring. Placement depends on nothing but the set of these. */
export interface Place {
  readonly name: string;
  /** Whole number from 1; the lowest that was free when the replica was reserved. The classic ring hashes it. */
  readonly id: number;
}

/** A place with its ordinal: the small whole number that indexes it in typed arrays. */
export interface Member extends Place {
  readonly ordinal: number;
  /** Its share of the keys in proportion to the others' weights, 0 to MAX_WEIGHT; 1 where it is absent. */
  readonly weight?: number;
}

/** The largest weight of a replica. */
export const MAX_WEIGHT = 256;

export function weightOf({ weight }: Pick<Member, 'weight'>): number {
  return weight ?? 1;
}

/** In place of an ordinal where there is no replica; below every ordinal. */
export const NO_ORDINAL = -1;

/** Where an instance listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** It is spoken to over TLS. */
  readonly tls?: boolean;
}

/** A replica's instance as it is sent to the data threads, since names and addresses do not fit shared memory. */
export interface UpstreamRecord {
  readonly ordinal: number;
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Unique to each instance, so that a new one at the endpoint of an old one is recognised as new. */
  readonly generation: number;
  /** What a sticky cookie says for the replica's name; absent while there are no sticky cookies. */
  readonly token?: string;
}

/** One `http://host:port` or `https://host:port`, nothing behind it but an optional slash; undefined for anything else. */
export function parseEndpoint(item: string): Endpoint | undefined {
  if (!/^https?:\/\/[^/?#@\\\s]+\/?$/i.test(item) || !URL.canParse(item)) return undefined;
  const url = new URL(item);
  const isTls = url.protocol === 'https:';
  const serverPort = Number(url.port || (isTls ? 443 : 80));
  if (url.hostname === '' || serverPort === 0) return undefined;
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: serverPort, ...(isTls && { tls: true }) };
}

/** `starting → healthy ⇄ unhealthy → draining → gone`; a replaced instance goes back to `starting`. */
export type ReplicaState = 'starting' | 'healthy' | 'unhealthy' | 'draining' | 'gone';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** True for a name that is also a safe container name, hostname label and log word. */
export function isReplicaName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** What a name is, in words. */
export const NAME_SHAPE = '1 to 63 letters, digits, _ . and -, the first a letter or a digit';

const ADDRESS = /^(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;

/** True for a name, and for the address that a fixed server is called by. */
export function isReplicaNameOrAddress(value: string): boolean {
  return isReplicaName(value) || ADDRESS.test(value);
}

/** `host:port`, with brackets round an IPv6 address. */
export function formatEndpoint(endpoint: Endpoint): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}

/** The lowest whole number from 1 that is not in `taken`. */
export function lowestFree(taken: ReadonlySet<number>): number {
  let id = 1;
  while (taken.has(id)) id++;
  return id;
}
