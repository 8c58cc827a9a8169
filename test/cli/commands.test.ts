/** Commands against an admin port. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { succeeded } from '../../lib/admin/reply.ts';
import type { Route } from '../../lib/admin/routes/fleet.ts';
import { BalancerError } from '../../lib/platform/errors.ts';
import { REPLICA, type Running, runAdmin, SCALE } from '../helpers/admin/admin.ts';
import { keptOutput, runCommand } from '../helpers/cli/cli.ts';

const TOKEN = 'correct-horse-battery';

/** A route that notes what it is asked, and answers with `message`. */
function noting(asked: string[], path: string, methods: readonly string[], message: unknown): Route {
  return {
    path,
    methods,
    access: 'open',
    async handle({ method, query, body }) {
      asked.push(`${method} ${path}?${query} ${await body()}`.trimEnd());
      return succeeded(message);
    },
  };
}

const PREVIEW = {
  dryRun: true,
  N: 2,
  replicas: ['S1', 'S2'],
  added: [],
  removed: ['S3'],
  moved: 0.34,
  moves: [
    { from: 'S3', to: 'S1', share: 0.17 },
    { from: 'S3', to: null, share: 0.1699 },
  ],
  inFlight: 3,
  weight: 1,
  tunnels: 1,
};

const EXPLANATION = {
  key: 'al\u001bice',
  source: 'given',
  hashHex: '00c0ffee',
  algorithm: 'maglev',
  slot: 7,
  slots: 65_537,
  owner: 'S2',
  replica: 'S3',
  why: 'S2 owns it, but is unhealthy; S3 is the first after it that can take it',
  successors: [
    {
      name: 'S2',
      state: 'unhealthy',
      draining: false,
      inFlight: 0,
      bound: 2,
      cap: 256,
      verdict: 'not-eligible',
    },
    { name: 'S3', state: 'healthy', draining: false, inFlight: 1, bound: 2, cap: 256, verdict: 'takes' },
  ],
};

describe('a command', () => {
  let admin: Running;
  const asked: string[] = [];
  before(async () => {
    admin = await runAdmin({
      routes: [
        noting(asked, '/drain', ['POST'], { drained: ['S1'] }),
        noting(asked, '/undrain', ['POST'], { drained: [] }),
        noting(asked, '/explain', ['GET'], EXPLANATION),
      ],
    });
  });
  after(() => admin.stop());
  beforeEach(() => {
    asked.length = 0;
    admin.fleet.asked.length = 0;
    admin.fleet.state = { ready: true, draining: false, reason: '3 of 3 replicas are eligible' };
  });
  const run = (...args: string[]) => runCommand(admin.port, args);

  it('status shows the balancer, its ring and its replicas', async () => {
    assert.deepEqual(await run('status'), {
      lines: [
        '<green>ready</>: 3 of 3 replicas are eligible',
        'maglev, 65537 slots, table 4 1a2b3c4d, imbalance 1.00',
        '',
        'REPLICA  STATE              FOR  IN FLIGHT    SHARE  PROBES  RESTARTS  ENDPOINT',
        'S1       <green>healthy</>   1s          2  100.0 %     5/1         0  127.0.0.1:4001',
      ],
      notes: [],
      exitStatus: 0,
    });
  });

  it('status prints the response of the admin port as JSON', async () => {
    admin.fleet.state = { ready: false, draining: true, reason: 'The balancer is shutting down' };
    const { lines, exitStatus } = await run('status', '--json');
    const { ready, reason, N, replicas, ring } = JSON.parse(lines.join('\n'));
    assert.deepEqual(
      [ready, reason, N, replicas[0].name, ring.slots],
      [false, 'The balancer is shutting down', 1, 'S1', 65_537],
    );
    assert.equal(exitStatus, 0);
  });

  for (const columns of [40, 60, 80, 120]) {
    it(`status fits a terminal of ${columns} columns`, async () => {
      const long = { name: 'a-name-of-a-replica-that-is-long', cause: 'exit 1: Error: cannot find module x' };
      const replica = { ...REPLICA, ...long, state: 'starting', nextStartInMs: 12_000 } as const;
      admin.fleet.replicas = () => [REPLICA, replica];
      const written = keptOutput(false, columns);
      const { lines, exitStatus } = await runCommand(admin.port, ['status'], { written });
      admin.fleet.replicas = () => [REPLICA];
      assert.equal(exitStatus, 0);
      for (const line of lines) assert.ok(line.length <= columns, `${line.length}: ${line}`);
      assert.match(lines.at(-3)!, columns === 120 ? /^REPLICA.*SHARE.*ENDPOINT.*WHY$/ : /^REPLICA +STATE/);
      assert.match(lines.at(-1)!, /^a-name-of-a-rep/);
    });
  }

  it('status --watch repeats it in place of the previous output', async () => {
    const answers: (() => readonly (typeof REPLICA)[])[] = [
      () => [REPLICA],
      () => [{ ...REPLICA, name: 'S2' }],
      () => {
        throw new BalancerError('shutting-down');
      },
    ];
    admin.fleet.replicas = () => answers.shift()!();
    const written = keptOutput(false, 80);
    const { lines, notes, exitStatus } = await runCommand(admin.port, 'status -w --interval 1ms'.split(' '), {
      written,
    });
    admin.fleet.replicas = () => [REPLICA];
    assert.match(lines.at(-1)!, /^S2 /);
    assert.equal(lines.filter((line) => line.startsWith('REPLICA')).length, 1);
    assert.deepEqual([notes.length, exitStatus], [1, 1]);
  });

  for (const [args, change] of [
    ['add 2', 'add 2'],
    ['add web_a web_b', 'add 2 web_a,web_b'],
    ['add 3 web_a', 'add 3 web_a'],
    ['add 1 7', 'add 1 7'],
    ['rm S1', 'remove 1 S1'],
    ['rm 2', 'remove 2'],
    ['scale 5', 'scale 5'],
    ['scale 5 --force', 'scale 5 forced'],
    ['add 2 --force', 'add 2   forced'],
    ['rm 2 --force', 'remove 2  forced'],
  ] as const) {
    it(`${args} requests "${change}"`, async () => {
      const { lines, exitStatus } = await run(...args.split(' '));
      assert.deepEqual(admin.fleet.asked, [change]);
      assert.deepEqual([lines, exitStatus], [['3 replicas: S1 S2 S3'], 0]);
    });
  }

  for (const [args, change] of [
    ['scale', undefined],
    ['scale --min 1 --max 9 --target 8', 'settings {"min":1,"max":9,"target":8}'],
    ['scale --pause', 'settings {"paused":true}'],
    ['scale --resume --dry-run', 'preview settings {"paused":false}'],
  ] as const) {
    it(`${args} shows autoscaling`, async () => {
      const { lines, exitStatus } = await run(...args.split(' '));
      assert.deepEqual(admin.fleet.asked, change === undefined ? [] : [change]);
      assert.deepEqual([lines, exitStatus], [['autoscaling off: 3 of 3 replicas ready'], 0]);
    });
  }

  for (const args of [
    'add',
    'rm',
    'add 0',
    'add 1.5',
    'add 1e3',
    'add 12345678901',
    'rm 0.5',
    'status --watch --interval 2',
    'status --interval 2s',
    'scale --dry-run',
    'scale --force',
    'scale 5 --max 9',
    'scale --pause --resume',
    'scale --min x',
    'scale 0',
    'scale five',
    'scale 5 S1',
    'scale -1',
    'weight',
    'weight S1',
    'weight S1=-1',
    'weight S1=1.5',
    'weight S1=1 S1=2',
    'drain',
    'events now',
    'status now',
    'health now',
    'explain',
    'explain a b',
    'explain a --path /',
    'events -n x',
  ]) {
    it(`${args} is refused as wrong usage without a request`, async () => {
      const { notes, exitStatus } = await run(...args.split(' '));
      assert.equal(exitStatus, 2, notes.join());
      assert.deepEqual([...admin.fleet.asked, ...asked], []);
    });
  }

  it('scale with --dry-run requests a dry run', async () => {
    const { lines } = await run('scale', '4', '--dry-run');
    assert.deepEqual(admin.fleet.asked, ['preview scale 4']);
    assert.equal(lines[0], 'would add S4, which makes 4 replicas');
  });

  it('scale names the balancer that acts for the pool', async () => {
    const acting = { id: '0123abcd', title: 'process 4242 on box', admin: '', isSelf: false };
    for (const isSelf of [false, true]) {
      admin.fleet.scaleShown = { ...SCALE, acting: { ...acting, isSelf } };
      const { lines } = await run('scale');
      assert.equal(
        lines.at(-1),
        isSelf
          ? 'this balancer acts for the pool'
          : 'process 4242 on box acts for the pool, by the load of all balancers',
      );
    }
  });

  it('weight sets weights and shows all', async () => {
    const { lines } = await run('weight', 'S1=5', 'S2=0');
    assert.deepEqual(admin.fleet.asked, ['weight S1=5,S2=0']);
    assert.deepEqual(lines, ['weights: S1=5 S2=0 S3=1']);
  });

  it('weight with --dry-run shows what would move', async () => {
    const { lines } = await run('weight', 'S1=5', '--dry-run');
    assert.deepEqual(admin.fleet.asked, ['preview weight S1=5']);
    assert.deepEqual(lines.slice(0, 2), ['would give S1=5', 'moves 25.0 % of all keys']);
  });

  it('status shows weights when they differ', async () => {
    admin.fleet.replicas = () => [REPLICA, { ...REPLICA, name: 'S2', weight: 3 }];
    const { lines } = await run('status');
    admin.fleet.replicas = () => [REPLICA];
    assert.match(lines[3] ?? '', /IN FLIGHT +WEIGHT +SHARE/);
    assert.match(lines[5]!, /^S2 .* 3 +100\.0 %/);
  });

  it('status shows weights of 0 where none differs', async () => {
    admin.fleet.replicas = () => [{ ...REPLICA, weight: 0 }];
    const { lines } = await run('status');
    admin.fleet.replicas = () => [REPLICA];
    assert.match(lines[3] ?? '', /IN FLIGHT +WEIGHT +SHARE/);
  });

  it('prints the reason of a refusal, and exits with 1', async () => {
    const change = admin.fleet.change;
    admin.fleet.change = () =>
      Promise.reject(new BalancerError('bad-request', 'there is a replica called a already'));
    const { lines, notes, exitStatus } = await run('add', 'a');
    admin.fleet.change = change;
    assert.deepEqual(lines, []);
    assert.deepEqual(notes, ['there is a replica called a already']);
    assert.equal(exitStatus, 1);
  });

  it('drain and undrain name replicas', async () => {
    assert.deepEqual((await run('drain', 'S1', 'S2')).lines, [
      'S1 S2: no new requests; ringlb undrain puts an end to it',
    ]);
    assert.deepEqual((await run('undrain', 'S1', '--json')).lines, ['{\n  "drained": []\n}']);
    assert.deepEqual(asked, [
      'POST /drain? {"hostnames":["S1","S2"]}',
      'POST /undrain? {"hostnames":["S1"]}',
    ]);
  });

  it('explain shows the replica of a key, without control characters', async () => {
    const { lines } = await run('explain', 'al ice&x');
    assert.deepEqual(asked, ['GET /explain?key=al+ice%26x']);
    assert.deepEqual(lines, [
      'key      al\ufffdice (given)',
      'slot     7 of 65537, by maglev from hash 00c0ffee',
      'owner    S2',
      'goes to  <bold>S3</>: S2 owns it, but is unhealthy; S3 is the first after it that can take it',
      '',
      'IN ORDER  STATE              IN FLIGHT  BOUND  MOST  VERDICT',
      'S2        <red>unhealthy</>          0      2   256  not eligible',
      'S3        <green>healthy</>          1      2   256  takes',
    ]);
  });

  for (const columns of [40, 60, 80]) {
    it(`explain fits a terminal of ${columns} columns, and breaks no word`, async () => {
      const written = keptOutput(false, columns);
      const { lines } = await runCommand(admin.port, ['explain', 'alice'], { written });
      for (const line of lines) assert.ok(line.length <= columns, `${line.length}: ${line}`);
      const from = lines.findIndex((line) => line.startsWith('goes to'));
      const why = lines.slice(from, lines.indexOf('')).map((line) => line.slice(9));
      assert.equal(why.join(' '), `S3: ${EXPLANATION.why}`);
      assert.match(lines.at(-2)!, /^S2 +unhealthy .*not eligible$/);
    });
  }

  it('explain requests a path and headers', async () => {
    await run('explain', '--path', '/a?b=c', '--header', 'x-user=4,2', '--header', 'cookie=a=b');
    assert.deepEqual(asked, ['GET /explain?path=%2Fa%3Fb%3Dc&header.x-user=4%2C2&header.cookie=a%3Db']);
  });

  it('health exits with 0 if the balancer is ready, else 1', async () => {
    assert.deepEqual(await run('health'), {
      lines: ['3 of 3 replicas are eligible'],
      notes: [],
      exitStatus: 0,
    });
    admin.fleet.state = { ready: false, draining: false, reason: '0 of 3 replicas are eligible' };
    assert.deepEqual(await run('health', '--json'), {
      lines: ['{"ready":false,"reason":"0 of 3 replicas are eligible"}'],
      notes: [],
      exitStatus: 1,
    });
  });
});

describe('a dry run', () => {
  it('shows the keys that would move and the requests affected', async (t) => {
    const asked: string[] = [];
    const admin = await runAdmin({ routes: [noting(asked, '/rm', ['DELETE'], PREVIEW)] });
    t.after(() => admin.stop());
    const { lines } = await runCommand(admin.port, ['rm', 'S3', '--dry-run']);
    assert.deepEqual(asked, ['DELETE /rm?dry-run= {"n":1,"hostnames":["S3"]}']);
    assert.deepEqual(lines, [
      'would remove S3, which makes 2 replicas',
      'moves 34.0 % of all keys',
      'touches 3 requests in flight, 1 tunnel',
      '',
      'FROM  TO  OF ALL KEYS',
      'S3    S1       17.0 %',
      'S3    –        17.0 %',
    ]);
  });
});

describe('a dry run among many replicas', () => {
  it('shows the largest moves, and sums up the others', async (t) => {
    const moves = Array.from({ length: 30 }, (_, index) => ({ from: 'S1', to: `N${index}`, share: 0.01 }));
    const message = { ...PREVIEW, added: ['N0'], removed: [], moves };
    const admin = await runAdmin({ routes: [noting([], '/add', ['POST'], message)] });
    t.after(() => admin.stop());
    const { lines } = await runCommand(admin.port, ['add', '30', '--dry-run']);
    assert.deepEqual(lines.slice(-2), ['S1    N19        1.0 %', 'and 10 smaller ones, 10.0 % together']);
  });
});

describe('a command without a balancer', () => {
  it('exits with 3 if nothing listens, health with 1', async () => {
    const { notes, exitStatus } = await runCommand(1, ['status']);
    assert.equal(exitStatus, 3);
    assert.match(notes.join(), /^no balancer responds at http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/);
    assert.equal((await runCommand(1, ['health'])).exitStatus, 1);
  });

  it('says that the admin port does not speak TLS', async (t) => {
    const admin = await runAdmin();
    t.after(() => admin.stop());
    const { notes, exitStatus } = await runCommand(1, ['status', '--url', `https://127.0.0.1:${admin.port}`]);
    assert.equal(exitStatus, 3);
    assert.match(notes.join(), /: what responds does not speak TLS; the admin port is http:\/\/$/);
  });

  it('exits with 3 if something else responds', async (t) => {
    const server = createServer((_request, response) => response.end('<h1>hello</h1>')).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    t.after(() => server.close());
    const { notes, exitStatus } = await runCommand((server.address() as AddressInfo).port, ['status']);
    assert.equal(exitStatus, 3);
    assert.match(notes.join(), /is no balancer: 200$/);
  });

  it('says that a port is the public one', async (t) => {
    // as a balancer does: its own /rep, and a replica's 404 for everything else
    const server = createServer((request, response) => {
      const isRep = request.url === '/rep';
      response.writeHead(isRep ? 200 : 404, { 'content-type': 'application/json' });
      response.end(isRep ? '{"message":{"N":1,"replicas":["S1"]},"status":"successful"}' : 'not here');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { notes, exitStatus } = await runCommand(1, ['status', '--url', url]);
    assert.deepEqual(
      [notes, exitStatus],
      [
        [`${url} is the public port of a balancer, not its admin port (5001 unless --admin-port says else)`],
        3,
      ],
    );
  });

  it('exits with 3 if the response is cut', async (t) => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{');
      response.socket?.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    assert.equal((await runCommand((server.address() as AddressInfo).port, ['status'])).exitStatus, 3);
  });
});

describe('a command for a balancer with a token', () => {
  let admin: Running;
  before(async () => {
    admin = await runAdmin({ access: { token: TOKEN, adminHost: '' } });
  });
  after(() => admin.stop());

  it('sends its token', async () => {
    for (const args of [['status'], ['add', '1']]) {
      const { exitStatus } = await runCommand(admin.port, args, { environment: { LB_ADMIN_TOKEN: TOKEN } });
      assert.equal(exitStatus, 0);
      assert.equal((await runCommand(admin.port, [...args, '--admin-token', TOKEN])).exitStatus, 0);
    }
  });

  it('explains how to give a token if there is none', async () => {
    const { notes, exitStatus } = await runCommand(admin.port, ['status']);
    assert.deepEqual(notes, [
      'This needs the admin token (--admin-token, --admin-token-file, LB_ADMIN_TOKEN)',
    ]);
    assert.equal(exitStatus, 1);
  });

  it('says that a token is another', async () => {
    const { notes, exitStatus } = await runCommand(admin.port, ['status', '--admin-token', 'another-token']);
    assert.deepEqual(notes, [
      'This needs another admin token (--admin-token, --admin-token-file, LB_ADMIN_TOKEN)',
    ]);
    assert.equal(exitStatus, 1);
  });

  it('requests health without a token', async () => {
    assert.equal((await runCommand(admin.port, ['health'])).exitStatus, 0);
  });
});
