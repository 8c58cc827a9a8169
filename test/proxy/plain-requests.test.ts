/** Requests that are taken before Node's parser sees them, and what else comes on their connections. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { isTakenPlainly } from '../../lib/proxy/plain-requests.ts';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, headerOf, type Message, ok, post, statusOf } from '../helpers/proxy-message.ts';
import type { Peer } from '../helpers/proxy-peer.ts';
import { Rig, type RigSettings } from '../helpers/proxy-rig.ts';
import { pathOf, SWITCHED, UPGRADE } from '../helpers/proxy-scenes.ts';

interface Parser {
  readonly constructor: { readonly kOnMessageBegin: number };
  [listener: number]: unknown;
}

/** A client, and the balancer's side of its connection. */
interface Watched {
  readonly client: Peer;
  readonly socket: Socket;
  /** How many requests Node's parser has seen the first byte of. */
  parsed(): number;
  /** Sends each piece once what went before it has been read. */
  send(...pieces: readonly string[]): Promise<void>;
}

async function watch(rig: Rig): Promise<Watched> {
  const sockets: (Socket & { parser?: Parser | null })[] = [];
  const onSocket = (message: unknown) => void sockets.push((message as { socket: Socket }).socket);
  subscribe('net.server.socket', onSocket);
  const client = await rig.client();
  const socket = await eventually('the other side', () =>
    sockets.find(({ remotePort }) => remotePort === client.socket.localPort),
  );
  unsubscribe('net.server.socket', onSocket);
  let parsed = 0;
  let parser: Parser | null | undefined;
  const setParser = (given: typeof parser) => {
    parser = given;
    if (given) given[given.constructor.kOnMessageBegin] = () => parsed++;
  };
  setParser(socket.parser);
  // it may be given one only when there is something for it
  Object.defineProperty(socket, 'parser', { get: () => parser, set: setParser });
  await eventually('it to be taken', () => !socket.isPaused());
  const send = async (...pieces: readonly string[]) => {
    for (const piece of pieces) {
      await eventually('all to be read', () => socket.bytesRead === client.socket.bytesWritten);
      client.send(piece);
    }
  };
  return { client, socket, parsed: () => parsed, send };
}

/** Says what was asked for. */
const echo = ({ startLine, body }: Message) => ok(`${pathOf(startLine)} ${body}`);

/** The next answer that is no interim one. */
async function answerOf(client: Peer): Promise<Message> {
  for (;;) {
    const answer = await client.response();
    if (statusOf(answer) >= 200) return answer;
  }
}

const BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');

test('plain requests are taken one after the other, and the parser is shown none of them', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(echo);
  const { client, socket, parsed } = await watch(rig);
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET'])
    for (const body of ['', 'x', BYTES, BYTES.repeat(40)]) {
      client.send(post('/a?b', body).replace('POST', method));
      assert.equal((await client.response()).body, `/a?b ${body}`);
      client.send(get('/').replace('GET', method));
      assert.equal((await client.response()).body, '/ ');
    }
  rig.replica.serve(() => 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
  client.send(get('/').replace('GET', 'HEAD'));
  assert.equal(headerOf(await client.response(true), 'content-length'), '5');
  assert.deepEqual([parsed(), isTakenPlainly(socket)], [0, true]);
  rig.replica.serve(echo);
  client.send(get('/last', 'Connection: close\r\n'));
  assert.equal((await client.response()).body, '/last ');
  assert.equal(await client.over(), '');
  assert.equal(parsed(), 0);
  await rig.settled();
});

const LARGE = 'x'.repeat(1 << 20);
const CHUNKED = 'POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n';

/** What is sent piece by piece, and what is answered. */
const OTHERS: Readonly<Record<string, readonly [readonly string[], readonly string[]]>> = {
  'a head in two pieces': [['GET /1 HTT', 'P/1.1\r\nHost: h\r\n\r\n'], ['/1 ']],
  'a head whose last byte comes later': [['GET /1 HTTP/1.1\r\nHost: h\r\n\r', '\n'], ['/1 ']],
  'a body that comes later': [
    ['POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n', 'body'],
    ['/1 body'],
  ],
  'a body that comes in part': [
    ['POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nb', 'ody'],
    ['/1 body'],
  ],
  'a large body': [[post('/1', LARGE) + get('/2')], [`/1 ${LARGE}`, '/2 ']],
  'two at once': [[get('/1') + get('/2')], ['/1 ', '/2 ']],
  'three at once, with bodies': [
    [post('/1', 'a') + post('/2', 'b') + post('/3', '')],
    ['/1 a', '/2 b', '/3 '],
  ],
  'one and a half': [
    [`${get('/1')}GET /2 HTTP/1.1\r`, '\nHost: h\r\n\r\n'],
    ['/1 ', '/2 '],
  ],
  'HTTP/1.0': [['GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'], ['/1 ']],
  'an expectation': [[post('/1', 'body', 'Expect: 100-continue\r\n')], ['/1 body']],
  'an empty line before it': [[`\r\n${get('/1')}`], ['/1 ']],
  'no space after its colons': [['GET /1 HTTP/1.1\r\nHost:h\r\n\r\n'], ['/1 ']],
  'an absolute target': [['GET http://a.example/1 HTTP/1.1\r\nHost: h\r\n\r\n'], ['/1 ']],
  'a Proxy-Connection': [[get('/1', 'Proxy-Connection: keep-alive\r\n')], ['/1 ']],
  'a field that Connection names': [[get('/1', 'X-A: 1\r\nConnection: X-A\r\n')], ['/1 ']],
};

for (const [what, [pieces, answers]] of Object.entries(OTHERS))
  for (const place of ['first', 'after a plain one'])
    test(`${what}, ${place}: the parser has it, and all that follows`, async (t) => {
      const rig = await Rig.open(t);
      rig.replica.serve(echo);
      const { client, socket, parsed, send } = await watch(rig);
      if (place !== 'first') {
        client.send(post('/0', 'plain'));
        assert.equal((await client.response()).body, '/0 plain');
      }
      assert.deepEqual([parsed(), isTakenPlainly(socket)], [0, true]);
      await send(...pieces);
      for (const answer of answers) assert.equal((await answerOf(client)).body, answer);
      for (const body of ['x', '']) {
        client.send(post('/after', body));
        assert.equal((await client.response()).body, `/after ${body}`);
        client.send(get('/after'));
        assert.equal((await client.response()).body, '/after ');
      }
      assert.deepEqual([parsed(), isTakenPlainly(socket)], [answers.length + 4, false]);
      await rig.settled();
    });

test('a request that comes while another is being answered has its turn after it', async (t) => {
  const rig = await Rig.open(t);
  const { client, parsed, send } = await watch(rig);
  await send(get('/1'));
  const replica = await rig.replica.next();
  await replica.request();
  await send(post('/2', 'two'), get('/3'));
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no');
  await client.take('\r\n\r\no');
  await send(get('/4'), '');
  assert.deepEqual([parsed(), replica.received], [3, '']);
  rig.replica.serve(echo);
  replica.send('ne');
  assert.equal(await client.takeBytes(2), 'ne');
  for (const answer of ['/2 two', '/3 ', '/4 ']) assert.equal((await client.response()).body, answer);
  client.send(get('/5'));
  assert.equal((await client.response()).body, '/5 ');
  await rig.settled();
});

test('what comes behind a plain request that was to be the last goes nowhere', async (t) => {
  const rig = await Rig.open(t);
  const { client, send } = await watch(rig);
  await send(get('/1', 'Connection: close\r\n'));
  const replica = await rig.replica.next();
  await replica.request();
  await send(get('/2'), '');
  replica.send(ok('last'));
  const answer = await client.response();
  assert.deepEqual([answer.body, headerOf(answer, 'connection')], ['last', 'close']);
  assert.equal(await client.over(), '');
  await rig.settled();
  assert.equal(rig.replica.connections.map(({ received }) => received).join(''), '');
});

test('what is no HTTP after a plain request is refused, as if it were the first', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(echo);
  const { client } = await watch(rig);
  client.send(get('/'));
  await client.response();
  client.send('what\r\n\r\n');
  const answer = await client.response();
  assert.equal(statusOf(answer), 400);
  assert.match(failureOf(answer), /^<Error> /);
  assert.equal(await client.over(), '');
});

test('of a crowd that asks at once all are answered who stay, also what comes in pieces', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(echo);
  const crowd = await Promise.all(Array.from({ length: 200 }, () => rig.client()));
  for (const client of crowd) client.send(get('/first'));
  for (const client of crowd) assert.equal((await client.response()).body, '/first ');
  const kinds = ['whole', 'whole', 'in pieces', 'and another', 'and ends', 'and resets'] as const;
  const clients = crowd.map((client, at) => ({ client, at, kind: kinds[at % kinds.length]! }));
  const bytes = (at: number) => post(`/${at}`, `${at}`.repeat(at));
  for (const { client, at, kind } of clients) {
    client.send(kind === 'in pieces' ? bytes(at).slice(0, 50) : bytes(at));
    if (kind === 'and another') client.send(get('/another'));
    if (kind === 'and ends') client.end();
    if (kind === 'and resets') client.reset();
  }
  // by then all have been read, and some wait for their turn
  for (let round = 0; round < 2; round++) await new Promise(setImmediate);
  for (const { client, at, kind } of clients) if (kind === 'in pieces') client.send(bytes(at).slice(50));
  for (const { client, at, kind } of clients) {
    if (kind === 'and resets') continue;
    if (kind === 'and ends') assert.match(await client.over(), /^(HTTP\/1.1 200 OK\r\n.*)?$/s);
    else assert.equal((await client.response()).body, `/${at} ${`${at}`.repeat(at)}`);
    if (kind === 'and another') assert.equal((await client.response()).body, '/another ');
  }
  await rig.settled();
});

test('bodies that wait for a replica are not touched by what others send meanwhile', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const [first, ...others] = await Promise.all(Array.from({ length: 9 }, () => watch(rig)));
  first!.client.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  for (const [at, { client }] of others.entries()) {
    client.send(post(`/${at}`, String(at).repeat(1000 - 100 * at), `X-Of: ${at}\r\n`));
    await eventually('it waits', () => rig.waiting === at + 1);
  }
  rig.replica.serve(({ startLine, body, head }) =>
    ok(`${pathOf(startLine)} ${body} ${/X-Of: \d/.exec(head)}`),
  );
  replica.send(ok(''));
  for (const [at, { client, parsed }] of others.entries()) {
    const { body } = await client.response();
    assert.equal(body, `/${at} ${String(at).repeat(1000 - 100 * at)} X-Of: ${at}`);
    assert.equal(parsed(), 0);
  }
  await rig.settled();
});

test('a body that came with its head goes whole to the next replica too', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const { client, parsed } = await watch(rig);
  rig.replicas[1]!.serve(echo);
  for (const body of [BYTES, BYTES.repeat(40)]) {
    rig.setState(0, 'healthy');
    client.send(post('/', body, rig.ownedBy(0)).replace('POST', 'PUT'));
    const first = await rig.replicas[0]!.next();
    assert.equal((await first.request()).body, body);
    first.close();
    assert.equal((await client.response()).body, `/ ${body}`);
  }
  assert.equal(parsed(), 0);
});

for (const place of ['first', 'after a plain one'])
  test(`an upgrade, ${place}, becomes a tunnel that carries every byte both ways`, async (t) => {
    const rig = await Rig.open(t);
    // several at once, since all are read into the same memory
    await Promise.all(['', 'early ', 'aerly '].map((early) => upgradeAndTalk(rig, place === 'first', early)));
    await rig.settled();
  });

/** The replica's end of the connection on which it is asked for this path. */
function askedFor(rig: Rig, path: string): Promise<Peer> {
  const { connections } = rig.replica;
  return eventually(path, () => connections.find(({ received }) => received.startsWith(`GET ${path} `)));
}

async function upgradeAndTalk(rig: Rig, isFirst: boolean, early: string): Promise<void> {
  const { client, socket, parsed, send } = await watch(rig);
  if (!isFirst) {
    client.send(get(`/plain-${socket.remotePort}`));
    const replica = await askedFor(rig, `/plain-${socket.remotePort}`);
    await replica.request();
    replica.send(ok('plain'));
    assert.equal((await client.response()).body, 'plain');
  }
  assert.equal(parsed(), 0);
  client.send(UPGRADE.replace('/chat', `/chat-${socket.remotePort}`) + early);
  const replica = await askedFor(rig, `/chat-${socket.remotePort}`);
  await replica.head();
  await send('later', '');
  const other = await watch(rig);
  await other.send(post('/other', '#'.repeat(1000)), '');
  other.client.close();
  replica.send(SWITCHED);
  assert.equal(statusOf(await client.response()), 101);
  assert.equal(await replica.takeBytes(early.length + 5), `${early}later`);
  const [up, down] = [randomBytes(1 << 20).toString('latin1'), randomBytes(1 << 20).toString('latin1')];
  await send(up.slice(0, 1000), up.slice(1000));
  replica.send(down);
  assert.ok((await replica.takeBytes(up.length)) === up, 'what the client sent');
  assert.ok((await client.takeBytes(down.length)) === down, 'what the replica sent');
  client.end();
  assert.equal(await replica.over(), '');
  replica.end();
  await client.closed();
}

/** Two connections: requests on the first are taken plainly, the parser has the second. */
async function bothWays(rig: Rig): Promise<readonly [Watched, Watched]> {
  const [plain, parsed] = [await watch(rig), await watch(rig)];
  // an empty line may come before a request, for the parser also without its CR
  parsed.client.send('\n');
  await eventually("it to be the parser's", () => !isTakenPlainly(parsed.socket));
  return [plain, parsed];
}

/** The lines of a head but for what is never the same twice. */
function linesOf({ head }: Message): string[] {
  return head
    .replace(/^(x-request-id: )[0-9a-f]{12}-[0-9a-z]{5}$/im, '$1')
    .replace(/^(date|x-ringlb-.*-ms): .*/gim, '$1')
    .split('\r\n');
}

const CLAIMS = [
  ...['X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n', 'x-forwarded-FOR: 1.2.3.4, ::1\r\n'],
  ...['X-Forwarded-For: 1.2.3.4\r\nX: y\r\nX-Forwarded-For: 5.6.7.8\r\n', 'X-Forwarded-Host: evil\r\n'],
  ...['X-Forwarded-Proto: https\r\n', 'Forwarded: for=1.2.3.4;host=evil\r\n', 'Via: 1.0 before\r\n'],
];
const FIELDS = [
  ...['', 'Connection: close\r\n', 'connection: keep-alive\r\n', 'Connection: Keep-Alive\r\n', ...CLAIMS],
  ...['Keep-Alive: timeout=5\r\n', 'TE: trailers\r\n', 'te: gzip, trailers;q=0.5\r\n', 'TE: gzip\r\n'],
  ...['X-Request-Id: a\r\n', 'x-request-id: \xe4\r\nX-Request-Id: b\r\nX-REQUEST-ID: c\r\n'],
  ...['X-Ringlb-Debug: 1\r\n', 'x-ringlb-debug: 0\r\n', 'Cookie: a=b; c="\xff"\r\ncookie: d=e\r\n'],
  ...['Trailer: X\r\nX-Y: a\tb\r\nx-y: !"#%&/()=?`^*_:;,.-\r\n'],
];
const CLIENTS: readonly (readonly [string, RigSettings])[] = [
  ['a client', {}],
  ['a client, where more is told of it', { forwarded: true, via: true }],
  ['a trusted proxy', { trustedProxies: ['127.0.0.1'] }],
  [
    'a trusted proxy, where more is told of it',
    { trustedProxies: ['127.0.0.1'], forwarded: true, via: true },
  ],
];

for (const [whom, settings] of CLIENTS)
  test(`what is forwarded for ${whom} is the same whether the parser reads it or not`, async (t) => {
    const rig = await Rig.open(t, settings);
    rig.replica.serve();
    let ways = await bothWays(rig);
    for (const fields of [...FIELDS, FIELDS.join('')]) {
      for (const bytes of [get('/a?b', fields), post('/', 'body', fields), hostLast(get('/', fields))]) {
        const [plain, parsed] = [await passedOn(rig, ways[0], bytes), await passedOn(rig, ways[1], bytes)];
        assert.deepEqual(plain, parsed, JSON.stringify(bytes));
        assert.equal(plain.hosts.length, 1);
        assert.deepEqual([ways[0].parsed(), ways[1].parsed() > 0], [0, true]);
        if (/: close/.test(fields)) ways = await bothWays(rig);
      }
    }
  });

test('an empty line behind a body leaves the connection idle, and its next request plain', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(echo);
  const { client, parsed, send, socket } = await watch(rig);
  for (const body of ['one', 'two']) {
    await send(post('/', body));
    assert.equal((await client.response()).body, `/ ${body}`);
    await send('\r\n', '\r\n\r\n');
  }
  await eventually('all to be read', () => socket.bytesRead === client.socket.bytesWritten);
  assert.deepEqual([isTakenPlainly(socket), parsed()], [true, 0]);
});

for (const place of ['first', 'after a plain one', 'after one for the parser'])
  test(`a body in chunks, ${place}: the parser has its head, and what follows is plain again`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve(echo);
    const { client, socket, parsed, send } = await watch(rig);
    if (place === 'after a plain one') {
      client.send(post('/0', 'plain'));
      assert.equal((await client.response()).body, '/0 plain');
    }
    if (place === 'after one for the parser') {
      client.send('GET /0 HTTP/1.1\r\nHost:h\r\n\r\n');
      assert.equal((await client.response()).body, '/0 ');
    }
    const before = parsed();
    for (let count = 1; count <= 3; count++) {
      await send(CHUNKED.slice(0, 70), CHUNKED.slice(70));
      assert.equal((await client.response()).body, '/1 body');
      await send(post('/2', 'whole'));
      assert.equal((await client.response()).body, '/2 whole');
      assert.deepEqual([parsed(), isTakenPlainly(socket)], [before + count, true]);
    }
    client.send(post('/3', LARGE));
    assert.equal((await client.response()).body, `/3 ${LARGE}`);
    await rig.settled();
  });

/** What the replica is sent of a request, and the client of its answer. */
async function passedOn(rig: Rig, { client }: Watched, bytes: string) {
  client.send(bytes);
  const answer = await client.response();
  const request = rig.replica.requests.at(-1)!;
  const lines = linesOf(request);
  // the parser's way writes it anew, at the beginning
  const hosts = lines.filter((line) => /^host: /i.test(line)).map((line) => line.slice(6));
  const others = lines.filter((line) => !/^host: /i.test(line));
  return { hosts, others, body: request.body, answer: linesOf(answer) };
}

function hostLast(text: string): string {
  return text.replace('Host: a.example\r\n', '').replace(/\r\n$/, 'hOST: b.example:80\r\n\r\n');
}

const REFUSED: readonly (readonly [number, string, string])[] = [
  [400, 'without Host', 'GET / HTTP/1.1\r\nAccept: x\r\n\r\n'],
  [400, 'with two Hosts', get('/', 'Host: a.example\r\n')],
  [400, 'with two other Hosts', get('/', 'hOST: b.example\r\n')],
  [400, 'with a Host that is none', get('/', 'X-Request-Id: kept\r\n').replace('a.example', 'a/b')],
  [414, 'with a long target', get(`/${'a'.repeat(200)}`)],
  [431, 'with many fields', get('/', 'X: y\r\n'.repeat(20))],
  [413, 'with a long body', post('/', 'x'.repeat(2000), 'X-Request-Id: kept\r\n')],
];

for (const [status, what, bytes] of REFUSED)
  test(`a request ${what} is answered ${status} whether the parser reads it or not`, async (t) => {
    const rig = await Rig.open(t, { maxTargetBytes: 200, maxHeaders: 20, maxBodyBytes: 1000 });
    const ways = await bothWays(rig);
    const refused = async ({ client }: Watched) => {
      client.send(bytes);
      const answer = await client.response();
      assert.equal(headerOf(answer, 'connection'), 'close');
      assert.equal(await client.over(), '');
      return { lines: linesOf(answer), failure: failureOf(answer) };
    };
    const [plain, parsed] = [await refused(ways[0]), await refused(ways[1])];
    assert.deepEqual([ways[0].parsed(), ways[1].parsed()], [0, 1]);
    assert.match(plain.lines[0]!, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(plain.failure, /^<Error> /);
    assert.deepEqual(plain, parsed);
    assert.equal(rig.replica.connections.length, 0);
  });

test('who sends nothing is closed, who was answered is not, half a head after it is told 408', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 200 });
  rig.replica.serve(echo);
  const [silent, idle] = [await watch(rig), await watch(rig)];
  idle.client.send(get('/'));
  await idle.client.response();
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  assert.equal(await silent.client.over(), '');
  // another that was there later has had its time too
  const later = await watch(rig);
  assert.equal(await later.client.over(), '');
  idle.client.send(get('/again'));
  assert.equal((await idle.client.response()).body, '/again ');
  assert.equal(idle.parsed(), 0);
  await idle.send('GET / HTTP/1.1\r\n');
  assert.equal(statusOf(await idle.client.response()), 408);
  assert.equal(await idle.client.over(), '');
});

test('a head that is too long is left to the parser, also after a plain one', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384 });
  rig.replica.serve(echo);
  const { client, parsed } = await watch(rig);
  client.send(get('/'));
  assert.equal((await client.response()).body, '/ ');
  client.send(get('/', `X: ${'y'.repeat(17_000)}\r\n`));
  const answer = await client.response();
  assert.equal(statusOf(answer), 431);
  assert.match(failureOf(answer), /^<Error> /);
  assert.deepEqual([parsed(), rig.replica.requests.length], [1, 1]);
});

const LEAVES: readonly (readonly [string, (client: Peer) => void])[] = [
  ['ends its side', (client) => client.end()],
  ['closes', (client) => client.close()],
  ['resets', (client) => client.reset()],
];

for (const [how, leave] of LEAVES)
  for (const bytes of [get('/'), post('/', BYTES)])
    test(`a client that ${how} after a plain ${bytes.split(' ')[0]} leaves nothing behind`, async (t) => {
      const rig = await Rig.open(t);
      const { client, socket, parsed } = await watch(rig);
      client.send(bytes);
      leave(client);
      await eventually('its end', () => socket.destroyed);
      await rig.settled();
      const waits = await watch(rig);
      waits.client.send(bytes);
      await eventually('its request', () => rig.inFlight === 1);
      leave(waits.client);
      await eventually('both to be closed', () => socket.destroyed && waits.socket.destroyed);
      await rig.settled();
      assert.deepEqual([parsed(), waits.parsed(), rig.reports], [0, 0, []]);
      for (const replica of rig.replica.connections) if (replica.bytes > 0) await replica.over();
    });
