import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { load, problemsOf } from '../helpers/options.ts';

describe('derived values', () => {
  it('give classic 512 slots and 9 vnodes up to 56 replicas', () => {
    const { algorithm, slots, vnodes, maxReplicas } = load('--classic');
    assert.deepEqual(
      { algorithm, slots, vnodes, maxReplicas },
      { algorithm: 'classic', slots: 512, vnodes: 9, maxReplicas: 56 },
    );
  });

  it('keep a maximum that fits the classic ring', () => {
    assert.equal(load('--classic --max-replicas 10').maxReplicas, 10);
  });

  it('give the ring 65536 slots and 160 virtual nodes', () => {
    const { slots, vnodes } = load('--algorithm ring');
    assert.deepEqual({ slots, vnodes }, { slots: 65_536, vnodes: 160 });
  });

  it('keep slots, virtual nodes and workers that are given', () => {
    const { slots, vnodes, workers } = load('--algorithm ring --slots 1000 --vnodes 7 --workers 5');
    assert.deepEqual({ slots, vnodes, workers }, { slots: 1000, vnodes: 7, workers: 5 });
  });

  it('have a load floor unless the hash key is request-id alone', () => {
    const floorOf = (options: string): number => load(options).loadFloor;
    assert.equal(floorOf('--hash-key cookie:sid'), 16);
    assert.equal(floorOf('--hash-key cookie:sid,request-id'), 16);
    assert.equal(floorOf('--hash-key header:x-request-id'), 16);
    assert.equal(floorOf('--hash-key client-ip --load-floor 3'), 3);
    assert.equal(floorOf('--hash-key path --load-floor 0'), 0);
    assert.equal(floorOf('--hash-key request-id --load-floor 3'), 0);
    assert.equal(floorOf('--hash-key request-id,request-id'), 0);
    assert.equal(floorOf('--classic'), 0);
  });

  it('count the servers of a fixed list as replicas', () => {
    const { replicas, maxReplicas } = load('--driver static --upstreams http://a:1,http://b:1');
    assert.deepEqual({ replicas, maxReplicas }, { replicas: 2, maxReplicas: 64 });
  });

  it('leave a fixed list no more room than the table has', () => {
    const servers = '--driver static --upstreams http://a:1,http://b:1';
    assert.equal(load(`${servers} --algorithm ring --slots 9`).maxReplicas, 8);
    assert.equal(load(`${servers} --max-replicas 1`).maxReplicas, 2);
  });
});

describe('cross-checks', () => {
  const one = '--driver static --upstreams http://a:1';
  const found = '--driver discover --source';
  const servers = Array.from({ length: 57 }, (_, index) => `http://a:${index + 1}`).join(',');
  const cases: readonly (readonly [args: string, problem: string])[] = [
    ['--driver static', '--driver static needs --upstreams http://host:port,http://host:port'],
    ['--upstreams http://a:1', '--upstreams needs --driver static, not process'],
    ['--replicas 65', '--replicas must be at most --max-replicas (64), not 65'],
    ['--replicas 5 --max-replicas 4', '--replicas must be at most --max-replicas (4), not 5'],
    [
      '--probe-interval 0',
      '--probe-interval 0 needs --driver static or discover: replicas that are started must be probed',
    ],
    ['--slots 65536', '--slots must be a prime number with algorithm maglev, such as 65537, not 65536'],
    ['--slots 61', '--slots must be more than --max-replicas (64), not 61'],
    ['--algorithm ring --slots 64', '--slots must be more than --max-replicas (64), not 64'],
    [
      '--classic --replicas 57',
      '--replicas must be at most 56, not 57: 512 slots of the classic ring hold 56 times 9 virtual nodes',
    ],
    [
      '--classic --max-replicas 57',
      '--max-replicas must be at most 56, not 57: 512 slots of the classic ring hold 56 times 9 virtual nodes',
    ],
    [
      '--algorithm classic --slots 20 --vnodes 10',
      '--replicas must be at most 2, not 3: 20 slots of the classic ring hold 2 times 10 virtual nodes',
    ],
    [
      `--classic --driver static --upstreams ${servers}`,
      '--upstreams must be at most 56, not 57: 512 slots of the classic ring hold 56 times 9 virtual nodes',
    ],
    ['--classic --algorithm ring', '--classic needs algorithm classic, and --algorithm is ring'],
    [
      '--proxy-protocol on',
      '--proxy-protocol needs --trusted-proxies: the addresses of the proxies that send the header',
    ],
    ['--tls-port 5443', '--tls-port needs --tls-cert and --tls-key, --tls-dir, or --acme-domains'],
    ['--acme-domains a.example --acme-dir d', '--acme-domains needs --tls-port'],
    [
      '--tls-port 5443 --acme-domains a.example',
      '--acme-domains needs --acme-dir, a directory that keeps the certificates',
    ],
    ['--acme-email a@b', '--acme-email needs --acme-domains'],
    ['--tls-port 5443 --tls-cert a,b --tls-key c', '--tls-cert and --tls-key must be as many, not 2 and 1'],
    ['--tls-port 5000 --tls-dir d', '--tls-port and --port must differ, both are 5000'],
    ['--tls-port 5001 --tls-dir d', '--tls-port and --admin-port must differ, both are 5001'],
    ['--hsts 5', '--hsts needs --tls-port'],
    ['--tls-redirect', '--tls-redirect needs --tls-port'],
    ['--rate-burst 5', '--rate-burst needs --rate-limit, such as 100/s'],
    ['--sticky-ttl 1h', '--sticky-ttl needs --sticky, such as --sticky ringlb'],
    ['--sticky on', '--sticky must be off, or the name of a cookie such as ringlb, not "on"'],
    ['--sticky OFF', '--sticky must be off, or the name of a cookie such as ringlb, not "OFF"'],
    [
      '--sticky sid --hash-key cookie:sid',
      '--sticky sid is a cookie of the application, which --hash-key reads; give the sticky cookie a name of its own',
    ],
    ['--sticky lb --sticky-secret=', '--sticky-secret must not be empty'],
    [
      '--sticky sid --hash-key path,cookie:sid',
      '--sticky sid is a cookie of the application, which --hash-key reads; give the sticky cookie a name of its own',
    ],
    ['--rate-key client-ip --rate-limit 0', '--rate-key needs --rate-limit, such as 100/s'],
    ['--access-log-file a.log', '--access-log-file needs --access-log json or combined'],
    ['--access-log-sample 1% --access-log off', '--access-log-sample needs --access-log json or combined'],
    ['--access-log-status 5xx', '--access-log-status needs --access-log json or combined'],
    ['--access-log-slower 1s', '--access-log-slower needs --access-log json or combined'],
    ['--on-exit keep', '--on-exit keep needs --driver docker or swarm, not process'],
    [
      '--admin-host 0.0.0.0',
      '--admin-host 0.0.0.0 is wider than loopback and needs --admin-token or --admin-token-file',
    ],
    [
      '--admin-host=',
      '--admin-host (all interfaces) is wider than loopback and needs --admin-token or --admin-token-file',
    ],
    [
      '--admin-host 127.0.0.1.example.org',
      '--admin-host 127.0.0.1.example.org is wider than loopback and needs --admin-token or --admin-token-file',
    ],
    ['--admin-token=', '--admin-token must not be empty'],
    ['--admin-token-file=', '--admin-token-file must not be empty'],
    ['--admin-token-scope admin', '--admin-token-scope needs --admin-token or --admin-token-file'],
    ['--take-over --port 0', '--take-over needs a --port and an --admin-port, not 0'],
    ['--take-over --admin-port 0', '--take-over needs a --port and an --admin-port, not 0'],
    ['--pool-members many', '--pool-members many needs --driver docker or swarm, not process'],
    [
      '--pool-members many --driver docker --classic',
      '--pool-members many and --classic do not go together: its table depends on the order of changes',
    ],
    ['--port 5001', '--port and --admin-port must differ, both are 5001'],
    ['--driver docker --command x', '--command needs --driver process, not docker'],
    [`${one} --image x`, '--image needs --driver docker or swarm, not static'],
    ['--replica-port 80', '--replica-port needs --driver docker or swarm, not process'],
    ['--network x', '--network needs --driver docker, swarm or discover, not process'],
    ['--engines tcp://a:1', '--engines needs --driver swarm, not process'],
    ['--constraints a==b', '--constraints needs --driver swarm, not process'],
    ['--swarm-publish host', '--swarm-publish needs --driver swarm, not process'],
    ['--swarm-heal 1s', '--swarm-heal needs --driver swarm, not process'],
    ['--driver discover', '--driver discover needs --source, such as dns:web.example:5000'],
    ['--source dns:a:1', '--source needs --driver discover, not process'],
    ['--resolver 10.0.0.2', '--resolver needs --driver discover, not process'],
    ['--discover-interval 1s', '--discover-interval needs --driver discover, not process'],
    ['--discover-grace 1s', '--discover-grace needs --driver discover, not process'],
    ['--pool x', '--pool needs --driver docker or swarm, not process'],
    ['--container-prefix x', '--container-prefix needs --driver docker, not process'],
    [
      '--algorithm rendezvous --vnodes 9',
      '--vnodes needs --algorithm ring or classic: rendezvous has no virtual nodes',
    ],
    ['--classic --weights S1=2', '--weights: the classic ring has no weights'],
    [`${one} --weights b:1=2`, '--weights names b:1, which is not one of --upstreams'],
    [`${one} --weights a:1=0`, '--weights must leave a server with a weight above 0'],
    ['--replicas 2 --weights S1=0,S2=0', '--weights must leave a replica with a weight above 0'],
    [
      '--balance p2c --hash-key path',
      '--hash-key needs --balance hash, not p2c, which places no request by a key',
    ],
    ['--vnodes 9', '--vnodes needs --algorithm ring or classic: maglev has no virtual nodes'],
    ['--slow-start-from 5%', '--slow-start-from needs --slow-start, such as --slow-start 30s'],
    [`${found} file:f --resolver 10.0.0.2`, '--resolver needs --source dns:… or srv:…'],
    [`${found} dns:a:1 --network n`, '--network needs --source docker:…'],
    [
      '--driver swarm --pool-members one',
      '--pool-members needs --driver docker: a pool of a Swarm is always shared',
    ],
    ['--driver docker --log-max-size 0 --log-max-files 5', '--log-max-files needs --log-max-size above 0'],
    ['--lenient-replicas on --upstream-protocol h2', '--lenient-replicas needs --upstream-protocol http1'],
  ];
  for (const [args, problem] of cases) {
    it(`report for "${args.slice(0, 60)}" "${problem.slice(0, 80)}"`, () => {
      assert.deepEqual(problemsOf(args), [problem]);
    });
  }

  for (const args of [
    '--port 0 --admin-port 0',
    '--admin-host localhost',
    '--admin-host ::1',
    '--admin-host 127.0.0.2',
    '--admin-host 0.0.0.0 --admin-token long-secret',
    '--admin-token long-secret --admin-token-scope admin',
    '--admin-token-scope both',
    '--driver docker --on-exit keep',
    '--driver swarm --on-exit keep',
    '--driver docker --pool-members many',
    '--driver swarm --pool-members many',
    '--take-over',
    '--access-log json --access-log-sample 1%',
    '--rate-limit 10/s --rate-burst 5',
    '--tls-port 5443 --tls-cert a --tls-key b',
    '--proxy-protocol on --trusted-proxies 10.0.0.0/8',
    '--sticky lb --hash-key cookie:sid,path',
    '--sticky sid --hash-key header:sid',
    '--driver discover --source dns:a:1 --max-replicas 2 --probe-interval 0',
    '--driver discover --source docker:a=b,dns:a:1 --network n --resolver 10.0.0.2 --discover-grace 0',
    '--driver docker --image x --network y --pool z --replica-port 80',
    '--command true',
    `${one} --probe-interval 0`,
    '--classic --algorithm classic',
    '--replicas 65 --max-replicas 65',
    '--slots 67',
    '--balance least',
    '--hash-key header:x-user,p2c',
    '--slow-start 30s --slow-start-from 5%',
    // of use once a reload changes the other
    '--balance p2c --load-factor 2 --load-floor 8',
    '--load-floor 8',
    '--retries 0 --retry-budget 50%',
    '--queue-depth 0 --queue-timeout 1s',
    `${one} --probe-interval 0 --probe-path /up --rise 1 --fall 1`,
    // of no harm in a list of options for any driver
    `${one} --replicas 3 --start-timeout 9s --stop-timeout 9s --replace-after 0`,
    `${one} --upstream-ca ca.pem --upstream-insecure`,
    `${found} file:f,srv:a --resolver 10.0.0.2`,
    '--driver docker --log-max-size 0',
  ]) {
    it(`accept "${args}"`, () => {
      assert.deepEqual(problemsOf(args), []);
    });
  }

  it('accept options of other drivers in the environment', () => {
    const shared = { LB_IMAGE: 'x', LB_NETWORK: 'y', LB_POOL: 'z', LB_REPLICA_PORT: '80', LB_VNODES: '9' };
    assert.deepEqual(problemsOf('', shared), []);
    assert.deepEqual(problemsOf('--driver docker', { LB_COMMAND: 'true' }), []);
  });

  it('accept options without effect in the environment', () => {
    assert.deepEqual(problemsOf('', { LB_SLOW_START_FROM: '5%' }), []);
  });

  it('name the conflicting variables', () => {
    assert.deepEqual(problemsOf('', { LB_REPLICAS: '5', LB_MAX_REPLICAS: '4' }), [
      'LB_REPLICAS must be at most LB_MAX_REPLICAS (4), not 5',
    ]);
  });

  it('skip checks on an option that failed to parse', () => {
    assert.deepEqual(problemsOf('--driver static --upstreams ftp://a').length, 1);
    assert.deepEqual(problemsOf('--driver x --upstreams http://a:1 --on-exit keep').length, 1);
    assert.deepEqual(problemsOf('--driver static --upstreams').length, 1);
  });
});

describe('options of autoscaling', () => {
  const problems = (options: string): string => problemsOf(options).join('\n');

  it('take the minimum from the number of replicas', () => {
    assert.equal(load('--replicas 2 --scale-max 5').scaleMin, 2);
    assert.equal(load('--replicas 2 --scale-max 5 --scale-min 1').scaleMin, 1);
  });

  it('allow a fleet of none that requests can wait for', () => {
    const zero = '--scale-max 5 --scale-min 0 --scale-idle 5m --queue-timeout 40s';
    assert.equal(load(zero).scaleMin, 0);
  });

  for (const [options, problem] of [
    ['--scale-min 1', '--scale-min needs --scale-max'],
    ['--scale-idle 1m', '--scale-idle needs --scale-max'],
    ['--scale-max 5 --scale-min 6', '--scale-min must be at most --scale-max (5), not 6'],
    ['--scale-max 2', '--replicas must be at most --scale-max (2), not 3'],
    ['--scale-max 65', '--scale-max must be at most --max-replicas (64), not 65'],
    ['--scale-max 5 --scale-target 0', '--scale-target must be a whole number from 1 to 1000000, not "0"'],
    ['--scale-max 5 --scale-target=-3', '--scale-target must be a whole number from 1 to 1000000, not "-3"'],
    ['--scale-max 5 --scale-window 500ms', '--scale-window must be from 1s to 1h, not "500ms"'],
    [
      '--scale-max 5 --scale-up-window 2m',
      '--scale-up-window must be at most --scale-window (60s), not 120s',
    ],
    ['--scale-max 5 --scale-min 0', '--scale-min 0 needs --scale-idle above 0'],
    ['--scale-max 5 --scale-idle 1m', '--scale-idle needs --scale-min 0, not 3'],
    [
      '--scale-max 5 --scale-min 0 --scale-idle 1m',
      '--scale-min 0 needs a --queue-timeout above --start-timeout (30s), not 5s: requests wait for the first replica',
    ],
    [
      '--scale-max 5 --scale-min 0 --scale-idle 1m --queue-timeout 40s --queue-depth 0',
      '--scale-min 0 needs --queue-depth above 0: requests wait for the first replica',
    ],
    [
      '--driver static --upstreams http://a:80 --scale-max 3',
      '--scale-max needs --driver process, docker or swarm, not static',
    ],
  ] as const) {
    it(`are refused as ${options}`, () => assert.equal(problems(options), problem));
  }
});
