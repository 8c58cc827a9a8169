/**
 * Heads that are read past Node's parser, alone and against that parser.
 * Any may be left to Node. What is read, Node must take as the same head of the same request.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { before, test } from 'node:test';
import { fieldPairs } from '../../lib/proxy/field-section.ts';
import { FIELD, fieldOf } from '../../lib/proxy/fields.ts';
import { findValue, type PlainHead, readPlainHead, valueEnd } from '../../lib/proxy/plain-head.ts';
import { fuzzRun, latin1, Random } from '../helpers/response-random.ts';

const { seed, runs } = fuzzRun(12_000);
const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
/** What is read is copied to its beginning; what was there before stays behind it. */
const memory = Buffer.alloc(65_536);

/** Reads `text`, with `stale` in the memory behind it. */
function read(text: string, stale = ''): PlainHead | undefined {
  memory.write(text + stale, 'latin1');
  return readPlainHead(memory, text.length);
}

/** A head with these lines, each with its CRLF. */
const head = (lines = '', start = 'GET /a HTTP/1.1') => `${start}\r\nHost: h\r\n${lines}\r\n`;

/** Kind, name and value of the fields that are not simply passed on. */
function special({ text, marks, markCount }: PlainHead): (readonly [number, string, string])[] {
  const fields: [number, string, string][] = [];
  for (let at = 0; at < markCount; at += 4) {
    const [kind, line, colon, end] = marks.slice(at, at + 4) as [number, number, number, number];
    assert.deepEqual([text.slice(line - 2, line), text.slice(end, end + 2)], ['\r\n', '\r\n']);
    fields.push([kind, text.slice(line, colon), text.slice(colon + 2, end)]);
  }
  return fields;
}

test('a head is read as it came, and the fields that are not simply passed on are marked', () => {
  const text =
    'POST /a?b=%20&c HTTP/1.1\r\nHash: x\r\nhOST: h:1\r\nCookie: a=b; c="d\te"\r\nX: \xe4:\xff\r\n' +
    'Content-Length: 12\r\nTE: trailers\r\nx-request-id: i\r\nKeep-Alive: 5\r\nVia: 1.1 x\r\n\r\n';
  const it = read(`${text}what follows`)!;
  assert.deepEqual([it.method, it.target, it.text], ['POST', '/a?b=%20&c', text]);
  assert.equal(text.slice(it.fieldsAt).indexOf('Hash'), 0);
  assert.deepEqual([it.fieldCount, it.keepsAlive, it.bodyLength], [9, true, 12]);
  assert.deepEqual(special(it), [
    [FIELD.host, 'hOST', 'h:1'],
    [FIELD.contentLength, 'Content-Length', '12'],
    [FIELD.te, 'TE', 'trailers'],
    [FIELD.requestId, 'x-request-id', 'i'],
    [FIELD.hopByHop, 'Keep-Alive', '5'],
  ]);
});

test('fields are found in the memory that a head was read from, whichever it was', () => {
  const inOther = (text: string) =>
    readPlainHead(Buffer.from(`....${text}.`, 'latin1').subarray(4), text.length);
  for (const [name, reads] of [...Object.entries({ x: read, y: inOther }), ['z', read] as const]) {
    const it = reads(head(`Q: ${name}\r\nq: later\r\n`))!;
    const at = findValue(it, Buffer.from('q'));
    assert.equal(it.text.slice(at, valueEnd(it, at)), name);
    assert.equal(String.fromCharCode(it.bytes.getUint8(at), it.bytes.getUint8(it.targetAt)), `${name}/`);
    assert.equal(findValue(it, Buffer.from('hos')), -1);
  }
});

test('a head without a field is one', () => {
  const { target, fieldsAt, fieldCount, markCount, bodyLength } = read('GET / HTTP/1.1\r\n\r\n')!;
  assert.deepEqual([target, fieldsAt, fieldCount, markCount, bodyLength], ['/', 16, 0, 0, -1]);
});

test('each of the usual methods is read', () => {
  for (const method of METHODS) assert.equal(read(head('', `${method} /a HTTP/1.1`))?.method, method);
});

test('Connection says whether there may be another request, and one close is enough', () => {
  const keeps = (lines: string) => read(head(lines))?.keepsAlive;
  assert.equal(keeps('Connection: keep-alive\r\n'), true);
  assert.equal(keeps('connection: Keep-Alive\r\n'), true);
  assert.equal(keeps('Connection: close\r\n'), false);
  assert.equal(keeps('CONNECTION: close\r\nConnection: keep-alive\r\n'), false);
});

test('Content-Length is read to the last byte that a number can hold', () => {
  const length = (digits: string) => read(head(`content-LENGTH: ${digits}\r\n`))?.bodyLength;
  const lengths = ['0', '1', '0042', '65536', '999999999999999'];
  assert.deepEqual(lengths.map(length), lengths.map(Number));
});

test('nothing of a head is left in the next, also of one that was not read', () => {
  read(head('Connection: close\r\nContent-Length: 5\r\nX-Forwarded-For: a\r\n'));
  const whole = { ...read(head())! };
  for (const value of ['chunked', 'x'])
    read(head(`Connection: close\r\nContent-Length: 5\r\nTransfer-Encoding: ${value}\r\n`));
  for (const { markCount, keepsAlive, bodyLength, fieldCount } of [whole, read(head())!])
    assert.deepEqual([markCount, keepsAlive, bodyLength, fieldCount], [4, true, -1, 1]);
});

const WHOLE = head('Content-Length: 3\r\nX-Y: z\r\nConnection: close\r\n');

test('a head that is cut is none, whatever the memory behind it holds', () => {
  const others = ['\r\n\r\n', `\r\n${WHOLE}`, ': x\r\n\r\n', ' HTTP/1.1\r\n\r\n', '\0', '/'.repeat(999)];
  for (let cut = 0; cut < WHOLE.length; cut++) {
    const [came, rest] = [WHOLE.slice(0, cut), WHOLE.slice(cut)];
    for (const stale of [rest, `?${rest}`, WHOLE, ...others])
      assert.equal(read(came, stale), undefined, JSON.stringify([came, stale]));
  }
});

test('a head that has just ended is not continued by the memory behind it', () => {
  for (const stale of ['X: y\r\n\r\n', '?: y\r\n\r\n', WHOLE, '\r\n\r\n', '\n'])
    assert.deepEqual([read(WHOLE, stale)?.text, read(WHOLE, stale)?.fieldCount], [WHOLE, 4]);
});

/** Request lines, with | between them. */
const LEFT_STARTS: Readonly<Record<string, string>> = {
  'another version':
    'GET / HTTP/1.0|GET / HTTP/1.2|GET / HTTP/0.9|GET / HTTP/2.0|GET / HTTP/1.1 |GET / HTTP/1.11',
  'no version': 'GET /|GET / |GET / http/1.1|GET / HTTP /1.1|GET / XTTP/1.1|GET / HTTP/|',
  'another method':
    'get / HTTP/1.1|Get / HTTP/1.1|TRACE / HTTP/1.1|GETS / HTTP/1.1|GE / HTTP/1.1| / HTTP/1.1',
  'no single space before the target': 'GET  / HTTP/1.1|GET\t/ HTTP/1.1|GET/ HTTP/1.1| GET / HTTP/1.1',
  'no single space behind the target': 'GET /  HTTP/1.1|GET /\tHTTP/1.1|GET /HTTP/1.1|GET / \tHTTP/1.1',
  'a target that is no path':
    'GET http://h/ HTTP/1.1|OPTIONS * HTTP/1.1|CONNECT h:80 HTTP/1.1|GET ?a HTTP/1.1',
  'a target with a fragment': 'GET /a#b HTTP/1.1|GET /# HTTP/1.1|GET /#/ HTTP/1.1',
  'what no target holds': [...'\0\x01\t\n\v\f\r\x1b \x7f\x80\xa0\xff']
    .map((c) => `GET /a${c}b HTTP/1.1`)
    .join('|'),
  'an empty line before it': '\r\nGET / HTTP/1.1|\nGET / HTTP/1.1|\rGET / HTTP/1.1|\r\n\r\nGET / HTTP/1.1',
};

/** Fields, without their last CRLF. */
const LEFT_FIELDS: Readonly<Record<string, string>> = {
  'no space after a colon': 'X:y|X:|Content-Length:3|Connection:close',
  'more than a space after a colon': 'X:  y|X:\ty|X: \ty|Content-Length:  3',
  'blanks behind a value': 'X: y |X: y\t|Content-Length: 3 |Connection: close\t',
  'an empty value': 'X: |X:  |X: \t|Content-Length: |Connection: |Host: ',
  'a folded line': 'X: y\r\n z|X: y\r\n\tz| X: y|Content-Length: 3\r\n 4|X: y\r\n ',
  'a bare LF': 'X: y\nZ: a|X: y\n|\nX: y|\n|X: y\n\nGET / HTTP/1.1',
  'a bare CR': 'X: y\rZ: a|X: y\r|\rX: y|\r|X\r: y|X:\ry|X: \ry',
  'a control byte in a value': [...'\0\x01\b\v\f\x1b\x7f']
    .flatMap((c) => [c, `${c}y`, `y${c}`, `y${c}z`].map((value) => `X: ${value}`))
    .join('|'),
  'no colon': 'X|X y|X\r\nY: z|X;y',
  'no name': ': y|:|: ',
  'a space before a colon': 'X : y|X\t: y|Content-Length : 3|Transfer-Encoding : chunked',
  'what no name holds': [...'\0\t "(),/;<=>?@[\\]{}\x7f\x80\xe4']
    .flatMap((c) => [`X${c}: y`, `${c}X: y`, `X${c}Y: z`])
    .join('|'),
  'Transfer-Encoding': 'Transfer-Encoding: chunked|transfer-encoding: x|TRANSFER-ENCODING: gzip, chunked',
  Expect: 'Expect: 100-continue|expect: 100-continue|EXPECT: x|eXpEcT: 1',
  'a Connection that says more': 'upgrade|TE|close, x|keep-alive, x|Close|KEEP-ALIVE|close,|x'.replaceAll(
    /^|\|/g,
    '$&Connection: ',
  ),
  'Proxy-Connection, which Node takes for Connection': 'Proxy-Connection: close|proxy-connection: upgrade',
  'another protocol': 'Upgrade: websocket|upgrade: h2c|HTTP2-Settings: x',
  'two Content-Lengths':
    'Content-Length: 3\r\nX: y\r\ncontent-length: 3|Content-Length: 3\r\nContent-Length: 4',
  'a Content-Length that is no number': '+3|-3|-0|3 3|3,3|3, 3|0x3|3e0|3.|a|\xb2|"3"'.replaceAll(
    /^|\|/g,
    '$&Content-Length: ',
  ),
  'a Content-Length of 16 digits': 'Content-Length: 1234567890123456|Content-Length: 0000000000000003',
};

const ENDS = [`${head().slice(0, -2)}\n`, `${head().slice(0, -1)}\r\n`, `${head().slice(0, -1)}x`];
const LEFT: readonly (readonly [string, readonly string[]])[] = [
  ...Object.entries(LEFT_STARTS).map(
    ([what, lines]) => [what, lines.split('|').map((line) => head('', line))] as const,
  ),
  ...Object.entries(LEFT_FIELDS).map(
    ([what, lines]) => [what, lines.split('|').map((line) => head(`${line}\r\n`))] as const,
  ),
  ['an end without CRLF', [...ENDS, WHOLE.replaceAll('\r', ''), WHOLE.replaceAll('\n', '')]],
];

for (const [what, heads] of LEFT)
  test(`left to Node: ${what}`, () => {
    for (const text of heads) assert.equal(read(text, head()), undefined, JSON.stringify(text));
  });

interface Parser {
  initialize(kind: number, owner: object): void;
  execute(bytes: Buffer): number | Error;
  close(): void;
  [listener: number]: unknown;
}

interface ParserClass {
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
  new (): Parser;
}

/** What Node's parser tells of the bytes that it is shown. */
class NodeReader {
  readonly rawHeaders: string[] = [];
  target = '';
  /** Of each: version, number of the method, whether it is an upgrade, and keeps its connection. */
  readonly heads: unknown[] = [];
  bodyBytes = 0;
  ends = 0;
  readonly #parser: Parser;

  constructor(Class: ParserClass) {
    const parser = new Class();
    parser.initialize(Class.REQUEST, {});
    // of many fields it tells in parts
    const hear = (rawHeaders: string[] | null, target: string | null) => {
      this.rawHeaders.push(...(rawHeaders ?? []));
      this.target += target ?? '';
    };
    parser[Class.kOnHeaders] = hear;
    parser[Class.kOnHeadersComplete] = (...told: readonly unknown[]) => {
      const [major, minor, rawHeaders, method, target, , , isUpgrade, keepsAlive] = told;
      hear(rawHeaders as string[] | null, target as string | null);
      this.heads.push([major, minor, method, isUpgrade, keepsAlive]);
      return 0;
    };
    parser[Class.kOnBody] = ({ length }: Buffer) => {
      this.bodyBytes += length;
    };
    parser[Class.kOnMessageComplete] = () => {
      this.ends++;
    };
    this.#parser = parser;
  }

  /** All of it must be taken. */
  show(text: string): void {
    assert.equal(this.#parser.execute(latin1(text)), text.length);
  }

  close(): void {
    this.#parser.close();
  }
}

let Class: ParserClass;
/** The parser's own numbers of the methods. */
const numbers = new Map<string, unknown>();

before(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket & { parser: Parser }];
  Class = socket.parser.constructor as ParserClass;
  client.destroy();
  server.close();
  for (const method of METHODS) {
    const node = new NodeReader(Class);
    node.show(`${method} / HTTP/1.1\r\n\r\n`);
    numbers.set(method, (node.heads[0] as unknown[])[2]);
    node.close();
  }
  assert.equal(new Set(numbers.values()).size, METHODS.length);
});

/** More of a body is not shown to Node. */
const MOST_BODY_BYTES = 100;

/** Node takes the bytes of a head that was read, no more and no less, and knows the same of it. */
function assertNodeAgrees(plain: PlainHead): void {
  const { method, target, text, fieldsAt, fieldCount, keepsAlive, bodyLength } = plain;
  const node = new NodeReader(Class);
  node.show(text.slice(0, -1));
  assert.deepEqual([node.heads, node.ends], [[], 0], 'nothing before its last byte');
  node.show(text.slice(-1));
  assert.deepEqual(node.heads, [[1, 1, numbers.get(method), false, keepsAlive]]);
  assert.equal(node.ends, bodyLength > 0 ? 0 : 1);
  assert.deepEqual([node.target, node.rawHeaders], [target, fieldPairs(text, fieldsAt)]);
  assert.equal(fieldCount, node.rawHeaders.length / 2);
  assert.deepEqual(special(plain), specialIn(node.rawHeaders));
  const body = 'x'.repeat(Math.min(Math.max(0, bodyLength), MOST_BODY_BYTES));
  node.show(body);
  assert.deepEqual([node.bodyBytes, node.ends], [body.length, bodyLength > body.length ? 0 : 1], 'its body');
  node.close();
}

function specialIn(rawHeaders: readonly string[]): (readonly [number, string, string])[] {
  return rawHeaders
    .map((name, at) => [fieldOf(name), name, rawHeaders[at + 1]!] as const)
    .filter(([kind], at) => at % 2 === 0 && kind !== FIELD.endToEnd);
}

for (const lines of [
  'Proxy-Connection: keep-alive',
  'Proxy-Connection: close',
  'Proxy-Connection: upgrade\r\nUpgrade: websocket',
  'Connection: keep-alive\r\nUpgrade: websocket',
  'Connection: close\r\nConnection: keep-alive',
  'Content-Length: 007',
])
  test(`left to Node, or read as Node reads it: ${lines.replace('\r\n', ', ')}`, () => {
    const plain = read(head(`${lines}\r\n`));
    if (plain !== undefined) assertNodeAgrees(plain);
  });

const STARTS = [
  ...['GET /', 'POST /a?b=c&d', 'HEAD /%zz', 'PUT //x', 'DELETE /"<>\\^`{|}', 'PATCH /?', 'OPTIONS /a/../b'],
];
const ODD_STARTS = [
  ...['get /', 'CONNECT h:1', 'OPTIONS *', 'GET http://h/', 'PURGE /', 'GET /#', '\r\nGET /', 'GETS /'],
];
const LINES = [
  ...['Host: h', 'host: h:80', 'Accept: */*', 'X: \xe4\xff', 'Cookie: a=b; c="d\te"', "!#$%&'*+-.^_`|~: 1"],
  ...['Connection: close', 'Connection: keep-alive', 'connection: Keep-Alive', 'Keep-Alive: timeout=5'],
  ...['Content-Length: 0', 'Content-Length: 7', 'content-length: 0100', 'Content-Length: 123456789012345'],
  ...['TE: trailers', 'X-Forwarded-For: 1.2.3.4', 'X-Request-Id: x', 'Trailer: X'],
  ...['Hash: x', 'Tz: x', 'Engine: x'],
];
const ODD_LINES = [
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: identity', 'Expect: 100-continue', 'X:y', 'X: '],
  ...['Connection: upgrade', 'Connection: close, upgrade', 'Connection: Close', 'Connection: keep-alivee'],
  ...['Content-Length: 1, 1', 'Content-Length: +1', 'Content-Length: 18446744073709551617', 'X : y'],
  ...['Proxy-Connection: keep-alive', 'Upgrade: websocket', 'HTTP2-Settings: x', 'Connection: TE'],
  ...['Proxy-Connection: close', 'Proxy-Connection: upgrade', 'Proxy-Connection: x', 'X: y ', ' folded'],
];
const ODD_VERSIONS = [' HTTP/1.0\r\n', ' HTTP/2.0\r\n', '\r\n', ' HTTP/1.1\n'];
const SPOILERS = '\0\t\n\v\f\r !"#%*+,-./0159:;=?@AETZ[\\]_aetz{|}~\x7f\x80\xa0\xff';

function makeHead(random: Random): string {
  let text = random.pick(random.chance(90) ? STARTS : ODD_STARTS);
  text += random.chance(95) ? ' HTTP/1.1\r\n' : random.pick(ODD_VERSIONS);
  const count = random.chance(3) ? 20 + random.below(60) : random.below(7);
  for (let left = count; left > 0; left--)
    text += `${random.pick(random.chance(95) ? LINES : ODD_LINES)}\r\n`;
  return `${text}\r\n`;
}

function spoil(random: Random, text: string): string {
  const at = random.below(text.length);
  const byte = random.pick([...SPOILERS]);
  return text.slice(0, at) + (random.chance(70) ? byte : '') + text.slice(at + random.below(2));
}

test('what is read of made heads, well-formed and spoilt, Node reads in the same way', () => {
  const tally = { left: 0, read: 0, readSpoilt: 0 };
  for (let index = 0; index < runs; index++) {
    const random = new Random(seed + index);
    const made = makeHead(random);
    let wire = made;
    for (let left = random.pick([0, 1, 1, 2]); left > 0; left--) wire = spoil(random, wire);
    const plain = read(wire + random.pick(['', '', 'body', 'GET / HTTP/1.1\r\n\r\n', '\r\n']));
    if (plain === undefined) {
      tally.left++;
      continue;
    }
    tally.read++;
    if (wire !== made) tally.readSpoilt++;
    try {
      assertNodeAgrees(plain);
    } catch (cause) {
      throw new Error(`FUZZ_SEED=${seed + index} FUZZ_RUNS=1 repeats ${JSON.stringify(wire)}`, { cause });
    }
  }
  // a generator whose heads were all left to Node, or all plain, would prove nothing
  assert.ok(Math.min(tally.left, tally.read, 2 * tally.readSpoilt) >= runs / 5, JSON.stringify(tally));
});
