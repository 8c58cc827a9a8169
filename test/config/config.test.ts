import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpus } from '../../lib/platform/cgroup.ts';
import { load, problemsOf } from '../helpers/options.ts';

describe('the options', () => {
  it('have the documented defaults', () => {
    const { workers, ...rest } = load('');
    assert.equal(workers, cpus().cores);
    assert.deepEqual(rest, {
      port: 5000,
      host: '',
      adminPort: 5001,
      adminHost: '127.0.0.1',
      adminToken: '',
      adminTokenFile: '',
      adminTokenScope: 'both',
      adminHosts: [],
      publicAdmin: true,
      tlsPort: 0,
      tlsCert: [],
      tlsKey: [],
      tlsDir: '',
      tlsMin: '1.2',
      tlsStrictSni: false,
      tlsClientCa: '',
      tlsTicketSecret: '',
      tlsRedirect: 'off',
      hsts: 0,
      http2: false,
      acmeDomains: [],
      acmeEmail: '',
      acmeDirectory: 'https://acme-v02.api.letsencrypt.org/directory',
      acmeDir: '',
      driver: 'process',
      replicas: 3,
      maxReplicas: 64,
      upstreams: [],
      upstreamCa: '',
      upstreamInsecure: false,
      upstreamProtocol: 'http1',
      source: [],
      discoverIntervalMs: 5000,
      discoverGraceMs: 30_000,
      resolver: [],
      engines: [],
      constraints: [],
      swarmPublish: 'auto',
      swarmHealMs: 2000,
      command: '',
      image: 'ringlb-replica',
      replicaPort: 5000,
      containerPrefix: '',
      network: 'ringlb',
      pool: 'ringlb',
      poolMembers: 'one',
      startTimeoutMs: 30_000,
      stopTimeoutMs: 10_000,
      drainTimeoutMs: 30_000,
      onExit: 'remove',
      env: [],
      envFile: [],
      secret: [],
      volume: [],
      tmpfs: [],
      readOnly: true,
      memoryBytes: undefined,
      cpus: 0,
      pids: 256,
      replicaUser: '',
      replicaCommand: [],
      workdir: '',
      stopSignal: '',
      replicaLabel: [],
      logMaxBytes: 10_485_760,
      logMaxFiles: 3,
      algorithm: 'maglev',
      slots: 65_537,
      vnodes: 0,
      hashKey: load('--hash-key request-id').hashKey,
      weights: [],
      slowStartMs: 0,
      slowStartFrom: 0.1,
      balance: 'hash',
      sticky: '',
      stickyTtlMs: 0,
      stickySecret: '',
      stickySecretFile: '',
      stickyOnOutage: 'move',
      loadFactor: 1.25,
      loadFloor: 0,
      maxInFlight: 256,
      queueDepth: 1024,
      queueTimeoutMs: 5000,
      classic: false,
      scaleMax: 0,
      scaleMin: 3,
      scaleTarget: 16,
      scaleUpWindowMs: 6000,
      scaleWindowMs: 60_000,
      scaleDownWindowMs: 300_000,
      scaleDownStep: 1,
      scaleIdleMs: 0,
      probePath: '/heartbeat',
      probeIntervalMs: 2000,
      probeTimeoutMs: 2000,
      rise: 2,
      fall: 3,
      probeExpect: [[200, 399]],
      probeHost: '',
      probeHeader: [],
      probePort: 0,
      replaceAfterMs: 30_000,
      panicThreshold: 0.5,
      ejectAfter: 5,
      ejectOutliers: true,
      retries: 2,
      retryBudget: 0.2,
      connectTimeoutMs: 2000,
      responseTimeoutMs: 30_000,
      idleTimeoutMs: 60_000,
      lenientReplicas: false,
      headerTimeoutMs: 10_000,
      bodyTimeoutMs: 30_000,
      sendTimeoutMs: 30_000,
      requestTimeoutMs: 0,
      keepAliveTimeoutMs: 65_000,
      maxHeadBytes: 65_536,
      maxHeaders: 256,
      maxTargetBytes: 16_384,
      maxBodyBytes: 0,
      maxConnections: 16_384,
      maxConnectionsPerClient: 0,
      rateLimit: 0,
      rateBurst: 1,
      rateKey: '',
      rateEntries: 65_536,
      trustedProxies: [],
      proxyProtocol: false,
      forwarded: false,
      via: false,
      rehearsal: true,
      parser: 'fast',
      takeOver: false,
      config: '',
      logLevel: 'info',
      replicaLogs: true,
      accessLog: 'off',
      accessLogFile: '-',
      accessLogSample: 1,
      accessLogStatus: [],
      accessLogMinMs: 0,
    });
  });

  it('read a value after = and a value that follows', () => {
    assert.equal(load('--port=8080').port, 8080);
    assert.equal(load('--port 8080').port, 8080);
  });

  it('prefer flag to environment, and environment to default', () => {
    assert.equal(load('', { LB_PORT: '7000' }).port, 7000);
    assert.equal(load('--port 8080', { LB_PORT: '7000' }).port, 8080);
  });

  it('ignore a variable that a flag overrides', () => {
    assert.equal(load('--port 8080', { LB_PORT: 'http' }).port, 8080);
  });

  it('take the last of a flag given twice', () => {
    assert.equal(load('--port 1 --port=2').port, 2);
  });

  it('treat an empty variable as unset', () => {
    assert.equal(load('', { LB_PORT: '', LB_ADMIN_HOST: '', LB_NO_SUCH: '' }).port, 5000);
  });

  it('ignore variables without the prefix LB_', () => {
    assert.equal(load('', { PORT: 'x', lb_port: 'x', __proto__: 'x' }).port, 5000);
  });

  it('accept an empty value where it has a meaning', () => {
    assert.equal(load('--host=').host, '');
    assert.equal(load('--upstreams=').upstreams.length, 0);
  });

  for (const [args, expected] of [
    ['--classic', true],
    ['--classic --port 1', true],
    ['--classic=off', false],
    ['--classic off', false],
    ['--classic=on', true],
    ['', false],
  ] as const) {
    it(`read "${args}" as classic ${expected ? 'on' : 'off'}`, () => {
      assert.equal(load(args).classic, expected);
    });
  }
});

describe('problems with options', () => {
  it('name the variable of a value', () => {
    assert.deepEqual(problemsOf('', { LB_PROBE_INTERVAL: 'soon' }), [
      'LB_PROBE_INTERVAL must be a duration such as 500ms, 2s or 1m, not "soon"',
    ]);
  });

  it('name an unknown variable', () => {
    assert.deepEqual(problemsOf('', { LB_REPLCIAS: '3' }), [
      'LB_REPLCIAS is not an option; did you mean LB_REPLICAS?',
    ]);
  });

  it('escape control characters in what they repeat', () => {
    assert.deepEqual(problemsOf('', { LB_PORT: '\u001b[2J\n' }), [
      'LB_PORT must be a whole number from 0 to 65535, not "\\u001b[2J\\n"',
    ]);
  });

  it('are all reported at once', () => {
    assert.deepEqual(problemsOf('--port x --prot 1 --on-exit keep', { LB_RISE: '0', LB_NONSENSE: '1' }), [
      'LB_NONSENSE is not an option',
      '--prot is not an option; did you mean --port?',
      '--port must be a whole number from 0 to 65535, not "x"',
      'LB_RISE must be a whole number from 1 to 1000, not "0"',
      '--on-exit keep needs --driver docker or swarm, not process',
    ]);
  });

  it('have one line each in the message', () => {
    assert.throws(() => load('--port x --rise x'), {
      name: 'ConfigError',
      message: /^--port .*\n--rise .*$/,
    });
  });
});
