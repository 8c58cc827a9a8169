/** One probe on the wire: what it asks, and what it makes of what comes back. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createProbe, type ProbeOptions } from '../../../lib/fleet/health/probe.ts';
import { FakeReplica } from '../../helpers/proxy/replica.ts';

const OPTIONS: ProbeOptions = {
  probePath: '/heartbeat',
  probeHost: '',
  probePort: 0,
  probeHeader: [],
  probeExpect: [[200, 399]],
  probeTimeoutMs: 10_000,
  probeIntervalMs: 2000,
  connectTimeoutMs: 10_000,
};

async function open(t: TestContext): Promise<FakeReplica> {
  const replica = await FakeReplica.open();
  t.after(() => replica.close());
  return replica;
}

function probe(port: number, more: Partial<ProbeOptions> = {}) {
  return createProbe({ ...OPTIONS, ...more }, 0)({ host: '127.0.0.1', port }, false);
}

/** What a probe makes of these bytes, sent one write after the other. */
async function found(t: TestContext, pieces: readonly string[], more: Partial<ProbeOptions> = {}) {
  const replica = await open(t);
  const result = probe(replica.port, more);
  const connection = await replica.next();
  await connection.request();
  for (const piece of pieces) {
    connection.send(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (pieces.length === 0) connection.end();
  const { outcome, detail } = await result;
  return `${outcome}: ${detail}`;
}

test("a probe requests the path at the replica's address and closes", async (t) => {
  const replica = await open(t);
  void probe(replica.port);
  const request = await (await replica.next()).request();
  assert.equal(request.startLine, 'GET /heartbeat HTTP/1.1');
  assert.deepEqual(request.pairs, [
    ['Host', `127.0.0.1:${replica.port}`],
    ['User-Agent', 'ringlb-probe'],
    ['Connection', 'close'],
  ]);
});

test('a probe has the configured host, port and headers', async (t) => {
  const [replica, beside] = [await open(t), await open(t)];
  void probe(replica.port, {
    probeHost: 'app.example',
    probePort: beside.port,
    probeHeader: ['X-Probe: yes', 'User-Agent: curl'],
  });
  const request = await (await beside.next()).request();
  assert.deepEqual(request.pairs, [
    ['Host', 'app.example'],
    ['X-Probe', 'yes'],
    ['User-Agent', 'curl'],
    ['Connection', 'close'],
  ]);
  assert.equal(replica.connections.length, 0);
});

for (const [what, pieces, expected] of [
  ['a status that is expected', ['HTTP/1.1 204 No Content\r\n\r\n'], 'passed: 204'],
  ['another status', ['HTTP/1.1 503 Busy\r\n\r\n'], 'not-ready: 503'],
  ['a status line without a reason', ['HTTP/1.0 200\r\n'], 'passed: 200'],
  ['a status line in pieces', ['HT', 'TP/1.', '1 2', '00 O', 'K\r\n'], 'passed: 200'],
  ['a body that does not end', ['HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'], 'passed: 200'],
  [
    'interim responses before the final one',
    ['HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    'passed: 200',
  ],
  ['what is no HTTP', ['SSH-2.0-OpenSSH_9.2\r\n'], 'closed: its response is no HTTP/1.1'],
  ['what begins like HTTP and is none', ['HTTP/1.1 OK\r\n'], 'closed: its response is no HTTP/1.1'],
  ['nothing but the end of the connection', [], 'closed: connection closed without a response'],
] as const) {
  test(`a probe that gets ${what} says ${expected}`, async (t) => {
    assert.equal(await found(t, pieces), expected);
  });
}

test('what is expected is taken as it is said', async (t) => {
  const probeExpect: ProbeOptions['probeExpect'] = [
    [204, 204],
    [401, 403],
  ];
  for (const [status, outcome] of [
    [200, 'not-ready'],
    [204, 'passed'],
    [402, 'passed'],
    [404, 'not-ready'],
  ] as const)
    assert.equal(await found(t, [`HTTP/1.1 ${status} X\r\n\r\n`], { probeExpect }), `${outcome}: ${status}`);
});

test('a probe without a response in time is silent', async (t) => {
  const replica = await open(t);
  const { outcome, detail } = await probe(replica.port, { probeTimeoutMs: 50 });
  assert.deepEqual([outcome, detail], ['silent', 'no response in 50 ms']);
});

test('a refused probe and one that is reset are closed', async (t) => {
  assert.deepEqual(await probe(1), { outcome: 'closed', detail: 'connection refused' });
  const replica = await open(t);
  const result = probe(replica.port);
  const connection = await replica.next();
  await connection.request();
  connection.reset();
  assert.deepEqual(await result, { outcome: 'closed', detail: 'connection reset' });
});

/** A prober that may use connections again, over a replica that answers like this. */
async function reusing(t: TestContext, answer: string) {
  const replica = await open(t);
  replica.serve(() => answer);
  const ask = createProbe(OPTIONS, 8);
  const endpoint = { host: '127.0.0.1', port: replica.port };
  t.after(() => ask(endpoint, false));
  return { replica, ask: (mayReuse = true) => ask(endpoint, mayReuse) };
}

const KEPT = 'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok';

test('a probe is sent as the options say that moment', async (t) => {
  const replica = await open(t);
  replica.serve(() => KEPT);
  const options = { ...OPTIONS, probePath: '/before' };
  const ask = createProbe(options, 8);
  const endpoint = { host: '127.0.0.1', port: replica.port };
  t.after(() => ask(endpoint, false));
  await ask(endpoint, true);
  Object.assign(options, { probePath: '/after' });
  await ask(endpoint, true);
  assert.deepEqual(
    replica.requests.map(({ startLine }) => startLine.split(' ')[1]),
    ['/before', '/after'],
  );
  assert.equal(replica.connections.length, 2);
});

test('a connection is reused for a while where allowed', async (t) => {
  const { replica, ask } = await reusing(t, KEPT);
  for (let count = 0; count < 30; count++) assert.equal((await ask()).outcome, 'passed');
  assert.equal(replica.connections.length, 1);
  await ask();
  assert.equal(replica.connections.length, 2, 'a minute later it is found out whether new ones are taken');
  await ask(false);
  assert.equal(replica.connections.length, 3);
  assert.equal(replica.requests.at(-1)!.pairs.at(-1)![0], 'Connection');
});

for (const [what, answer] of [
  ['that says so', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
  ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['of which more is to come', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'],
  ['with more behind it', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore'],
  ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['without a length', 'HTTP/1.1 200 OK\r\n\r\n'],
  ['with two', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n'],
] as const) {
  test(`a connection is not used again after a response ${what}`, async (t) => {
    const { replica, ask } = await reusing(t, answer);
    for (let count = 0; count < 2; count++) assert.equal((await ask()).outcome, 'passed');
    assert.equal(replica.connections.length, 2);
  });
}

test('an idle connection that closed is no failed probe', async (t) => {
  const { replica, ask } = await reusing(t, KEPT);
  await ask();
  replica.serve((_, connection, count) => {
    if (count === 1) return KEPT;
    connection.reset();
    return undefined;
  });
  assert.equal((await ask()).outcome, 'passed');
  assert.equal(replica.connections.length, 2);
});

test('with probing off a mere connection passes', async (t) => {
  const replica = await open(t);
  assert.deepEqual(await probe(replica.port, { probeIntervalMs: 0 }), {
    outcome: 'passed',
    detail: 'connected',
  });
});
