/** The TLS port: what is negotiated, which certificate is shown, how connections end, what a flood may do. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { TlsMaterial } from '../../../lib/proxy/downstream/tls/tls-server.ts';
import { eventually } from '../../helpers/eventually.ts';
import { makeCertificate, materialOf, testMaterial } from '../../helpers/proxy/certificates.ts';
import { get, headerOf, ok, statusOf } from '../../helpers/proxy/message.ts';
import { Peer } from '../../helpers/proxy/peer.ts';
import { proxyV1 } from '../../helpers/proxy/proxy-headers.ts';
import { Rig, type RigSettings } from '../../helpers/proxy/rig.ts';

async function served(t: TestContext, settings: RigSettings = {}): Promise<Rig> {
  const rig = await Rig.open(t, { tls: testMaterial(), ...settings });
  rig.replica.serve();
  return rig;
}

/** Two certificates, the first for a.example and the second for all below b.example. */
function twoCertificates(): TlsMaterial {
  const [a, b] = [makeCertificate(['a.example']), makeCertificate(['*.b.example'])];
  return materialOf([
    { hosts: ['a.example'], ...a },
    { hosts: ['*.b.example'], ...b },
  ]);
}

async function connected(t: TestContext, rig: Rig, options: ConnectionOptions): Promise<TLSSocket> {
  const peer = await Peer.connectTls(rig.port, options);
  t.after(() => peer.close());
  return peer.socket as TLSSocket;
}

/** The code of what became of the handshake. */
async function failure(rig: Rig, options: ConnectionOptions): Promise<string> {
  return Peer.connectTls(rig.port, options).then(
    (peer) => {
      peer.close();
      return 'connected';
    },
    (error: Error & { code?: string }) => error.code ?? error.message,
  );
}

/** openssl s_client, which sends one request; `seen` is what it has said so far. */
function startSClient(port: number, args: readonly string[], request: string) {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  child.stdin.on('error', () => {});
  child.stdin.write(request);
  return { seen: () => output, closed: once(child, 'close').then(() => output) };
}

function sClient(port: number, args: readonly string[]): Promise<string> {
  return startSClient(port, args, get('/', 'Connection: close\r\n')).closed;
}

test('serves requests over TLS, and says so to the replica', async (t) => {
  const rig = await served(t, { forwarded: true });
  const client = await rig.client();
  for (let count = 0; count < 3; count++) {
    client.send(get('/'));
    assert.equal(statusOf(await client.response()), 200);
  }
  const [request] = rig.replica.requests;
  assert.equal(headerOf(request!, 'x-forwarded-proto'), 'https');
  assert.match(headerOf(request!, 'forwarded') ?? '', /;proto=https$/);
});

test('serves plain requests beside it', async (t) => {
  const rig = await served(t);
  const client = await Peer.connect(rig.plainPorts[0]!);
  t.after(() => client.close());
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
  assert.equal(headerOf(rig.replica.requests[0]!, 'x-forwarded-proto'), 'http');
});

for (const [version, cipher] of [
  ['-tls1_3', 'TLS_AES_128_GCM_SHA256|TLS_AES_256_GCM_SHA384'],
  ['-tls1_2', 'ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-AES256-GCM-SHA384'],
] as const) {
  test(`speaks ${version.slice(1)} with openssl, forward secret`, async (t) => {
    const rig = await served(t);
    const output = await sClient(rig.port, [version]);
    assert.match(output, /HTTP\/1\.1 200 /);
    assert.match(output, new RegExp(`Cipher is (${cipher})`));
  });
}

test('refuses TLS 1.1, ciphers without forward secrecy, optionally TLS 1.2', async (t) => {
  const rig = await served(t);
  assert.match(await sClient(rig.port, ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']), /Cipher is \(NONE\)/);
  assert.match(await sClient(rig.port, ['-tls1_2', '-cipher', 'AES128-GCM-SHA256']), /Cipher is \(NONE\)/);
  const strict = await served(t, { tlsMin: '1.3' });
  assert.match(await sClient(strict.port, ['-tls1_2']), /Cipher is \(NONE\)/);
  assert.match(await sClient(strict.port, ['-tls1_3']), /HTTP\/1\.1 200 /);
});

test('negotiates http/1.1, and refuses a client that speaks only something else', async (t) => {
  const rig = await served(t);
  const socket = await connected(t, rig, { ALPNProtocols: ['http/1.1'] });
  assert.equal(socket.alpnProtocol, 'http/1.1');
  assert.equal(
    await failure(rig, { ALPNProtocols: ['spdy/3'] }),
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
  );
});

test('shows the certificate of the host that the client names', async (t) => {
  const rig = await served(t, { tls: twoCertificates() });
  for (const [servername, expected] of [
    ['a.example', 'a.example'],
    ['x.b.example', '*.b.example'],
    ['X.B.Example', '*.b.example'],
    ['y.x.b.example', 'a.example'],
    ['other.example', 'a.example'],
    ['', 'a.example'],
  ] as const) {
    const socket = await connected(t, rig, { servername });
    assert.equal(socket.getPeerCertificate().subject.CN, expected, servername);
  }
});

test('chooses among certificates that come later, and no more when they go', async (t) => {
  const [one] = twoCertificates().certificates;
  const rig = await served(t, { tls: materialOf([one!]) });
  const shown = async (servername: string): Promise<unknown> =>
    (await connected(t, rig, { servername })).getPeerCertificate().subject.CN;
  assert.equal(await shown('x.b.example'), 'a.example');
  rig.setTls(twoCertificates());
  assert.equal(await shown('x.b.example'), '*.b.example');
  rig.setTls(materialOf([one!]));
  assert.equal(await shown('x.b.example'), 'a.example');
});

test('shows openssl the certificate of the host that it names', async (t) => {
  const rig = await served(t, { tls: twoCertificates() });
  assert.match(await sClient(rig.port, ['-servername', 'x.b.example']), /subject=CN = \*\.b\.example/);
  assert.match(await sClient(rig.port, ['-servername', 'a.example']), /subject=CN = a\.example/);
});

for (const version of ['-tls1_2', '-tls1_3']) {
  test(`resumes a session of openssl, ${version.slice(1)}`, async (t) => {
    const rig = await served(t);
    const directory = await mkdtemp(join(tmpdir(), 'ringlb-session-'));
    t.after(() => rm(directory, { recursive: true }));
    const file = join(directory, 'session');
    // with an end of its own openssl waits for the tickets that TLS 1.3 sends after the handshake
    const first = await sClient(rig.port, [version, '-ign_eof', '-sess_out', file]);
    assert.match(first, /^New, /m);
    assert.match(await sClient(rig.port, [version, '-ign_eof', '-sess_in', file]), /^Reused, /m);
  });
}

test('wants a client certificate of openssl', async (t) => {
  const authority = makeCertificate(['authority.example'], { isAuthority: true });
  const { cert, key } = makeCertificate(['client.example'], { issuer: authority });
  const rig = await served(t, { tls: { ...testMaterial(), clientCa: authority.cert } });
  const directory = await mkdtemp(join(tmpdir(), 'ringlb-client-'));
  t.after(() => rm(directory, { recursive: true }));
  const [certFile, keyFile] = [join(directory, 'crt'), join(directory, 'key')];
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  assert.match(await sClient(rig.port, ['-ign_eof', '-cert', certFile, '-key', keyFile]), /HTTP\/1\.1 200 /);
  assert.doesNotMatch(await sClient(rig.port, ['-ign_eof']), /HTTP\/1\.1/);
});

test('refuses a host without a certificate where that is asked for', async (t) => {
  const rig = await served(t, { tls: twoCertificates(), tlsStrictSni: true });
  assert.notEqual(await failure(rig, { servername: 'other.example' }), 'connected');
  assert.equal(await failure(rig, { servername: 'x.b.example' }), 'connected');
  assert.equal(await failure(rig, { servername: '' }), 'connected');
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`resumes a ${version} session at another thread`, async (t) => {
    const rig = await served(t, { threads: 2 });
    const ports = rig.ports;
    const options = { maxVersion: version, servername: 'localhost' };
    const first = await Peer.connectTls(ports[0]!, options);
    first.send(get('/'));
    await first.response();
    const ticket = (first.socket as TLSSocket).getSession();
    first.close();
    const second = await Peer.connectTls(ports[1]!, { ...options, session: ticket });
    t.after(() => second.close());
    assert.equal((second.socket as TLSSocket).isSessionReused(), true);
    second.send(get('/'));
    assert.equal(statusOf(await second.response()), 200);
    const { handshakes } = rig.counts().threads;
    assert.deepEqual({ ...handshakes }, { full: 1, resumed: 1, failed: 0 });
  });
}

test('wants a certificate of the given authority where there is one', async (t) => {
  const authority = makeCertificate(['authority.example'], { isAuthority: true });
  const known = makeCertificate(['client.example'], { issuer: authority });
  const stranger = makeCertificate(['client.example']);
  const tls = { ...testMaterial(), clientCa: authority.cert };
  const rig = await served(t, { tls });
  const client = await Peer.connectTls(rig.port, known);
  t.after(() => client.close());
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
  for (const options of [{}, stranger]) {
    // TLS 1.3 clients hear of it with the first that they read
    const refused = await Peer.connectTls(rig.port, options).catch(() => undefined);
    refused?.send(get('/'));
    assert.equal(await refused?.over(), refused && '');
    refused?.close();
  }
  assert.equal(rig.replica.requests.length, 1);
});

test('gives new connections a new certificate at once, keeping old ones', async (t) => {
  const [before, after] = [makeCertificate(['one.example']), makeCertificate(['two.example'])];
  const rig = await served(t, { tls: materialOf([{ hosts: ['one.example'], ...before }]) });
  const old = await rig.client();
  rig.setTls(materialOf([{ hosts: ['two.example'], ...after }]));
  for (const servername of ['one.example', 'two.example', '']) {
    const socket = await connected(t, rig, { servername });
    assert.equal(socket.getPeerCertificate().subject.CN, 'two.example');
  }
  old.send(get('/'));
  assert.equal(statusOf(await old.response()), 200);
});

test('a hundred changes of the certificate fail no handshake', async (t) => {
  const rig = await served(t);
  const certificates = [makeCertificate(['localhost']), makeCertificate(['localhost'])];
  let done = 0;
  const clients = Array.from({ length: 4 }, async () => {
    for (let count = 0; count < 25; count++) {
      const client = await Peer.connectTls(rig.port, { servername: 'localhost' });
      client.send(get('/'));
      assert.equal(statusOf(await client.response()), 200);
      client.close();
      done++;
    }
  });
  for (let change = 0; change < 100; change++) {
    rig.setTls(materialOf([{ hosts: ['localhost'], ...certificates[change % 2]! }]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(clients);
  assert.equal(done, 100);
  assert.equal(rig.counts().threads.handshakes.failed, 0);
});

test('announces the end of a connection, so no response looks cut', async (t) => {
  const rig = await Rig.open(t, { tls: testMaterial() });
  const client = startSClient(rig.port, ['-tls1_3', '-msg'], 'GET / HTTP/1.0\r\n\r\n');
  const replica = await rig.replica.next();
  await replica.request();
  // nothing is left to be written when the replica ends the response
  replica.send('HTTP/1.1 200 OK\r\n\r\nhello');
  await eventually('the client has it', () => /hello/.test(client.seen()));
  replica.end();
  const output = await client.closed;
  assert.match(output, /HTTP\/1\.1 200 /);
  assert.match(output, /<<< TLS 1\.3, Alert .*close_notify/);
});

test('a response that cannot be finished ends in a reset', async (t) => {
  const rig = await Rig.open(t, { tls: testMaterial() });
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  await client.take('hello');
  replica.reset();
  await client.closed();
  assert.equal(client.errno, 'ECONNRESET');
});

test('what is no TLS is closed and counted', async (t) => {
  const rig = await served(t);
  const client = await Peer.connect(rig.port);
  t.after(() => client.close());
  client.send(get('/'));
  await client.over();
  await eventually('the failure is counted', () => rig.counts().threads.handshakes.failed === 1);
  assert.equal(rig.replica.requests.length, 0);
});

test('stalled handshakes are closed in time, wherever they stop', async (t) => {
  const rig = await served(t, { headerTimeoutMs: 5000 });
  const silent = await Peer.connect(rig.port);
  const halfHello = await Peer.connect(rig.port);
  halfHello.send(Buffer.of(0x16, 3, 1, 2, 0, 1));
  for (const client of [silent, halfHello]) {
    t.after(() => client.close());
    await rig.elapse(client.over());
  }
  assert.equal(rig.counts().threads.handshakes.failed, 2);
});

test('a flood of handshakes begins a few at a time', async (t) => {
  const rig = await served(t, { maxConnections: 5000 });
  const flood = await Promise.all(Array.from({ length: 300 }, () => Peer.connect(rig.port)));
  t.after(() => {
    for (const client of flood) client.close();
  });
  // a whole hello that is never answered: the costly half of a handshake
  const hello = await helloOf();
  for (const client of flood) client.send(hello);
  let most = 0;
  for (let before = 0; before < flood.length; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const answered = flood.filter(({ bytes }) => bytes > 0).length;
    most = Math.max(most, answered - before);
    before = answered;
  }
  // two begin in a round of the event loop, and what the clients read of them may fall together
  assert.ok(most <= 20, `${most} handshakes in one round`);
});

/** What a client sends first. */
async function helloOf(): Promise<Buffer> {
  const { createServer, connect } = await import('node:net');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const tls = await import('node:tls');
  const client = tls.connect({ socket: connect(port, '127.0.0.1'), rejectUnauthorized: false });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  client.destroy();
  server.close();
  return hello;
}

test('reads a PROXY header before the handshake', async (t) => {
  const rig = await served(t, { proxyProtocol: true, trustedProxies: ['127.0.0.1'] });
  const client = await Peer.connectTls(rig.port, {}, proxyV1('192.0.2.1'));
  t.after(() => client.close());
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
  const [request] = rig.replica.requests;
  assert.equal(headerOf(request!, 'x-forwarded-for'), '192.0.2.1');
  assert.equal(headerOf(request!, 'x-forwarded-proto'), 'https');
});

test('closes connections beyond the limits before their handshake', async (t) => {
  const rig = await served(t, { maxConnections: 1 });
  const first = await rig.client();
  first.send(get('/'));
  assert.equal(statusOf(await first.response()), 200);
  assert.notEqual(await failure(rig, {}), 'connected');
  const limited = await served(t, { maxConnectionsPerClient: 1 });
  await limited.client();
  assert.notEqual(await failure(limited, {}), 'connected');
});

test('a drain ends handshakes that are not done', async (t) => {
  const rig = await served(t);
  const client = await Peer.connect(rig.port);
  t.after(() => client.close());
  await eventually('it is accepted', () => rig.inFlight === 0);
  await rig.drain();
  await client.over();
});

test('a handshake under way when a drain begins may bring a request', async (t) => {
  const rig = await served(t);
  const socket = connect({ port: rig.port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  const drained = rig.beginDrain();
  await rig.refusing();
  // by now a connection that has had a request would be closed
  rig.advance(1000);
  const client = await Peer.connectTls(rig.port, { socket });
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
  await rig.elapse(drained);
});

test('sends Strict-Transport-Security over TLS alone, unless the replica does', async (t) => {
  const rig = await served(t, { hsts: 300 });
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(headerOf(await client.response(), 'strict-transport-security'), 'max-age=300');
  rig.replica.serve(() => ok('x', 'strict-transport-security: max-age=1\r\n'));
  client.send(get('/'));
  const { head } = await client.response();
  assert.deepEqual(head.match(/strict-transport-security: .*/gi), ['strict-transport-security: max-age=1']);
  const plain = await Peer.connect(rig.plainPorts[0]!);
  t.after(() => plain.close());
  rig.replica.serve();
  plain.send(get('/'));
  assert.equal(headerOf(await plain.response(), 'strict-transport-security'), undefined);
});

test('redirects plain requests, with their target and without their port', async (t) => {
  const rig = await served(t, { tlsPort: 0, tlsRedirect: 443 });
  const client = await Peer.connect(rig.plainPorts[0]!);
  t.after(() => client.close());
  for (const [request, location] of [
    [get('/a?b=c'), 'https://a.example/a?b=c'],
    ['POST /x HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: 1\r\n\r\ny', 'https://a.example/x'],
    ['GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', 'https://[::1]/'],
  ] as const) {
    client.send(request);
    const response = await client.response();
    assert.equal(statusOf(response), 308);
    assert.equal(headerOf(response, 'location'), location);
  }
  client.send(get('/.well-known/acme-challenge/token'));
  assert.equal(statusOf(await client.response()), 200);
  assert.equal(rig.replica.requests.length, 1);
});

test('does not redirect what a trusted proxy received over TLS', async (t) => {
  const rig = await served(t, { tlsRedirect: 8443, trustedProxies: ['127.0.0.1'] });
  const client = await Peer.connect(rig.plainPorts[0]!);
  t.after(() => client.close());
  client.send(get('/', 'X-Forwarded-Proto: https\r\n'));
  assert.equal(statusOf(await client.response()), 200);
  client.send(get('/', 'X-Forwarded-Proto: http\r\n'));
  assert.equal(headerOf(await client.response(), 'location'), 'https://a.example:8443/');
});
