import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { load, problemsOf } from '../../helpers/options.ts';

describe('the text of an option', () => {
  for (const [text, expected] of [
    ['500ms', 500],
    ['2s', 2000],
    ['1.5s', 1500],
    ['1m', 60_000],
    ['24h', 86_400_000],
    ['1m30s', 90_000],
    ['1h0.5m250ms', 3_630_250],
  ] as const) {
    it(`reads ${text} as ${expected} milliseconds`, () => {
      assert.equal(load(`--queue-timeout ${text}`).queueTimeoutMs, expected);
    });
  }

  for (const text of ['30s1m', '1m1m', '1m 30s', 'm', '1.5']) {
    it(`rejects "${text}" as a duration`, () => {
      assert.match(problemsOf([`--queue-timeout=${text}`])[0] ?? '', /must be a duration such as/);
    });
  }

  for (const [text, expected] of [
    ['65536', 65_536],
    ['64k', 65_536],
    ['64KiB', 65_536],
    ['1MB', 1_048_576],
    ['1.5m', 1_572_864],
    ['2048b', 2048],
  ] as const) {
    it(`reads ${text} as ${expected} bytes`, () => {
      assert.equal(load(`--max-body-bytes ${text}`).maxBodyBytes, expected);
    });
  }

  it('rejects other sizes, and those out of range', () => {
    assert.deepEqual(problemsOf('--max-head-bytes 64x'), [
      '--max-head-bytes must be a size such as 65536, 64k or 1MB, not "64x"',
    ]);
    assert.deepEqual(problemsOf('--max-head-bytes 2MB'), [
      '--max-head-bytes must be from 1024 to 1048576 bytes, not "2MB"',
    ]);
  });

  it('rejects a bare fraction as a percentage, since it is ambiguous', () => {
    assert.deepEqual(problemsOf('--retry-budget 0.2'), [
      '--retry-budget must say its unit: 20% or 0.2%, not "0.2"',
    ]);
    assert.equal(load('--retry-budget 0.2%').retryBudget, 0.002);
    assert.equal(load('--retry-budget 0').retryBudget, 0);
  });

  it('rejects an empty command', () => {
    assert.deepEqual(problemsOf(['--command', '']), ['--command must not be empty']);
  });

  it('keeps line ends within one item of a list', () => {
    assert.deepEqual(problemsOf(['--probe-header', 'X-A: 1\nX-B: 2']), [
      '--probe-header must be a header such as "Authorization: Basic dXNlcg=="',
    ]);
  });

  it('reads a percentage as a share', () => {
    assert.equal(load('--retry-budget 35%').retryBudget, 0.35);
    assert.equal(load('--retry-budget 35').retryBudget, 0.35);
  });

  it('reads rates in requests a second', () => {
    assert.equal(load('--rate-limit 100/s').rateLimit, 100);
    assert.equal(load('--rate-limit 600/m').rateLimit, 10);
    assert.equal(load('--rate-limit 1800/h').rateLimit, 0.5);
    assert.equal(load('--rate-limit 0').rateLimit, 0);
    for (const wrong of ['100', '0/s', '1/d', '1.5/s', '-1/s', '/s'])
      assert.match(problemsOf(`--rate-limit=${wrong}`)[0]!, /must be 0 \(off\) or a rate such as/);
    assert.match(problemsOf('--rate-limit 100001/s')[0]!, /must be at most 100000\/s/);
  });

  it('lets a burst be a second’s worth unless it is said', () => {
    assert.equal(load('--rate-limit 100/s').rateBurst, 100);
    assert.equal(load('--rate-limit 1/m').rateBurst, 1);
    assert.equal(load('--rate-limit 1/m --rate-burst 5').rateBurst, 5);
  });

  it('reads what rates are counted by', () => {
    assert.equal(load('--rate-limit 1/s').rateKey, '');
    assert.equal(load('--rate-limit 1/s --rate-key header:X-User').rateKey, 'x-user');
    for (const wrong of ['header:', 'cookie:a', 'client-ip,path'])
      assert.match(
        problemsOf(`--rate-limit 1/s --rate-key ${wrong}`)[0]!,
        /must be client-ip or header:NAME/,
      );
  });

  it('reads statuses and classes of them', () => {
    const { accessLogStatus } = load('--access-log json --access-log-status 5xx,404,none');
    assert.deepEqual(accessLogStatus, ['5xx', '404', 'none']);
  });

  it('reads the statuses of a probe, and ranges of them', () => {
    assert.deepEqual(load('--probe-expect 200,301-308').probeExpect, [
      [200, 200],
      [301, 308],
    ]);
  });

  for (const text of ['', '2xx', '99', '100', '399-200', '200-', '200,,204', '600'])
    it(`rejects ${text || 'nothing'} as statuses of a probe`, () => {
      assert.match(
        problemsOf(`--probe-expect=${text}`)[0] ?? '',
        /^--probe-expect must be statuses from 200 on/,
      );
    });

  it('reads probe headers from flags and lines of the variable', () => {
    const both = load(['--probe-header', 'X-A: 1, 2', '--probe-header=Authorization:Basic x=']).probeHeader;
    assert.deepEqual(both, ['X-A: 1, 2', 'Authorization: Basic x=']);
    assert.deepEqual(load('', { LB_PROBE_HEADER: 'X-A: 1\nX-B: 2' }).probeHeader, ['X-A: 1', 'X-B: 2']);
    assert.deepEqual(load(['--probe-header', 'X-C: 3'], { LB_PROBE_HEADER: 'X-A: 1' }).probeHeader, [
      'X-C: 3',
    ]);
  });

  for (const [text, problem] of [
    ['nothing', /must be a header such as/],
    ['X A: 1', /must be a header such as/],
    ['X-A: 1\r2', /must be a header such as/],
    ['host: a', /must not be Host: give that as --probe-host/],
    ['Content-Length: 4', /must not be Content-Length/],
  ] as const)
    it(`rejects ${JSON.stringify(text)} as a header without repeating it`, () => {
      const [told = ''] = problemsOf(['--probe-header', text]);
      assert.match(told, problem);
      assert.ok(!told.includes(text));
    });

  it('reads the Host of probes, with a port or not', () => {
    for (const host of ['app.example', 'app.example:8080', '[::1]:80', ''])
      assert.equal(load(`--probe-host=${host}`).probeHost, host);
    assert.match(problemsOf('--probe-host=http://a')[0] ?? '', /must be a host name or address/);
  });

  it('reads a name prefix, also an empty one', () => {
    assert.equal(load('--driver docker --container-prefix=').containerPrefix, '');
    assert.equal(load('--driver docker --container-prefix shop-').containerPrefix, 'shop-');
  });

  it('reads - as standard output', () => {
    assert.equal(load('--access-log json --access-log-file -').accessLogFile, '-');
  });

  it('reads upstreams with weights', () => {
    const { upstreams } = load([
      '--driver',
      'static',
      '--upstreams',
      'http://a:1 weight=3, http://b weight=0 , http://c',
    ]);
    assert.deepEqual(upstreams, [
      { host: 'a', port: 1, weight: 3 },
      { host: 'b', port: 80, weight: 0 },
      { host: 'c', port: 80 },
    ]);
  });

  it('reads weights by name', () => {
    assert.deepEqual(load('--weights S1=2,S2=0').weights, [
      { name: 'S1', weight: 2 },
      { name: 'S2', weight: 0 },
    ]);
  });

  it('reads upstreams, IPv6 and the default port included', () => {
    const { upstreams } = load('--driver static --upstreams http://a:1,http://[::1]:2/,http://b');
    assert.deepEqual(upstreams, [
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
      { host: 'b', port: 80 },
    ]);
  });

  const long = 'x'.repeat(200);
  const cases: readonly (readonly [args: string, problem: string])[] = [
    ['--port http', '--port must be a whole number from 0 to 65535, not "http"'],
    ['--port 65536', '--port must be a whole number from 0 to 65535, not "65536"'],
    ['--port=', '--port must be a whole number from 0 to 65535, not ""'],
    ['--port=-1', '--port must be a whole number from 0 to 65535, not "-1"'],
    ['--port=1e3', '--port must be a whole number from 0 to 65535, not "1e3"'],
    ['--replicas 0', '--replicas must be a whole number from 1 to 1024, not "0"'],
    [`--port ${long}`, `--port must be a whole number from 0 to 65535, not "${'x'.repeat(80)}…"`],
    ['--port', '--port needs a value; one that begins with - is written --port=VALUE'],
    ['--port --host a', '--port needs a value; one that begins with - is written --port=VALUE'],
    ['--host a/b', '--host must be an IP address or a host name, not "a/b"'],
    ['--driver podman', '--driver must be process, docker, swarm, static or discover, not "podman"'],
    ['--classic=maybe', '--classic must be on or off, not "maybe"'],
    ['--probe-interval 2', '--probe-interval must be a duration such as 500ms, 2s or 1m, not "2"'],
    ['--probe-timeout 0s', '--probe-timeout must be above zero, not "0s"'],
    ['--probe-timeout 600h', '--probe-timeout must be at most 24 days, not "600h"'],
    ['--probe-path heartbeat', '--probe-path must be a path that begins with /, not "heartbeat"'],
    ['--load-factor 0.5', '--load-factor must be 0 (off) or a number from 1, such as 1.25, not "0.5"'],
    [
      '--access-log json --access-log-status 5xx,6xx',
      '--access-log-status must be statuses such as 404, 5xx or none (see "6xx"), not "5xx,6xx"',
    ],
    ['--access-log xml', '--access-log must be off, json or combined, not "xml"'],
    [
      '--access-log json --access-log-file=',
      '--access-log-file must be a file, or - for standard output, not ""',
    ],
    ['--retry-budget 101%', '--retry-budget must be a percentage from 0% to 100%, not "101%"'],
    ['--admin-token=a,b', '--admin-token must be letters, digits and - . _ ~ + / only, then = if any'],
    ['--admin-token=seven77', '--admin-token must have 8 characters or more'],
    ['--admin-hosts a.b,c:80', '--admin-hosts must be host names without ports (see "c:80"), not "a.b,c:80"'],
    ['--admin-hosts a..b', '--admin-hosts must be host names without ports (see "a..b"), not "a..b"'],
    [
      '--driver docker --image -x',
      '--image needs a value; one that begins with - is written --image=VALUE|-x is not an option',
    ],
    ['--driver docker --image=-x', '--image must be an image reference such as name:tag, not "-x"'],
    ['--driver docker --pool a;b', '--pool must be a name of up to 63 letters, digits, _ . and -, not "a;b"'],
    [
      '--driver docker --container-prefix=-x',
      '--container-prefix must be empty, or up to 63 letters, digits, _ . and - that begin with a letter or a digit, not "-x"',
    ],
    [
      '--driver static --upstreams http://a:1,ftp://b',
      '--upstreams must be a comma-separated list of http://host:port (see "ftp://b"), not "http://a:1,ftp://b"',
    ],
    [
      '--driver static --upstreams http://a:80,http://a',
      '--upstreams must not name a server twice, not "http://a:80,http://a"',
    ],
    ['--prot 1', '--prot is not an option; did you mean --port?'],
    ['--max-replcias=1', '--max-replcias is not an option; did you mean --max-replicas?'],
    ['--nothing-like-it', '--nothing-like-it is not an option'],
    ['--admin-tokn=secret', '--admin-tokn is not an option; did you mean --admin-token?'],
    ['-xyz', '-xyz is not an option'],
    ['--__proto__=1', '--__proto__ is not an option'],
  ];
  for (const [args, problem] of cases) {
    it(`reports for "${args.slice(0, 60)}" "${problem.slice(0, 80)}"`, () => {
      assert.equal(problemsOf(args).join('|'), problem);
    });
  }

  it('reads servers that are spoken to over TLS', () => {
    assert.deepEqual(load('--driver static --upstreams https://a,https://b:8443').upstreams, [
      { host: 'a', port: 443, tls: true },
      { host: 'b', port: 8443, tls: true },
    ]);
  });

  for (const upstream of [
    'http://a:1/x',
    'http://a:1?x',
    'http://u@a:1',
    'https://a:0',
    'a:1',
    'http://a:0',
    'http://:1',
    ',',
    'http://a:99999',
  ]) {
    it(`rejects ${upstream} as an upstream`, () => {
      assert.match(
        problemsOf(`--driver static --upstreams ${upstream}`).join('|'),
        /^--upstreams must be a comma/,
      );
    });
  }
});
