/**
 * The configuration texts of the native peers and of the backend. Pure.
 * Each peer gets what one would run in production for these loads: kept-alive upstream connections, no access log, no
 * limit on requests a connection, the forwarded headers, a long backlog for 1,000 clients at once, and what it needs to
 * be at its best: nginx buffers so large that no body touches the disk (with its own it spends 3 times as much on
 * a 1 MiB response and twice as much on a 1 MiB upload), HAProxy a pool that may hold most of its descriptors (with
 * its default share it closes idle upstream connections at 1,000 clients, and spends twice as much). nginx with its
 * own buffers takes part too, in the cases where they matter.
 */

/** A certificate in files: by itself, its key, and both in one. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly both: string;
}

export interface PeerPorts {
  readonly port: number;
  /** Clients come over TLS 1.3. */
  readonly tls?: CertificateFiles;
  /** Clients may speak HTTP/2. */
  readonly http2?: boolean;
  readonly upstreams: readonly number[];
}

export const BACKLOG = 4096;
const MAX_CONNECTIONS = 4096;
/** A fixed answer of 54 bytes. */
export const SMALL_BODY = '{"message":"Hello from Server: S1","status":"success"}';

const nginxMain = (dir: string, user: string) => `${user}
worker_processes 1;
daemon off;
pid ${dir}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile ${MAX_CONNECTIONS * 4};
events { worker_connections ${MAX_CONNECTIONS * 2}; }`;

const nginxHttp = (dir: string) => `  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path ${dir}/client;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;`;

const nginxTls = ({ cert, key }: CertificateFiles) => `
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.3;
    ssl_session_tickets on;`;

/** Room for a body in memory: nginx's own is 8 KiB for a request's, and 32 KiB for an answer's. */
const NGINX_BUFFERS = `
      client_body_buffer_size 128k;
      proxy_buffer_size 16k;
      proxy_buffers 8 128k;
      proxy_busy_buffers_size 256k;
      proxy_max_temp_file_size 0;`;

/**
 * nginx as a peer; `user` is a `user …;` line, or nothing where the benchmark is not root. With `isTuned` its buffers
 * are large, else its own.
 */
export function nginxPeer(
  dir: string,
  user: string,
  { port, upstreams, tls, http2 }: PeerPorts,
  isTuned: boolean,
): string {
  return `${nginxMain(dir, user)}
http {
${nginxHttp(dir)}
  keepalive_timeout 75s;
  client_max_body_size 0;
  upstream replicas {
    hash $request_id consistent;
${upstreams.map((upstream) => `    server 127.0.0.1:${upstream};`).join('\n')}
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} backlog=${BACKLOG}${tls ? ' ssl' : ''}${http2 ? ' http2' : ''};${tls ? nginxTls(tls) : ''}
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_request_buffering off;${isTuned ? NGINX_BUFFERS : ''}
    }
  }
}
`;
}

/** HAProxy as a peer. */
export function haproxyPeer({ port, upstreams, tls, http2 }: PeerPorts): string {
  return `global
  nbthread 1
  maxconn ${MAX_CONNECTIONS}
  tune.pool-high-fd-ratio 90
  tune.pool-low-fd-ratio 80
defaults
  mode http
  timeout connect 2s
  timeout client 65s
  timeout server 60s
  timeout http-keep-alive 65s
  option forwardfor
  http-reuse always
frontend public
  bind 127.0.0.1:${port} backlog ${BACKLOG}${tls ? ` ssl crt ${tls.both} ssl-min-ver TLSv1.3 alpn ${http2 ? 'h2' : 'http/1.1'}` : ''}
  unique-id-format %[uuid]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto ${tls ? 'https' : 'http'}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend replicas
backend replicas
  balance hash unique-id
  hash-type consistent
${upstreams.map((upstream, i) => `  server S${i + 1} 127.0.0.1:${upstream} pool-max-conn 1024 pool-purge-delay 1h`).join('\n')}
`;
}

/** Caddy as a peer; it sets the X-Forwarded headers by itself. */
export function caddyPeer({ port, upstreams, tls }: PeerPorts): string {
  return `{
  admin off
  auto_https off
  log {
    output discard
  }
}
${tls ? 'https' : 'http'}://:${port} {
  bind 127.0.0.1${tls ? `\n  tls ${tls.cert} ${tls.key}` : ''}
  reverse_proxy ${upstreams.map((upstream) => `127.0.0.1:${upstream}`).join(' ')} {
    lb_policy round_robin
    header_up X-Request-Id {http.request.uuid}
    transport http {
      keepalive 1h
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
}
`;
}

/** The backend: one nginx worker that listens on every upstream port and counts what it answers. */
export function nginxBackend(dir: string, user: string, ports: readonly (number | string)[]): string {
  return `${nginxMain(dir, user)}
http {
${nginxHttp(dir)}
  keepalive_timeout 1h;
  sendfile on;
  open_file_cache max=16;
  default_type application/json;
  root ${dir}/files;
  server {
${ports.map((port) => `    listen 127.0.0.1:${port} backlog=${BACKLOG};`).join('\n')}
    location = /small { return 200 '${SMALL_BODY}'; }
    location = /count { stub_status; }
  }
}
`;
}
