/**
 * The request parser against Node's: what ours accepts, Node's strict parser accepts as the same requests, and the result
 * does not depend on how the bytes are cut.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { before, describe, test } from 'node:test';
import { fieldPairs } from '../../lib/http1/header-scanner.ts';
import type { ParsedRequest } from '../../lib/http1/request-head.ts';
import { RequestParser } from '../../lib/http1/request-parser.ts';
import { isBalancerError } from '../../lib/platform/errors.ts';
import { fuzzRun, latin1, Random } from '../helpers/random.ts';

const { seed, runs } = fuzzRun(8_000);
const LIMITS = { maxHeadBytes: 4096, maxHeaders: 100, maxTargetBytes: 1024 };

/** What was told of one message. */
interface Told {
  method: string;
  target: string;
  minor: number;
  fields: string[];
  framing: string;
  keepAlive: boolean;
  upgrade: string;
  body: string;
  ended: boolean;
}

/** Takes all of `pieces`, message after message; the code of the error that ended it, or ''. */
function readAll(pieces: readonly Buffer[]): { readonly told: readonly Told[]; readonly code: string } {
  const told: Told[] = [];
  const parser = new RequestParser(LIMITS, {
    onRequest(head: ParsedRequest) {
      told.push({
        method: head.method,
        target: head.target,
        minor: head.minorVersion,
        fields: fieldPairs(head.text, head.fieldsAt),
        framing: head.framing,
        keepAlive: head.keepAlive,
        upgrade: head.upgrade,
        body: '',
        ended: false,
      });
    },
    onBody(piece: Buffer) {
      told.at(-1)!.body += piece.toString('latin1');
    },
    onRequestEnd() {
      told.at(-1)!.ended = true;
    },
  });
  try {
    for (const piece of pieces) {
      const memory = Buffer.alloc(piece.length + 1, 'A');
      piece.copy(memory);
      for (let at = 0; at < piece.length; ) {
        at = parser.parse(memory, at, piece.length);
        // what follows a request that is to be the last is nobody's
        if (parser.phase === 'ended' && told.at(-1)?.keepAlive === false) return { told, code: '' };
        parser.startNext();
      }
    }
  } catch (error) {
    if (!isBalancerError(error)) throw error;
    return { told, code: error.code };
  }
  return { told, code: '' };
}

/** Of a body that broke, how much was told before depends on the pieces. */
function comparable({ told, code }: ReturnType<typeof readAll>) {
  const bodyOf = (each: Told): string => (each.framing === 'chunked' ? each.body.toLowerCase() : each.body);
  return {
    code,
    told: told.map((each) => ({ ...each, body: each.ended || code === '' ? bodyOf(each) : '' })),
  };
}

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
let Class: ParserClass;
const methods: string[] = [];

before(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket & { parser: Parser }];
  Class = socket.parser.constructor as ParserClass;
  client.destroy();
  server.close();
});

interface NodeTold {
  minor: number;
  fields: string[];
  target: string;
  method: number;
  upgrade: boolean;
  keepAlive: boolean;
  body: string;
  ended: boolean;
}

/** What Node's strict parser tells of the bytes; it skips no body. */
function readByNode(bytes: Buffer): { readonly told: readonly NodeTold[]; readonly failed: boolean } {
  const told: NodeTold[] = [];
  const parser = new Class();
  parser.initialize(Class.REQUEST, {});
  let fields: string[] = [];
  let target = '';
  parser[Class.kOnHeaders] = (headers: string[] | null, url: string | null) => {
    fields.push(...(headers ?? []));
    target += url ?? '';
  };
  parser[Class.kOnHeadersComplete] = (
    ...[, minor, headers, method, url, , , upgrade, keepAlive]: unknown[]
  ) => {
    fields.push(...((headers as string[] | undefined) ?? []));
    target += (url as string | undefined) ?? '';
    told.push({
      minor: minor as number,
      fields,
      target,
      method: method as number,
      upgrade: upgrade as boolean,
      keepAlive: keepAlive as boolean,
      body: '',
      ended: false,
    });
    fields = [];
    target = '';
    return 0;
  };
  parser[Class.kOnBody] = (piece: Buffer) => {
    told.at(-1)!.body += piece.toString('latin1');
  };
  parser[Class.kOnMessageComplete] = () => {
    const last = told.at(-1)!;
    last.fields.push(...fields);
    // with trailers it tells the target once more
    fields = [];
    target = '';
    last.ended = true;
  };
  const result = parser.execute(bytes);
  parser.close();
  return { told, failed: result instanceof Error };
}

/** The data of a chunked body as it came. */
function unchunk(raw: string): string {
  let data = '';
  for (let at = 0; ; ) {
    const end = raw.indexOf('\r\n', at);
    if (end === -1) return data;
    const size = Number.parseInt(raw.slice(at, end), 16);
    if (!(size > 0)) return data;
    data += raw.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}

const STARTS = [
  'GET /',
  'POST /a?b=c&d',
  'HEAD /%zz',
  'PUT //x',
  'DELETE /"<>\\^`{|}',
  'PATCH /?',
  'OPTIONS /a/../b',
  'OPTIONS *',
  'GET http://h/',
  'PURGE /',
  'PROPFIND /x',
  'M-SEARCH *',
  'GET /#',
  'GET /\xe4',
];
const ODD_STARTS = [
  'get /',
  '\r\nGET /',
  '\r\n\r\nPOST /',
  'GETS /',
  'GET  /',
  ' GET /',
  'GET',
  '\nGET /',
  'QUERY /',
];
const LINES = [
  'Host: h',
  'host: h:80',
  'Accept: */*',
  'X: \xe4\xff',
  'Cookie: a=b; c="d\te"',
  "!#$%&'*+-.^_`|~: 1",
  'Connection: close',
  'Connection: keep-alive',
  'connection: Keep-Alive',
  'Connection: x, TE',
  'TE: trailers',
  'X-Request-Id: x',
  'Trailer: X',
  'X:y',
  'X: ',
  'X:',
  'X: \t y \t',
  'Expect: 100-continue',
  'Expect:',
  'Proxy-Connection: close',
];
const ODD_LINES = [
  'Connection: upgrade',
  'Upgrade: websocket',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Content-Length: 1, 1',
  'Content-Length: +1',
  'Content-Length: 18446744073709551617',
  'X : y',
  ' folded',
  'X',
  ': y',
  'Content-Length:',
  'Transfer-Encoding:',
  'Transfer-Encoding: chunked',
  'Content-Length: 3',
  'Connection:',
  'Connection: ,close,',
];
const VERSIONS = [
  ' HTTP/1.0\r\n',
  ' HTTP/2.0\r\n',
  '\r\n',
  ' HTTP/1.1\n',
  ' HTTP/1.2\r\n',
  ' HTTP/1.1 \r\n',
  '  HTTP/1.1\r\n',
  ' http/1.1\r\n',
  ' HTTP/1.11\r\n',
  ' ICE/1.0\r\n',
  ' RTSP/1.0\r\n',
];
const SPOILERS = '\0\t\n\v\f\r !"#%*+,-./0159:;=?@AETZ[\\]_aetz{|}~\x7f\x80\xa0\xff';

const BLANKS_IN_SIZE = /\r\n[0-9a-f]+(?:[ \t]|;[^\r\n]*[ \t])/i;

function makeRequest(random: Random): string {
  let text = random.pick(random.chance(90) ? STARTS : ODD_STARTS);
  text += random.chance(90) ? ' HTTP/1.1\r\n' : random.pick(VERSIONS);
  const lines: string[] = [];
  for (let left = random.below(6); left > 0; left--)
    lines.push(random.pick(random.chance(93) ? LINES : ODD_LINES));
  let body = '';
  const kind = random.below(4);
  if (kind === 1) {
    body = random.text('abc\r\n0 ', 12);
    lines.push(`Content-Length: ${body.length}`);
  } else if (kind === 2) {
    lines.push(random.pick(['Transfer-Encoding: chunked', 'transfer-encoding: Chunked']));
    for (let left = random.below(3); left > 0; left--) {
      const data = random.text('xyz\r\n', 20) || 'x';
      body += `${random.pick(['', '0', '00'])}${data.length.toString(16)}${random.pick(['', '', ';a=b', ';a="b c"'])}\r\n${data}\r\n`;
    }
    body += random.pick([
      '0\r\n\r\n',
      '0\r\n\r\n',
      '00\r\n\r\n',
      '0\r\nX: y\r\n\r\n',
      '0;x\r\nA: b\r\nContent-Length: 5\r\n\r\n',
      '0\r\nTransfer-Encoding: chunked\r\n\r\n',
      '0\r\nKeep-Alive: 3\r\nHost: x\r\nUpgrade: x\r\n\r\n',
    ]);
  }
  return `${text}${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
}

function mutate(random: Random, text: string): string {
  const at = random.below(text.length);
  return (
    text.slice(0, at) +
    (random.chance(70) ? random.pick([...SPOILERS]) : '') +
    text.slice(at + random.below(2))
  );
}

function cut(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(random.pick([1, 3, 40, 400]));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

describe('the request parser', () => {
  test('calls its sink alike however the bytes are cut', () => {
    for (let index = 0; index < runs / 4; index++) {
      const random = new Random(seed + index);
      let wire = '';
      for (let left = 1 + random.below(3); left > 0; left--) wire += makeRequest(random);
      if (random.chance(50)) wire = mutate(random, wire);
      const bytes = latin1(wire);
      const whole = readAll([bytes]);
      for (const pieces of [cut(random, bytes), [...bytes].map((byte) => Buffer.of(byte))])
        assert.deepEqual(comparable(readAll(pieces)), comparable(whole), JSON.stringify(wire));
    }
  });

  test('accepts only what Node accepts, with the same framing and fields', () => {
    const tally = { taken: 0, refused: 0 };
    for (let index = 0; index < runs; index++) {
      const random = new Random(seed + index);
      let wire = '';
      for (let left = 1 + random.below(2); left > 0; left--) wire += makeRequest(random);
      for (let left = random.pick([0, 1, 1, 2]); left > 0; left--) wire = mutate(random, wire);
      const ours = readAll([latin1(wire)]);
      const node = readByNode(latin1(wire));
      const told = ours.told.filter(({ ended }) => ended);
      const where = `FUZZ_SEED=${seed + index} FUZZ_RUNS=1 repeats ${JSON.stringify(wire)}`;
      if (ours.code === '') tally.taken++;
      else tally.refused++;
      for (const [place, mine] of told.entries()) {
        const its = node.told[place];
        // the one tolerance: blanks in the size line of a chunk (RFC 9110 section 5.6.3), which Node refuses
        if (its?.ended !== true && mine.framing === 'chunked' && BLANKS_IN_SIZE.test(wire)) break;
        // Node's parser stops there, and its server makes what follows a tunnel
        if (its?.upgrade === true) break;
        assert.ok(its?.ended, `Node does not take message ${place}: ${where}`);
        methods[its.method] ??= mine.method;
        const body = mine.framing === 'chunked' ? unchunk(mine.body) : mine.body;
        const pairs = its.fields.slice(0, mine.fields.length);
        assert.deepEqual(
          [mine.method, mine.target, mine.minor, mine.fields, body],
          [methods[its.method], its.target, its.minor, pairs, its.body],
          where,
        );
        // of an HTTP/1.0 client that says both Node believes keep-alive
        if (mine.minor === 1 && !/upgrade/i.test(wire)) assert.equal(mine.keepAlive, its.keepAlive, where);
      }
    }
    assert.ok(Math.min(tally.taken, tally.refused) >= runs / 5, JSON.stringify(tally));
  });
});
