/**
 * What one client may do: requests in a time, and connections at once, counted over all workers.
 * A client is its address (an IPv6 network of 64 bits), behind trusted proxies the one that they name; or, for
 * requests, the value of a header. A connection beyond the limits gets a response before it is closed.
 */
import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  ConnectionCounts,
  createConnectionCounts,
  forgetThread,
  TOO_MANY,
} from '../../core/policy/connection-counts.ts';
import { createRateMemory, RateLimiter } from '../../core/policy/rate-limit.ts';
import { fieldValue, type ParsedRequest } from '../../http1/request-head.ts';
import { BalancerError } from '../../platform/errors.ts';
import { networkOf } from '../../platform/ip-addresses.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import type { TrustedProxies } from '../headers/trusted-proxies.ts';

export interface ClientLimitOptions {
  /** Requests of one client a second; 0 is any number. */
  readonly rateLimit: number;
  readonly rateBurst: number;
  /** The header that tells clients apart, in lower case; '' is the address. */
  readonly rateKey: string;
  /** Clients whose rate is known at a time. */
  readonly rateEntries: number;
  /** 0 is any number. */
  readonly maxConnectionsPerClient: number;
}

/** What the workers share; undefined for what is not limited. */
export interface LimitMemory {
  readonly rates: SharedArrayBuffer | undefined;
  readonly connections: SharedArrayBuffer | undefined;
}

/** Clients whose connections are counted at a time; those beyond are not limited. */
const COUNTED_CLIENTS = 65_536;

/** For how long a refused connection is read on, … */
const REFUSED_MS = 1000;
/** … and how many of them a worker reads on, as a part of max-connections: they take descriptors. The oldest makes room. */
const REFUSED_SHARE = 1 / 16;

const draw = (): number => randomInt(2 ** 32);

/** A request whose headers are made into texts only where that is needed. */
interface WithHeaders {
  readonly rawHeaders: readonly string[];
}

/** The limits of one worker; undefined for what is not limited. */
export interface ClientLimits {
  readonly rates: RequestRates | undefined;
  readonly connections: ConnectionLimit | undefined;
}

/** What the limits were before a change of the options. */
export interface FormerLimits {
  readonly options: ClientLimitOptions;
  readonly memory: LimitMemory;
}

/**
 * Made by the control plane. After a change of the options the memory is kept where it still means the same, so that no
 * client gets a fresh start. A word of the rates counts in units of the rate, so another rate begins with empty memory.
 * Connections that are open when their limit is switched on are not counted.
 */
export function createLimitMemory(
  options: ClientLimitOptions,
  workers: number,
  former?: FormerLimits,
): LimitMemory {
  const { rateLimit, rateEntries, maxConnectionsPerClient } = options;
  const isSameRate = former?.options.rateLimit === rateLimit;
  const rates = isSameRate ? former.memory.rates : undefined;
  const connections = former?.memory.connections;
  return {
    rates: rateLimit > 0 ? (rates ?? createRateMemory(rateEntries, draw)) : undefined,
    connections:
      maxConnectionsPerClient > 0
        ? (connections ?? createConnectionCounts(COUNTED_CLIENTS, workers, draw))
        : undefined,
  };
}

export function forgetConnections({ connections }: LimitMemory, workers: number, worker: number): void {
  if (connections !== undefined) forgetThread(connections, workers, worker);
}

/** Requests of each client in a time. */
export class RequestRates {
  readonly #limiter: RateLimiter;
  readonly #trusted: TrustedProxies;
  readonly #header: Uint8Array | undefined;
  readonly #clock: () => number;

  /** `clock` gives milliseconds, is the same for all workers, and never goes back. */
  constructor(
    memory: SharedArrayBuffer,
    options: ClientLimitOptions,
    trusted: TrustedProxies,
    clock: () => number,
  ) {
    this.#limiter = new RateLimiter(memory, { perSecond: options.rateLimit, burst: options.rateBurst });
    this.#header = options.rateKey === '' ? undefined : Buffer.from(options.rateKey, 'latin1');
    this.#trusted = trusted;
    this.#clock = clock;
  }

  /** Counts a request, whose head is `parsed`; returns the failure that it gets where it is one too many. */
  excess(info: ClientInfo, request: WithHeaders, parsed: ParsedRequest): BalancerError | undefined {
    const waitMs = this.#limiter.admit(this.#keyOf(info, request, parsed), this.#clock());
    if (waitMs === 0) return undefined;
    return new BalancerError('rate-limited', undefined, { retryAfterS: Math.ceil(waitMs / 1000) });
  }

  #keyOf(info: ClientInfo, request: WithHeaders, parsed: ParsedRequest): string {
    const value = this.#header === undefined ? '' : fieldValue(parsed, this.#header);
    // marked, so that nobody uses up the rate of an address by naming it
    if (value !== '') return `:${value}`;
    return networkOf(info.trusted ? this.#trusted.originOf(info, request.rawHeaders) : info.ip);
  }
}

/** Connections of each client at once. */
export class ConnectionLimit {
  readonly #counts: ConnectionCounts;

  constructor(memory: SharedArrayBuffer, workers: number, worker: number, limit: number) {
    this.#counts = new ConnectionCounts(memory, workers, worker, limit);
  }

  /** Counts the connection until it closes; false, with nothing counted, where it is one too many. */
  admit(socket: Socket, { ip, trusted }: ClientInfo): boolean {
    // what comes through a proxy is many clients'
    if (trusted) return true;
    const row = this.#counts.countOpened(networkOf(ip));
    if (row === TOO_MANY) return false;
    socket.once('close', () => this.#counts.countClosed(row));
    return true;
  }
}

/**
 * Connections that have got their last response before they brought a request. What they still send is thrown away for a
 * moment: closing a socket that receives more sends a reset, and many clients then drop the response (RFC 9112 section 9.6).
 */
export class RefusedConnections {
  /** With the time each was refused at, the oldest first. */
  readonly #sinceMs = new Map<Socket, number>();
  readonly #options: { readonly maxConnections: number };

  constructor(options: { readonly maxConnections: number }) {
    this.#options = options;
  }

  /** Writes the response, and closes the connection once its client has, or soon. */
  end(socket: Socket, response: string, nowMs: number): void {
    const most = Math.max(1, this.#options.maxConnections * REFUSED_SHARE);
    for (const oldest of this.#sinceMs.keys()) {
      if (this.#sinceMs.size < most) break;
      oldest.destroy();
      this.#sinceMs.delete(oldest);
    }
    this.#sinceMs.set(socket, nowMs);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sinceMs.delete(socket));
    socket.end(response, 'latin1');
    socket.resume();
  }

  tick(nowMs: number): void {
    for (const [socket, sinceMs] of this.#sinceMs) {
      if (nowMs - sinceMs < REFUSED_MS) return;
      socket.destroy();
      this.#sinceMs.delete(socket);
    }
  }

  close(): void {
    for (const socket of this.#sinceMs.keys()) socket.destroy();
  }
}
