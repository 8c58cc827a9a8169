/**
 * Who takes part: how to find each peer, its version, and how it is started on a port over given upstreams. Node peers
 * come from `peers/package.json`, which is installed on demand into its own folder, so that ringlb's dependencies stay
 * few; native ones are those on PATH.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StickyTokens } from '../../lib/fleet/ring/sticky-tokens.ts';
import { nginxUser } from './backends.ts';
import { caddyPeer, haproxyPeer, nginxPeer, type PeerPorts } from './peer-configs.ts';
import type { Command } from './processes.ts';

export interface PeerSetup extends PeerPorts {
  /** A directory of its own. */
  readonly dir: string;
  readonly node: string;
  readonly adminPort: number;
  readonly plainPort: number;
  readonly workers: number;
  /** Absolute path of ringlb's entry file. */
  readonly ringlb: string;
}

export interface Peer {
  readonly name: string;
  readonly runtime: 'node' | 'native';
  /** The version, or undefined when it is not installed. */
  version(): string | undefined;
  command(setup: PeerSetup): Command;
}

const ROOT = join(import.meta.dirname, '../..');
const PEERS_DIR = join(import.meta.dirname, 'peers');

function readVersion(packageFile: string): string | undefined {
  if (!existsSync(packageFile)) return undefined;
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { readonly version?: string };
  return version;
}

/** The version that a program prints; undefined where it is not installed. */
export function printedVersion(file: string, flag: string): string | undefined {
  const { stdout, stderr, error } = spawnSync(file, [flag], { encoding: 'utf8' });
  return error ? undefined : (/\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown');
}

function written(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

function nodePeer(name: string, packageName: string): Peer {
  return {
    name,
    runtime: 'node',
    version: () => readVersion(join(PEERS_DIR, 'node_modules', packageName, 'package.json')),
    command: ({ node, port, upstreams }) => ({
      file: node,
      args: ['--no-deprecation', join(PEERS_DIR, 'node-peer.ts'), name, String(port), upstreams.join(',')],
    }),
  };
}

/** Its plain port is no part of a case with TLS. */
function portsOf({ port, plainPort, tls, http2 }: PeerSetup): readonly string[] {
  if (tls === undefined) return ['--port', String(port)];
  const files = ['--tls-cert', tls.cert, '--tls-key', tls.key, '--http2', http2 ? 'on' : 'off'];
  return ['--port', String(plainPort), '--tls-port', String(port), ...files];
}

function ringlb(name: string, more: (setup: PeerSetup) => readonly string[]): Peer {
  return {
    name,
    runtime: 'node',
    version: () => readVersion(join(ROOT, 'package.json')),
    command: (setup) => ({
      file: setup.node,
      args: [
        setup.ringlb,
        ...['--driver', 'static'],
        ...['--upstreams', setup.upstreams.map((upstream) => `http://127.0.0.1:${upstream}`).join(',')],
        ...portsOf(setup),
        ...['--admin-port', String(setup.adminPort)],
        ...['--workers', String(setup.workers), '--probe-interval', '0'],
        ...more(setup),
      ],
    }),
  };
}

function nginx(name: string, isTuned: boolean): Peer {
  return {
    name,
    runtime: 'native',
    version: () => printedVersion('nginx', '-v'),
    command: (setup) => ({
      file: 'nginx',
      args: [
        ...['-c', written(setup.dir, 'nginx.conf', nginxPeer(setup.dir, nginxUser(), setup, isTuned))],
        ...['-p', setup.dir, '-e', 'stderr'],
      ],
    }),
  };
}

const haproxy: Peer = {
  name: 'haproxy',
  runtime: 'native',
  version: () => printedVersion('haproxy', '-v'),
  command: (setup) => ({
    file: 'haproxy',
    args: ['-db', '-q', '-f', written(setup.dir, 'haproxy.cfg', haproxyPeer(setup))],
  }),
};

const caddy: Peer = {
  name: 'caddy',
  runtime: 'native',
  version: () => printedVersion('caddy', 'version'),
  command: (setup) => ({
    file: 'caddy',
    args: ['run', '--adapter', 'caddyfile', '--config', written(setup.dir, 'Caddyfile', caddyPeer(setup))],
    env: { GOMAXPROCS: '1', HOME: setup.dir, XDG_DATA_HOME: setup.dir, XDG_CONFIG_HOME: setup.dir },
  }),
};

const plainNode: Peer = { ...nodePeer('node-http', ''), version: () => process.versions.node };

/** Takes part with --sticky alone, since it is ringlb for requests with its cookie. */
export const STICKY_PEER = 'ringlb-sticky';
const STICKY = { sticky: 'lb', stickySecret: 'a-secret-of-the-bench', adminToken: '', pool: 'ringlb' };

/** The cookie by which requests go to this upstream. */
export function stickyCookie(upstream: number): string {
  return `lb=${new StickyTokens(STICKY).tokenOf(`127.0.0.1:${upstream}`)}`;
}

export const PEERS: readonly Peer[] = [
  ringlb('ringlb', () => []),
  ringlb(STICKY_PEER, () => ['--sticky', STICKY.sticky, '--sticky-secret', STICKY.stickySecret]),
  ringlb('ringlb-access-log', ({ dir }) => [
    ...['--access-log', 'json', '--access-log-file', join(dir, 'access.log')],
  ]),
  nginx('nginx', true),
  nginx('nginx-default', false),
  haproxy,
  caddy,
  nodePeer('fast-proxy', 'fast-proxy'),
  nodePeer('fast-proxy-undici', 'fast-proxy'),
  plainNode,
  nodePeer('httpxy', 'httpxy'),
  nodePeer('http-proxy-3', 'http-proxy-3'),
  nodePeer('http-proxy', 'http-proxy'),
];

/** Installs the Node peers where they are not; returns what went wrong, or undefined. */
export function installNodePeers(names: readonly string[]): string | undefined {
  const wanted = PEERS.filter((peer) => names.includes(peer.name) && peer.runtime === 'node');
  if (wanted.every((peer) => peer.version() !== undefined)) return undefined;
  const args = ['ci', '--prefix', PEERS_DIR, '--no-audit', '--no-fund', '--loglevel', 'error'];
  const { status, stderr, error } = spawnSync('npm', args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
