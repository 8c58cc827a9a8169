/**
 * Probes instances: an HTTP request, or only a connection where probing by HTTP is off.
 * Each probe has a new connection, unless the caller allows the one of an earlier probe, so that it finds what a new
 * client would find, and a replica that serves few connections at a time is not held by an idle one.
 */
import { type Endpoint, formatEndpoint } from '../../core/replica.ts';
import {
  type ConnectProbe,
  type Expectation,
  ProbeConnection,
  type ProbeResult,
} from './probe-connection.ts';

/**
 * Probes once; never rejects. With `mayReuse` the connection of an earlier probe will do: a new one costs 100 to 200
 * µs of a core, half of it in the kernel, and one that is used again a quarter of that.
 */
export type Probe = (endpoint: Endpoint, mayReuse: boolean) => Promise<ProbeResult>;

/** What is sent. */
interface ProbeRequest {
  readonly probePath: string;
  /** The Host header; empty is the replica's own address. */
  readonly probeHost: string;
  /** 0 is the port that requests go to. */
  readonly probePort: number;
  /** Whole header lines, without line ends. */
  readonly probeHeader: readonly string[];
}

export interface ProbeOptions extends Expectation, ProbeRequest {
  /** 0: probing by HTTP is off. */
  readonly probeIntervalMs: number;
  readonly connectTimeoutMs: number;
  /** Opens connections; to replicas that speak HTTP/1.1 without TLS unless given. */
  readonly connect?: ConnectProbe;
}

/**
 * How instances are probed with these options, which are read for each probe, since a reload changes them; at most
 * `mostIdle` connections are kept for the next probe.
 */
export function createProbe(options: ProbeOptions, mostIdle: number): Probe {
  const prober = new HttpProber(options, mostIdle);
  return (endpoint, mayReuse) =>
    options.probeIntervalMs === 0 ? probeTcp(endpoint, options) : prober.probe(endpoint, mayReuse);
}

/** An idle connection is kept for the interval and this much longer. */
const IDLE_MARGIN_MS = 2000;

/** What is kept of an endpoint between its probes. */
interface Target {
  readonly endpoint: Endpoint;
  /** The head of the request, with the connection closing behind it and not. */
  readonly closing: string;
  readonly keeping: string;
  /** The connection between two probes. */
  idle: ProbeConnection | undefined;
}

/** Writes and reads the bare socket (`probe-connection.ts`): an HTTP client of Node takes several times as much. */
class HttpProber {
  readonly #options: ProbeOptions;
  readonly #mostIdle: number;
  #targets = new WeakMap<Endpoint, Target>();
  /** What the targets were made of. */
  #request: ProbeRequest;
  /** Those with an idle connection. */
  readonly #idle = new Set<Target>();
  #sweptMs = performance.now();

  constructor(options: ProbeOptions, mostIdle: number) {
    this.#options = options;
    this.#request = requestOf(options);
    this.#mostIdle = mostIdle;
  }

  async probe(endpoint: Endpoint, mayReuse: boolean): Promise<ProbeResult> {
    const target = this.#targetOf(endpoint);
    if (this.#idle.size > 0) this.#sweep();
    const { idle } = target;
    target.idle = undefined;
    this.#idle.delete(target);
    if (mayReuse && idle !== undefined && !idle.isClosed) {
      const result = await this.#probeOver(target, idle, true);
      // it may have been closed for being idle
      if (result.outcome !== 'closed') return result;
    } else idle?.close();
    return this.#probeOver(target, new ProbeConnection(target.endpoint, this.#options.connect), mayReuse);
  }

  #targetOf(endpoint: Endpoint): Target {
    if (!isSameRequest(this.#request, this.#options)) this.#forgetTargets();
    const known = this.#targets.get(endpoint);
    if (known !== undefined) return known;
    const { host, port, tls } = endpoint;
    const { probePort } = this.#options;
    const probed = { host, port: probePort === 0 ? port : probePort, ...(tls && { tls }) };
    const head = (isKept: boolean): string => headOf(formatEndpoint(probed), this.#options, isKept);
    const target = { endpoint: probed, closing: head(false), keeping: head(true), idle: undefined };
    this.#targets.set(endpoint, target);
    return target;
  }

  /** Another request is sent from now on, perhaps to another port. */
  #forgetTargets(): void {
    this.#request = requestOf(this.#options);
    this.#targets = new WeakMap();
    for (const target of this.#idle) target.idle?.close();
    this.#idle.clear();
  }

  async #probeOver(target: Target, connection: ProbeConnection, isKept: boolean): Promise<ProbeResult> {
    const result = await connection.probe(isKept ? target.keeping : target.closing, this.#options);
    if (isKept && connection.isFree && this.#idle.size < this.#mostIdle && target.idle === undefined) {
      target.idle = connection;
      this.#idle.add(target);
    } else connection.close();
    return result;
  }

  /** Closes connections that have been idle for too long. */
  #sweep(): void {
    const nowMs = performance.now();
    const limitMs = this.#options.probeIntervalMs + IDLE_MARGIN_MS;
    if (nowMs - this.#sweptMs < limitMs) return;
    this.#sweptMs = nowMs;
    for (const target of this.#idle) {
      if (target.idle === undefined || nowMs - target.idle.usedMs < limitMs) continue;
      target.idle.close();
      target.idle = undefined;
      this.#idle.delete(target);
    }
  }
}

function requestOf({ probePath, probeHost, probePort, probeHeader }: ProbeRequest): ProbeRequest {
  return { probePath, probeHost, probePort, probeHeader };
}

function isSameRequest(a: ProbeRequest, b: ProbeRequest): boolean {
  return (
    a.probePath === b.probePath &&
    a.probeHost === b.probeHost &&
    a.probePort === b.probePort &&
    a.probeHeader === b.probeHeader
  );
}

/** Connects, no more. */
async function probeTcp(
  endpoint: Endpoint,
  { connectTimeoutMs, connect }: ProbeOptions,
): Promise<ProbeResult> {
  const connection = new ProbeConnection(endpoint, connect);
  const result = await connection.probeConnect(connectTimeoutMs);
  connection.close();
  return result;
}

function headOf(address: string, options: ProbeRequest, isKept: boolean): string {
  const { probePath, probeHost, probeHeader } = options;
  const name = probeHost === '' ? address.replace(/:80$/, '') : probeHost;
  const hasAgent = probeHeader.some((line) => /^user-agent:/i.test(line));
  const own = hasAgent ? [] : ['User-Agent: ringlb-probe'];
  const last = isKept ? [] : ['Connection: close'];
  return `${[`GET ${probePath} HTTP/1.1`, `Host: ${name}`, ...own, ...probeHeader, ...last].join('\r\n')}\r\n\r\n`;
}
