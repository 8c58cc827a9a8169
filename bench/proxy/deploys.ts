/**
 * How peers change to new upstreams under load. ringlb runs its replicas itself, here nginx on the cores of the load, and
 * deploys another command; nginx and HAProxy are told of other ports, and reload.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchText, nginxUser } from './backends.ts';
import { haproxyPeer, nginxBackend, nginxPeer } from './peer-configs.ts';
import type { PeerSetup } from './peers.ts';
import { type Command, type Started, sleep } from './processes.ts';

/** Of the upstreams of the setup the first half is what a peer is started with, and the second what it changes to. */
export interface Deploying {
  /** It runs its upstreams itself. */
  readonly ownsUpstreams: boolean;
  command(setup: PeerSetup, loadCores: readonly number[]): Command;
  /** Resolves once it has begun, or is over where the peer tells that. */
  deploy(setup: PeerSetup, started: Started, loadCores: readonly number[]): Promise<void>;
}

const LOOK_MS = 20;
const REPLICAS = 3;

function half(setup: PeerSetup, isNew: boolean): PeerSetup {
  const { upstreams } = setup;
  const middle = upstreams.length / 2;
  return { ...setup, upstreams: isNew ? upstreams.slice(middle) : upstreams.slice(0, middle) };
}

function writeNginx(setup: PeerSetup, isNew: boolean): string {
  const file = join(setup.dir, 'nginx.conf');
  writeFileSync(file, nginxPeer(setup.dir, nginxUser(), half(setup, isNew), true));
  return file;
}

function writeHaproxy(setup: PeerSetup, isNew: boolean): string {
  const file = join(setup.dir, 'haproxy.cfg');
  writeFileSync(file, haproxyPeer(half(setup, isNew)));
  return file;
}

const nginx: Deploying = {
  ownsUpstreams: false,
  command: (setup) => ({
    file: 'nginx',
    args: ['-c', writeNginx(setup, false), '-p', setup.dir, '-e', 'stderr'],
  }),
  async deploy(setup, started) {
    writeNginx(setup, true);
    started.child.kill('SIGHUP');
  },
};

const haproxy: Deploying = {
  ownsUpstreams: false,
  // in the foreground, below a master that can reload
  command: (setup) => ({ file: 'haproxy', args: ['-W', '-db', '-q', '-f', writeHaproxy(setup, false)] }),
  async deploy(setup, started) {
    writeHaproxy(setup, true);
    started.child.kill('SIGUSR2');
  },
};

/** The command of a replica: nginx on the port that it gets. */
function replicaCommand(dir: string, loadCores: readonly number[], version: number): string {
  return `exec taskset -c ${loadCores.join(',')} sh ${join(dir, 'replica.sh')} ${version}`;
}

function writeReplica(dir: string): void {
  const replicas = join(dir, 'replicas');
  mkdirSync(replicas);
  writeFileSync(join(dir, 'replica.conf'), nginxBackend('@DIR@', nginxUser(), ['@PORT@']));
  writeFileSync(
    join(dir, 'replica.sh'),
    `dir=$(mktemp -d ${replicas}/XXXXXX)
sed "s#@DIR@#$dir#g; s#@PORT@#$PORT#" ${join(dir, 'replica.conf')} >"$dir/nginx.conf"
exec nginx -c "$dir/nginx.conf" -p "$dir" -e stderr
`,
  );
}

const ringlb: Deploying = {
  ownsUpstreams: true,
  command({ node, ringlb: entry, port, adminPort, workers, dir }, loadCores) {
    writeReplica(dir);
    const options = { port, 'admin-port': adminPort, workers, replicas: REPLICAS, 'probe-path': '/small' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    return { file: node, args: [entry, '--command', replicaCommand(dir, loadCores, 1), ...args] };
  },
  async deploy({ adminPort, dir }, _started, loadCores) {
    const body = JSON.stringify({ command: replicaCommand(dir, loadCores, 2), batch: 1, watch: '300ms' });
    const reply = await fetch(`http://127.0.0.1:${adminPort}/deploy`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    if (!reply.ok) throw new Error(await reply.text());
    for (;;) {
      const { body: text } = await fetchText(adminPort, '/deploy');
      const state = /"state":"([a-z-]+)"/.exec(text)?.[1];
      if (state === 'done') return;
      if (state !== 'running') throw new Error(`the deploy is ${state}`);
      await sleep(LOOK_MS);
    }
  },
};

export const DEPLOYING: Readonly<Record<string, Deploying>> = { ringlb, nginx, haproxy };
