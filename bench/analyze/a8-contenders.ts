/**
 * The load balancers of A-8: ringlb by each of its policies, and the policies of nginx and HAProxy that go by load. A
 * program that is not installed is left out.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programVersion } from '../../lib/platform/version.ts';
import { nginxUser } from '../proxy/backends.ts';
import { printedVersion } from '../proxy/peers.ts';
import type { Command } from '../proxy/processes.ts';
import { ROOT } from './balancer.ts';

const MAIN = join(ROOT, 'dist/lib/main.js');

export interface Setup {
  /** A directory of its own. */
  readonly dir: string;
  readonly port: number;
  readonly adminPort: number;
  readonly servers: readonly number[];
}

export interface Contender {
  readonly program: 'ringlb' | 'nginx' | 'HAProxy';
  /** As its own documentation calls it. */
  readonly policy: string;
  /** Undefined where it is not installed. */
  version(): string | undefined;
  command(setup: Setup): Command;
}

function ringlb(policy: string, ...more: readonly string[]): Contender {
  return {
    program: 'ringlb',
    policy,
    version: () => (existsSync(MAIN) ? programVersion() : undefined),
    command: ({ port, adminPort, servers }) => ({
      file: process.execPath,
      args: [
        MAIN,
        ...['--driver', 'static', '--probe-interval', '0', '--log-level', 'warn'],
        ...['--upstreams', servers.map((server) => `http://127.0.0.1:${server}`).join()],
        ...['--port', String(port), '--host', '127.0.0.1', '--admin-port', String(adminPort)],
        ...more,
      ],
    }),
  };
}

function nginxConfig({ dir, port, servers }: Setup, policy: string): string {
  return `${nginxUser()}
worker_processes 1;
daemon off;
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${dir}/client;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  upstream replicas {
    ${policy};
${servers.map((server) => `    server 127.0.0.1:${server} max_fails=0;`).join('\n')}
    keepalive 256;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;
}

function haproxyConfig({ port, servers }: Setup, policy: string): string {
  return `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 2s
  timeout client 65s
  timeout server 60s
  timeout http-keep-alive 65s
frontend public
  bind 127.0.0.1:${port}
  default_backend replicas
backend replicas
  balance ${policy}
${servers.map((server, index) => `  server S${index + 1} 127.0.0.1:${server}`).join('\n')}
`;
}

function written(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

function nginx(policy: string): Contender {
  return {
    program: 'nginx',
    policy,
    version: () => printedVersion('nginx', '-v'),
    command: (setup) => ({
      file: 'nginx',
      args: [
        ...['-c', written(setup.dir, 'nginx.conf', nginxConfig(setup, policy))],
        ...['-p', setup.dir, '-e', 'stderr'],
      ],
    }),
  };
}

function haproxy(policy: string): Contender {
  return {
    program: 'HAProxy',
    policy,
    version: () => printedVersion('haproxy', '-v'),
    command: (setup) => ({
      file: 'haproxy',
      args: ['-db', '-q', '-f', written(setup.dir, 'haproxy.cfg', haproxyConfig(setup, policy))],
    }),
  };
}

export const CONTENDERS: readonly Contender[] = [
  ringlb('hash', '--load-factor', '0'),
  ringlb('bounded hash'),
  ringlb('p2c', '--balance', 'p2c'),
  ringlb('least', '--balance', 'least'),
  nginx('least_conn'),
  haproxy('leastconn'),
  haproxy('random(2)'),
];
