/** The cases of the proxy benchmark. */
import type { BackendKind } from './backends.ts';

export interface BenchCase {
  readonly name: string;
  readonly title: string;
  /**
   * load: as much as the peer takes, from a fixed number of connections. open-loop: a fixed rate. memory: resident
   * memory over many requests. cold: one request of each of many clients, to a peer that has just begun to respond.
   * deploy: a fixed rate while the peer changes to other upstreams.
   * stalled: a fixed rate beside downloads that nobody reads. workers: one worker of ringlb
   * against two.
   */
  readonly kind: 'load' | 'open-loop' | 'memory' | 'cold' | 'deploy' | 'stalled' | 'workers';
  readonly backend: BackendKind;
  readonly path: string;
  /** Of a stalled case: the downloads. */
  readonly connections: number;
  /** What is measured only after this long, for connections to be there and pools to be full. */
  readonly settleSeconds: number;
  /**
   * How often a peer on Node is warmed up, each time over new connections: the code that only those run is compiled
   * after some thousands of them.
   */
  readonly warmUps: number;
  /** More arguments to what makes the load. */
  readonly wrkArgs: readonly string[];
  /** Clients come over TLS. */
  readonly tls?: boolean;
  /**
   * What makes the load; wrk unless said. `h2load` speaks HTTP/2, `resume` and `full` make a TLS connection for each request,
   * which resumes a session or does not; wrk does both in turns.
   */
  readonly load?: 'h2load' | 'resume' | 'full';
  /** The Lua script that wrk runs. */
  readonly script?: string;
  /** How many upstreams there are; three unless said. */
  readonly upstreams?: number;
  /** Peers are started anew for each round, since what the first leaves behind would change the next. */
  readonly isFresh?: boolean;
  /** Which peers take part unless asked for others; all when absent. */
  readonly peers?: readonly string[];
}

export const OPEN_LOOP_PER_SECOND = 2000;
/** What the downloads of a stalled case ask for, and the rate of the requests beside them. */
export const STALLED_PATH = '/4m';
export const BESIDE_STALLED_PER_SECOND = 500;
export const DEPLOY_PER_SECOND = 1000;
const UPLOAD_SCRIPT = `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.body = string.rep("x", 1048576)
`;

const BASE = {
  kind: 'load',
  backend: 'nginx',
  path: '/small',
  connections: 64,
  settleSeconds: 0.35,
  warmUps: 1,
  wrkArgs: [],
} as const;

/** All but the second way of running fast-proxy, which one case is enough for. */
const MOST = [
  'ringlb',
  'nginx',
  'haproxy',
  'caddy',
  'fast-proxy',
  'node-http',
  'httpxy',
  'http-proxy-3',
  'http-proxy',
];
/** Those that end TLS. */
const TLS_PEERS = ['ringlb', 'nginx', 'haproxy', 'caddy'];
/** Where bodies are large, nginx with its own buffers is another proxy. */
const MOST_AND_DEFAULT = [...MOST, 'nginx-default'];

export const CASES: readonly BenchCase[] = [
  { ...BASE, name: 'small', title: '54-byte JSON, 64 keep-alive connections' },
  {
    ...BASE,
    name: '64k',
    title: '64 KiB responses, 64 connections',
    path: '/64k',
    peers: MOST_AND_DEFAULT,
  },
  {
    ...BASE,
    name: '1m',
    title: '1 MiB responses, 32 connections',
    path: '/1m',
    connections: 32,
    peers: MOST_AND_DEFAULT,
  },
  {
    ...BASE,
    name: 'upload',
    title: '1 MiB uploads to a backend that reads them, 32 connections',
    backend: 'sink',
    connections: 32,
    script: UPLOAD_SCRIPT,
    peers: MOST_AND_DEFAULT,
  },
  {
    ...BASE,
    name: '1000',
    title: '54-byte JSON, 1,000 keep-alive connections',
    connections: 1000,
    // the first answer on each connection waits for all to be made: in a second they are those that p99 tells of
    settleSeconds: 5,
    warmUps: 5,
    peers: MOST,
  },
  {
    ...BASE,
    name: 'close',
    title: '54-byte JSON, a new connection for each request, 64 at a time',
    wrkArgs: ['-H', 'Connection: close'],
    peers: MOST,
  },
  {
    ...BASE,
    name: '1000-close',
    title: '54-byte JSON, a new connection for each request, 1,000 at a time',
    connections: 1000,
    settleSeconds: 2,
    warmUps: 2,
    wrkArgs: ['-H', 'Connection: close'],
    peers: ['ringlb', 'nginx', 'haproxy', 'caddy'],
  },
  {
    ...BASE,
    name: 'cold',
    title: '54-byte JSON, 1,000 clients at once, each with one request, of a peer just started',
    kind: 'cold',
    connections: 1000,
    isFresh: true,
    peers: MOST,
  },
  {
    ...BASE,
    name: 'stalled',
    title: '54-byte JSON, 500 requests a second beside 400 downloads of 4 MiB that nobody reads',
    kind: 'stalled',
    connections: 400,
    isFresh: true,
    peers: ['ringlb', 'nginx', 'nginx-default', 'haproxy', 'caddy'],
  },
  {
    ...BASE,
    name: 'deploy',
    title: '54-byte JSON, 1,000 requests a second while the three upstreams are exchanged for others',
    kind: 'deploy',
    upstreams: 6,
    isFresh: true,
    peers: ['ringlb', 'nginx', 'haproxy'],
  },
  {
    ...BASE,
    name: 'upstreams-1000',
    title: '54-byte JSON, 64 keep-alive connections, 1,000 upstreams',
    upstreams: 1000,
    // each thread connects to each upstream once
    settleSeconds: 2,
    warmUps: 3,
    peers: ['ringlb', 'nginx', 'haproxy', 'caddy'],
  },
  {
    ...BASE,
    name: 'tls-small',
    title: '54-byte JSON over TLS 1.3, 64 keep-alive connections',
    tls: true,
    peers: TLS_PEERS,
  },
  {
    ...BASE,
    name: 'tls-64k',
    title: '64 KiB responses over TLS 1.3, 64 connections',
    path: '/64k',
    tls: true,
    peers: TLS_PEERS,
  },
  {
    ...BASE,
    name: 'tls-close',
    title: '54-byte JSON over TLS 1.3, a full handshake for each request, 64 at a time',
    warmUps: 3,
    tls: true,
    load: 'full',
    peers: TLS_PEERS,
  },
  {
    ...BASE,
    name: 'tls-resume',
    title: '54-byte JSON over TLS 1.3, a resumed session for each request, 16 at a time',
    connections: 16,
    warmUps: 3,
    tls: true,
    load: 'resume',
    peers: TLS_PEERS,
  },
  {
    ...BASE,
    name: 'h2-small',
    title: '54-byte JSON over HTTP/2, 16 connections with ten streams each',
    connections: 16,
    wrkArgs: ['-m10'],
    tls: true,
    load: 'h2load',
    peers: TLS_PEERS,
  },
  {
    ...BASE,
    name: 'latency',
    title: 'added latency at a fixed 2,000 requests a second, 54-byte JSON',
    kind: 'open-loop',
    peers: MOST,
  },
  {
    ...BASE,
    name: 'memory',
    title: 'resident memory, idle and after 1,000,000 requests',
    kind: 'memory',
    peers: ['ringlb', 'nginx', 'haproxy'],
  },
  { ...BASE, name: 'workers2', title: 'two workers on two cores', kind: 'workers', peers: ['ringlb'] },
];
