/**
 * One connection for probes: connects, sends the request, and says what came of it; then it may carry the next probe.
 * Its listeners are set once, so that a probe on a connection that is open costs little more than a write and a read.
 */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../core/replica.ts';
import { errnoOf, messageOf } from '../../platform/errors.ts';
import { connectOverTls, DEFAULT_UPSTREAM_TLS, type UpstreamTls } from '../../platform/upstream-tls.ts';
import { ProbeResponse } from './probe-response.ts';

/**
 * `passed`; `not-ready`: it responded with a status that is not expected; `closed`: it refused or closed the
 * connection, or what it sent is not HTTP; `silent`: no response in time, or no route to it; `not-made`: this process
 * had no descriptor or port left to probe with.
 */
export type ProbeOutcome = 'passed' | 'not-ready' | 'closed' | 'silent' | 'not-made';

/** What a probe found. */
export interface ProbeResult {
  readonly outcome: ProbeOutcome;
  /** `200`, `connection refused`, `no response in 2000 ms`. */
  readonly detail: string;
}

/** Statuses from one to another, both included. */
export type StatusRange = readonly [from: number, to: number];

export interface Expectation {
  /** Statuses of a replica that is ready. */
  readonly probeExpect: readonly StatusRange[];
  readonly probeTimeoutMs: number;
}

const UNKNOWN_AUTHORITY = 'certificate of an authority that is not in --upstream-ca';
/** Of an unknown authority Node.js says which option of its own to try. */
const IN_WORDS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate that is not in --upstream-ca',
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
};
/** Errors that the other end answers with, and errors of our own; after any other error nobody may be there. */
const OUTCOMES: Readonly<Record<string, ProbeOutcome>> = {
  ECONNREFUSED: 'closed',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  EMFILE: 'not-made',
  ENFILE: 'not-made',
  ENOBUFS: 'not-made',
  EADDRNOTAVAIL: 'not-made',
};
/** The most probes on one connection, about a minute of them; then a new one shows whether connections are accepted. */
const MOST_USES = 30;

/** Opens a connection to probe with; its `connect`, or over TLS its `secureConnect`, says that it is there. */
export type ConnectProbe = (endpoint: Endpoint) => Duplex;

/** Connections to replicas that speak HTTP/1.1. */
export function connectHttp1(upstreamTls: UpstreamTls = DEFAULT_UPSTREAM_TLS): ConnectProbe {
  return (endpoint) =>
    endpoint.tls === true ? connectOverTls(endpoint, upstreamTls) : connect({ ...endpoint, noDelay: true });
}

/** A probe under way. */
interface PendingProbe {
  readonly response: ProbeResponse;
  readonly expect: readonly StatusRange[];
  readonly timer: NodeJS.Timeout;
  readonly resolve: (result: ProbeResult) => void;
}

export class ProbeConnection {
  /** When the last probe ended, by `performance.now`. */
  usedMs = 0;
  readonly #socket: Duplex;
  #pending: PendingProbe | undefined;
  #onConnect: (() => void) | undefined;
  #isConnected = false;
  #isClosed = false;
  #staysOpen = false;
  #uses = 0;

  constructor(endpoint: Endpoint, connect: ConnectProbe = connectHttp1()) {
    this.#socket = connect(endpoint);
    this.#socket.on(endpoint.tls === true ? 'secureConnect' : 'connect', () => {
      this.#isConnected = true;
      this.#onConnect?.();
    });
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('end', () =>
      this.#fail({ outcome: 'closed', detail: 'connection closed without a response' }),
    );
    this.#socket.on('error', (error) => {
      const code = errnoOf(error);
      this.#fail({ outcome: OUTCOMES[code] ?? 'silent', detail: IN_WORDS[code] ?? messageOf(error) });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** It may carry another probe. */
  get isFree(): boolean {
    return !this.#isClosed && this.#staysOpen && this.#uses < MOST_USES;
  }

  /** Sends the head of a request, and says what its response is. */
  probe(head: string, { probeExpect, probeTimeoutMs }: Expectation): Promise<ProbeResult> {
    const send = (): void => {
      this.#socket.write(head, 'latin1');
    };
    this.#uses++;
    if (this.#isConnected) send();
    else this.#onConnect = send;
    return this.#result(probeExpect, probeTimeoutMs, 'response');
  }

  /** Says whether it can be connected. */
  probeConnect(timeoutMs: number): Promise<ProbeResult> {
    this.#onConnect = () => this.#end({ outcome: 'passed', detail: 'connected' });
    return this.#result([], timeoutMs, 'connection');
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #result(expect: readonly StatusRange[], timeoutMs: number, awaited: string): Promise<ProbeResult> {
    return new Promise((resolve) => {
      const late = (): void => this.#fail({ outcome: 'silent', detail: `no ${awaited} in ${timeoutMs} ms` });
      const timer = setTimeout(late, timeoutMs);
      this.#pending = { response: new ProbeResponse(), expect, timer, resolve };
    });
  }

  #read(chunk: Buffer): void {
    const pending = this.#pending;
    // bytes that no probe asked for
    if (pending === undefined) return this.close();
    const status = pending.response.read(chunk.toString('latin1'));
    if (status === 'more') return;
    if (status === 'no-http') return this.#fail({ outcome: 'closed', detail: 'its response is no HTTP/1.1' });
    this.#staysOpen = pending.response.keepsConnection;
    const isExpected = pending.expect.some(([from, to]) => status >= from && status <= to);
    this.#end({ outcome: isExpected ? 'passed' : 'not-ready', detail: String(status) });
  }

  #fail(result: ProbeResult): void {
    this.close();
    this.#end(result);
  }

  #end(result: ProbeResult): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    clearTimeout(pending.timer);
    this.usedMs = performance.now();
    pending.resolve(result);
  }
}
