/**
 * One probe of one instance: an HTTP request on a connection of its own, or a mere connection where probing by HTTP
 * is off. Must not hold: when to probe, or what follows.
 *
 * A new connection for each, so that a probe finds what a new client would find, and a replica that serves one
 * connection at a time is not held by an idle one. It is written and read on the bare socket: with an HTTP client of
 * Node's a thousand replicas would take several times as much of a core. Only the status line is read (RFC 9112
 * section 4), after any interim responses.
 */
import { connect, type Socket } from 'node:net';
import { type Endpoint, formatEndpoint } from '../../core/replica.ts';
import { errnoOf, messageOf } from '../../errors.ts';

/**
 * `passed`; `not-ready`: it responded with a status that is not expected; `closed`: it refused or closed the
 * connection, or what it sent is no HTTP; `silent`: no response in time, or no way to it.
 */
export type ProbeOutcome = 'passed' | 'not-ready' | 'closed' | 'silent';

/** What a probe found, and in which words. */
export interface ProbeResult {
  readonly outcome: ProbeOutcome;
  /** `200`, `connection refused`, `no answer in 2000 ms`. */
  readonly said: string;
}

/** Statuses from one to another, both included. */
export type StatusRange = readonly [from: number, to: number];

/** What is asked of every replica. */
export interface ProbeRequest {
  readonly probePath: string;
  /** The Host header; empty is the replica's own address. */
  readonly probeHost: string;
  /** 0 is the port that requests go to. */
  readonly probePort: number;
  /** Whole header lines, without line ends. */
  readonly probeHeader: readonly string[];
  /** Statuses of a replica that is ready. */
  readonly probeExpect: readonly StatusRange[];
  readonly probeTimeoutMs: number;
}

export interface ProbeOptions extends ProbeRequest {
  /** 0: probing by HTTP is off. */
  readonly probeIntervalMs: number;
  readonly connectTimeoutMs: number;
}

/** How an instance is probed with these options. */
export function createProbe(options: ProbeOptions): (endpoint: Endpoint) => Promise<ProbeResult> {
  if (options.probeIntervalMs > 0) return (endpoint) => probeHttp(endpoint, options);
  return (endpoint) => probeTcp(endpoint, options.connectTimeoutMs);
}

const IN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
};
/** Errors by which somebody at the other end says no; after any other nobody may be there. */
const CLOSED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);
/** More than any interim responses and a status line take. */
const MOST_READ = 16_384;
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r?\n/;
const HEAD_END = /\r?\n\r?\n/;

/** Asks the instance; its response's body may be anything. Never rejects. */
export function probeHttp(endpoint: Endpoint, request: ProbeRequest): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const { host } = endpoint;
    const port = request.probePort === 0 ? endpoint.port : request.probePort;
    let text = '';
    const { socket, end } = begin({ host, port }, request.probeTimeoutMs, 'answer', resolve);
    socket.on('connect', () => socket.write(headOf({ host, port }, request), 'latin1'));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const status = statusIn(text);
      if (status === 'more' && text.length < MOST_READ) return;
      if (typeof status !== 'number') return end({ outcome: 'closed', said: 'its answer is no HTTP/1.1' });
      const isExpected = request.probeExpect.some(([from, to]) => status >= from && status <= to);
      end({ outcome: isExpected ? 'passed' : 'not-ready', said: String(status) });
    });
    socket.on('end', () => end({ outcome: 'closed', said: 'connection closed without an answer' }));
  });
}

/** Connects, no more. Never rejects. */
export function probeTcp(endpoint: Endpoint, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const { socket, end } = begin(endpoint, timeoutMs, 'connection', resolve);
    socket.on('connect', () => end({ outcome: 'passed', said: 'connected' }));
  });
}

/** Begins to connect; `end` gives the result, once, and closes the connection. */
function begin(
  { host, port }: Endpoint,
  timeoutMs: number,
  awaited: string,
  resolve: (result: ProbeResult) => void,
): { readonly socket: Socket; readonly end: (result: ProbeResult) => void } {
  const socket = connect({ host, port, noDelay: true });
  const timer = setTimeout(
    () => end({ outcome: 'silent', said: `no ${awaited} in ${timeoutMs} ms` }),
    timeoutMs,
  );
  const end = (result: ProbeResult): void => {
    clearTimeout(timer);
    resolve(result);
    socket.destroy();
  };
  socket.on('error', (error) =>
    end({ outcome: CLOSED.has(errnoOf(error)) ? 'closed' : 'silent', said: inWords(error) }),
  );
  return { socket, end };
}

function headOf(endpoint: Endpoint, { probePath, probeHost, probeHeader }: ProbeRequest): string {
  const name = probeHost === '' ? hostOf(endpoint) : probeHost;
  const hasAgent = probeHeader.some((line) => /^user-agent:/i.test(line));
  const own = hasAgent ? [] : ['User-Agent: ringlb-probe'];
  const lines = [`GET ${probePath} HTTP/1.1`, `Host: ${name}`, ...own, ...probeHeader, 'Connection: close'];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function hostOf(endpoint: Endpoint): string {
  const text = formatEndpoint(endpoint);
  return endpoint.port === 80 ? text.slice(0, text.lastIndexOf(':')) : text;
}

/** The status of the final response that begins in `text`; `more` where it may still come. */
function statusIn(text: string): number | 'more' | 'no-http' {
  let rest = text;
  for (;;) {
    if (!rest.includes('\n')) return 'HTTP/1.'.startsWith(rest.slice(0, 7)) ? 'more' : 'no-http';
    const line = STATUS_LINE.exec(rest);
    if (line === null) return 'no-http';
    const status = Number(line[1]);
    // 101 switches protocols: there is none after it
    if (status >= 200 || status === 101) return status;
    const headEnd = HEAD_END.exec(rest);
    if (headEnd === null) return 'more';
    rest = rest.slice(headEnd.index + headEnd[0].length);
    if (rest === '') return 'more';
  }
}

function inWords(error: unknown): string {
  return IN_WORDS[errnoOf(error)] ?? messageOf(error);
}
