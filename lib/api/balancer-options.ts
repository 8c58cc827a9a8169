/**
 * The options of `startBalancer`: those of the command line in camel case. Generated from the table of options by
 * `npm run docs`.
 */
export interface BalancerOptions {
  // Listening
  /** public port (0 to 65535; default 5000) */
  readonly port?: number | string;
  /** public address; empty is all interfaces (address) */
  readonly host?: string;
  /** public port for TLS; 0 is none (0 to 65535; default 0) */
  readonly tlsPort?: number | string;
  /** certificates with their chains, in PEM; the first is for clients that name no host (list of files) */
  readonly tlsCert?: readonly string[] | string;
  /** their private keys, in the same order (list of files) */
  readonly tlsKey?: readonly string[] | string;
  /** directory of certificates: each NAME.pem has a certificate, its chain and its key (file) */
  readonly tlsDir?: string;
  /** oldest version of TLS (1.2 or 1.3; default 1.2) */
  readonly tlsMin?: string;
  /** on refuses clients that name a host without a certificate (on or off; default off) */
  readonly tlsStrictSni?: boolean;
  /** authorities in PEM; clients must present a certificate of one of them (file) */
  readonly tlsClientCa?: string;
  /** file with a secret of 32 bytes or more, shared by balancers that resume the sessions of each other; empty is random (file) */
  readonly tlsTicketSecret?: string;
  /** on redirects plain requests to the TLS port, a number to that port, such as 443 (on, off or a port; default off) */
  readonly tlsRedirect?: boolean | string;
  /** max-age of Strict-Transport-Security on TLS responses, in seconds; 0 sends none (0 to 1000000000; default 0) */
  readonly hsts?: number | string;
  /** on offers HTTP/2 to TLS clients (on or off; default off) */
  readonly http2?: boolean;
  /** get a certificate for each of these host names from an ACME server, and renew it (list of host names) */
  readonly acmeDomains?: readonly string[] | string;
  /** address for the ACME server's notices (e-mail address) */
  readonly acmeEmail?: string;
  /** where the ACME server says what it offers (its directory) (https URL; default https://acme-v02.api.letsencrypt.org/directory) */
  readonly acmeDirectory?: string;
  /** directory that keeps the account key and the certificates; balancers may share it (file) */
  readonly acmeDir?: string;
  /** admin port (0 to 65535; default 5001) */
  readonly adminPort?: number | string;
  /** admin address; wider than loopback needs a token (address; default 127.0.0.1) */
  readonly adminHost?: string;
  /** bearer token that changes then need, on both ports; on a wider admin port all but /healthz, /readyz and the dashboard needs it (token) */
  readonly adminToken?: string;
  /** file that holds the token, read once at start (file) */
  readonly adminTokenFile?: string;
  /** ports that the token guards: both, or the admin port alone; /add, /rm and /scale on the public port are then as without a token (both or admin; default both) */
  readonly adminTokenScope?: string;
  /** further host names under which the admin port may be accessed (list of host names) */
  readonly adminHosts?: readonly string[] | string;
  /** on serves /rep, /add, /rm and /scale on the public port too; off routes these paths to the replicas (on or off; default on) */
  readonly publicAdmin?: boolean;
  // Replicas
  /** what the replicas run on (process, docker, swarm, static or discover; default process) */
  readonly driver?: string;
  /** replicas to start with (1 to 1024; default 3) */
  readonly replicas?: number | string;
  /** maximum number of replicas (1 to 1024; default 64) */
  readonly maxReplicas?: number | string;
  /** static: the fixed list of servers (list of http://host:port) */
  readonly upstreams?: readonly string[] | string;
  /** discover: where servers are looked up (list of docker:LABEL=VALUE, dns:HOST:PORT, srv:NAME, file:PATH) */
  readonly source?: readonly string[] | string;
  /** discover: time between lookups of a source; DNS records with a shorter TTL are looked up as often as that says, at most once a second (duration; default 5s) */
  readonly discoverInterval?: number | string;
  /** discover: how long a list that is empty or lacks more than half of the servers is ignored (duration; default 30s) */
  readonly discoverGrace?: number | string;
  /** discover: name servers; empty is the system's (list of address or address:port) */
  readonly resolver?: readonly string[] | string;
  /** authorities in PEM, beside those of Node.js, for servers given as https:// (file) */
  readonly upstreamCa?: string;
  /** on does not verify certificates of servers given as https:// (on or off; default off) */
  readonly upstreamInsecure?: boolean;
  /** what replicas speak: http1, or h2 for HTTP/2 by prior knowledge, which gRPC servers need (http1 or h2; default http1) */
  readonly upstreamProtocol?: string;
  /** process: what to run as a replica, given PORT and SERVER_ID; empty is the sample replica (shell command) */
  readonly command?: string;
  /** docker, swarm: the image of a replica (image; default ringlb-replica) */
  readonly image?: string;
  /** docker, swarm: the port a replica listens on in its container (1 to 65535; default 5000) */
  readonly replicaPort?: number | string;
  /** docker, swarm: the replicas' network; a balancer in a container uses its own, if that is not the engine's default bridge (name; default ringlb) */
  readonly network?: string;
  /** docker, swarm: name of the fleet; each balancer on an engine needs a pool of its own (name; default ringlb) */
  readonly pool?: string;
  /** docker: many lets several balancers share the pool and the port of a host; a pool of a Swarm is always shared (one or many; default one) */
  readonly poolMembers?: string;
  /** docker: prefix of container names, before the replica's own name (name prefix) */
  readonly containerPrefix?: string;
  /** swarm: managers, asked in turn; empty is the usual engine's (list of unix:///path or tcp://host:port) */
  readonly engines?: string;
  /** swarm: on which nodes replicas may be (list of key==value or key!=value) */
  readonly constraints?: string;
  /** swarm: overlay reaches replicas at their own addresses, host at ports that their nodes publish; auto is overlay where the balancer's container is on one (auto, overlay or host; default auto) */
  readonly swarmPublish?: string;
  /** swarm: how long a replica may give no sign of life before another is forced in its place; 0 leaves that to probes and Swarm (duration; default 2s) */
  readonly swarmHeal?: number | string;
  /** time limit from a start until the replica is healthy (duration; default 30s) */
  readonly startTimeout?: number | string;
  /** time from the stop signal to the kill (duration; default 10s) */
  readonly stopTimeout?: number | string;
  /** time limit for requests in flight when a replica or the balancer shuts down (duration; default 30s) */
  readonly drainTimeout?: number | string;
  /** keep leaves the replicas running for the next start to adopt (docker) (remove or keep; default remove) */
  readonly onExit?: string;
  // What a replica is given
  /** environment variable of a replica; NAME alone passes on that of the balancer; may be given several times (NAME=VALUE) */
  readonly env?: Readonly<Record<string, string>> | readonly string[] | string;
  /** file of environment variables, a NAME=VALUE in each line; may be given several times, --env overrides it (file) */
  readonly envFile?: readonly string[] | string;
  /** containers: file mounted read-only at /run/secrets/NAME; may be given several times (NAME=FILE) */
  readonly secret?: Readonly<Record<string, string>> | readonly string[] | string;
  /** containers: volume or path of the host, mounted at DST; may be given several times (SRC:DST[:ro]) */
  readonly volume?: readonly string[] | string;
  /** containers: file system in memory, 64m unless SIZE says otherwise; may be given several times (DST[:SIZE]) */
  readonly tmpfs?: readonly string[] | string;
  /** containers: read-only root file system, with a tmpfs at /tmp; off makes it writable (on or off; default on) */
  readonly readOnly?: boolean;
  /** memory limit of a replica; 0 is unlimited; by default 512m for a container and none for a process (size) */
  readonly memory?: string;
  /** CPU limit of a replica, such as 1.5; 0 is unlimited (number; default 0) */
  readonly cpus?: number | string;
  /** containers: maximum of processes and threads of a replica; 0 is unlimited (0 to 4194304; default 256) */
  readonly pids?: number | string;
  /** containers: user a replica runs as; empty is that of the image, and 65534 (nobody) where that is root (user[:group]) */
  readonly replicaUser?: string;
  /** containers: arguments of the image in place of its own, split as by a shell (words) */
  readonly replicaCommand?: string;
  /** working directory of a replica; empty is that of the image or the balancer (directory) */
  readonly workdir?: string;
  /** signal that stops a replica; empty is that of the image, else SIGTERM (signal) */
  readonly stopSignal?: string;
  /** containers: label of a container; may be given several times (NAME=VALUE) */
  readonly replicaLabel?: Readonly<Record<string, string>> | readonly string[] | string;
  /** containers: size at which a container's log is rotated (json-file); 0 leaves logging to the engine (size; default 10m) */
  readonly logMaxSize?: number | string;
  /** containers: files kept of it, the current one included (1 to 1000; default 3) */
  readonly logMaxFiles?: number | string;
  // Routing
  /** how slots are assigned to replicas (maglev, rendezvous, ring or classic; default maglev) */
  readonly algorithm?: string;
  /** slots of the table; 0 is maglev 65537 (always a prime), rendezvous 65536 (131072 with --max-replicas above 64), ring 65536, classic 512 (0 to 16777216; default 0) */
  readonly slots?: number | string;
  /** virtual nodes of a replica; 0 is ring 160, classic 9; maglev and rendezvous have none (0 to 10000; default 0) */
  readonly vnodes?: number | string;
  /** comma-separated sources, of which the first present is hashed: request-id, client-ip, path, uri, header:NAME, cookie:NAME, query:NAME; p2c, as the last, places requests without any of these by load (list; default request-id) */
  readonly hashKey?: readonly string[] | string;
  /** weights of replicas, such as S1=2,S2=1: shares of the keys in proportion, 1 where none is given, 0 for no requests (list of NAME=WEIGHT) */
  readonly weights?: string;
  /** time in which a new instance of a replica, or one that was drained, gets a growing part of its keys; 0 is off (duration; default 0) */
  readonly slowStart?: number | string;
  /** part of its keys with which a slow start begins (percentage; default 10%) */
  readonly slowStartFrom?: number | string;
  /** hash sends a request to the owner of its key, p2c to the less loaded of two random replicas, least to the least loaded of all (hash, p2c or least; default hash) */
  readonly balance?: string;
  /** name of a cookie that keeps a client on the replica which served it first; off sets none (off or the name of a cookie; default off) */
  readonly sticky?: string;
  /** lifetime of that cookie from when it is set; 0 is until the browser is closed (duration; default 0) */
  readonly stickyTtl?: number | string;
  /** secret from which its values are made, the same for balancers that share clients; empty is made from the admin token, else from the name of the pool (secret) */
  readonly stickySecret?: string;
  /** file that holds that secret, read at start and reload (file) */
  readonly stickySecretFile?: string;
  /** move gives a client whose replica cannot serve the cookie of another; keep leaves it, for when the replica is back (move or keep; default move) */
  readonly stickyOnOutage?: string;
  /** bounded load: maximum of requests in flight on a replica, as a multiple of the mean; 0 is off (0, or a number from 1; default 1.25) */
  readonly loadFactor?: number | string;
  /** minimum of the load bound, where the hash key is not request-id alone (0 to 1000000; default 16) */
  readonly loadFloor?: number | string;
  /** maximum of requests in flight on one replica (1 to 1000000; default 256) */
  readonly maxInFlight?: number | string;
  /** maximum of requests that wait for a replica (0 to 1000000; default 1024) */
  readonly queueDepth?: number | string;
  /** time limit for waiting for a replica (duration; default 5s) */
  readonly queueTimeout?: number | string;
  /** the textbook system: algorithm classic, random names, also for what replaces a dead replica; a replica's 404 becomes a 400 (on or off; default off) */
  readonly classic?: boolean;
  // Autoscaling
  /** autoscaling: maximum number of replicas; 0 is off (0 to 1024; default 0) */
  readonly scaleMax?: number | string;
  /** autoscaling: minimum number of replicas; empty is that of --replicas, 0 needs --scale-idle (0 to 1024) */
  readonly scaleMin?: number | string;
  /** autoscaling: requests in flight or waiting for each replica (1 to 1000000; default 16) */
  readonly scaleTarget?: number | string;
  /** autoscaling: time over which a sudden load is measured (duration; default 6s) */
  readonly scaleUpWindow?: number | string;
  /** autoscaling: time over which the load is measured (duration; default 60s) */
  readonly scaleWindow?: number | string;
  /** autoscaling: time in which nothing may have needed a replica before it is removed (duration; default 5m) */
  readonly scaleDownWindow?: number | string;
  /** autoscaling: replicas that are removed at a time, every 30 s (1 to 1024; default 1) */
  readonly scaleDownStep?: number | string;
  /** autoscaling: time without requests after which a fleet with --scale-min 0 is removed (duration; default 0) */
  readonly scaleIdle?: number | string;
  // Health
  /** path of health probes (path; default /heartbeat) */
  readonly probePath?: string;
  /** statuses of a ready replica; with any other it gets no requests (list of 200, 200-399; default 200-399) */
  readonly probeExpect?: readonly string[] | string;
  /** Host header of probes, for an application with a list of allowed hosts; empty is the replica's address (host) */
  readonly probeHost?: string;
  /** additional header of probes; may be given several times (Name: value) */
  readonly probeHeader?: readonly string[] | string;
  /** port of probes; 0 is the port of requests (0 to 65535; default 0) */
  readonly probePort?: number | string;
  /** time between probes; 0 is off (static only) (duration; default 2s) */
  readonly probeInterval?: number | string;
  /** time limit for the response to a probe (duration; default 2s) */
  readonly probeTimeout?: number | string;
  /** consecutive passes that make a replica healthy (1 to 1000; default 2) */
  readonly rise?: number | string;
  /** consecutive failures that make it unhealthy (1 to 1000; default 3) */
  readonly fall?: number | string;
  /** how long a replica may respond without being ready before it is replaced; 0 is forever (duration; default 30s) */
  readonly replaceAfter?: number | string;
  /** with more than this share of the fleet not ready, all replicas that respond to probes get requests, and none is replaced for it; 100% is never (percentage; default 50%) */
  readonly panicThreshold?: number | string;
  /** consecutive failed requests after which a replica is ejected; 0 is off (0 to 1000000; default 5) */
  readonly ejectAfter?: number | string;
  /** eject a replica that fails more than half of its requests and three times the share of the others (on or off; default on) */
  readonly ejectOutliers?: boolean;
  // Upstream
  /** maximum of retries of a request, each on another replica (0 to 100; default 2) */
  readonly retries?: number | string;
  /** maximum of retries as a share of requests; 3 at a time are always allowed, and unless 0% each thread has 32 in reserve (percentage; default 20%) */
  readonly retryBudget?: number | string;
  /** time limit for establishing a connection (duration; default 2s) */
  readonly connectTimeout?: number | string;
  /** time limit for receiving the response head (duration; default 30s) */
  readonly responseTimeout?: number | string;
  /** time limit between two bytes of the response body, or in a tunnel (duration; default 60s) */
  readonly idleTimeout?: number | string;
  /** on accepts malformed response heads: line ends without CR, control bytes (which become spaces), folded lines; off responds 502 (on or off; default off) */
  readonly lenientReplicas?: boolean;
  // Downstream
  /** time limit for receiving the request head (duration; default 10s) */
  readonly headerTimeout?: number | string;
  /** time limit between two bytes of the request body (duration; default 30s) */
  readonly bodyTimeout?: number | string;
  /** time limit for the client to accept more of the response (duration; default 30s) */
  readonly sendTimeout?: number | string;
  /** time limit from the request head to the end of the response; 0 is off (duration; default 0) */
  readonly requestTimeout?: number | string;
  /** time limit for an idle connection (duration; default 65s) */
  readonly keepAliveTimeout?: number | string;
  /** maximum size of a request head: request line and headers (size; default 65536) */
  readonly maxHeadBytes?: number | string;
  /** maximum number of headers of a request (8 to 10000; default 256) */
  readonly maxHeaders?: number | string;
  /** maximum length of a request target (size; default 16384) */
  readonly maxTargetBytes?: number | string;
  /** maximum size of a request body; 0 is unlimited (size; default 0) */
  readonly maxBodyBytes?: number | string;
  /** maximum of client connections per thread, within the limit on open files (1 to 1000000; default 16384) */
  readonly maxConnections?: number | string;
  /** maximum of connections of one client address over all threads, except trusted proxies; 0 is unlimited (0 to 1000000; default 0) */
  readonly maxConnectionsPerClient?: number | string;
  /** maximum request rate of a client, as 100/s, 600/m or 5000/h; beyond it the response is 429; 0 is off (0, or a number a s, m or h; default 0) */
  readonly rateLimit?: number | string;
  /** requests that a client may send at once after a pause; 0 is the number of one second (0 to 1000000; default 0) */
  readonly rateBurst?: number | string;
  /** what identifies a client: client-ip (IPv6 by its /64), or header:NAME, with the address where it is absent (client-ip or header:NAME; default client-ip) */
  readonly rateKey?: string;
  /** clients whose rate is tracked at a time; the least recently seen are forgotten (1024 to 16777216; default 65536) */
  readonly rateEntries?: number | string;
  /** whose X-Forwarded-… and Forwarded headers are trusted and appended to (list of addresses and CIDR blocks) */
  readonly trustedProxies?: readonly string[] | string;
  /** on expects a PROXY protocol header (version 1 or 2) on connections from trusted proxies, and takes the client address from it (on or off; default off) */
  readonly proxyProtocol?: boolean;
  /** send Forwarded (RFC 7239) beside the X-Forwarded-… headers (on or off; default off) */
  readonly forwarded?: boolean;
  /** add Via to requests and responses (on or off; default off) */
  readonly via?: boolean;
  // The process
  /** data-plane threads; 0 is one per core, within the CPU quota of the cgroup, rounded up (0 to 256; default 0) */
  readonly workers?: number | string;
  /** each data-plane thread serves itself for up to 0.5 s before it is ready, so that the first clients do not wait for code to be compiled (on or off; default on) */
  readonly rehearsal?: boolean;
  /** parser of requests: the balancer's own, or node for that of Node's HTTP server, at several times the cost (fast or node; default fast) */
  readonly parser?: string;
  /** take the place of the balancer that runs on the same ports, without losing a request (on or off; default off) */
  readonly takeOver?: boolean;
  /** file of options, in YAML: names as below, without the dashes in front; a flag or a variable beats it (file) */
  readonly config?: string;
  /** minimum log level (debug, info, warn, error or silent; default info) */
  readonly logLevel?: string;
  /** on shows what replicas print in the log too (level info); process and docker (on or off; default on) */
  readonly replicaLogs?: boolean;
  // Access log
  /** a line for each request: JSON, or the combined format with further fields (off, json or combined; default off) */
  readonly accessLog?: string;
  /** its file, which is reopened on SIGHUP; - is standard output (file or -; default -) */
  readonly accessLogFile?: string;
  /** share of requests that are logged (percentage; default 100%) */
  readonly accessLogSample?: number | string;
  /** only requests with these statuses or classes, none for no response; empty is all (list of 404, 5xx, none) */
  readonly accessLogStatus?: readonly string[] | string;
  /** only requests that took at least this long (duration; default 0) */
  readonly accessLogSlower?: number | string;
}
