/**
 * What the response parser costs: `node bench/response-parser.ts`. One small answer as nginx sends it, the same in two
 * pieces, other answers, large bodies, and the ways of reading a head that were weighed against each other. Each
 * figure is the median of rounds, best read on a machine that does nothing else.
 */
import { Buffer } from 'node:buffer';
import { headerPairs, type ResponseHead } from '../lib/http1/response-head.ts';
import { ResponseParser, type ResponseSink } from '../lib/http1/response-parser.ts';

const ROUNDS = 7;
const SECOND_NS = 1e9;
const VARIANTS = 32;

/** What was heard, summed up so that no work can be left out as unused. */
let heard = 0;
let last: ResponseHead | undefined;
const sink: ResponseSink = {
  onInterim: () => {},
  onHead: (head) => {
    last = head;
    heard += head.forward.length;
  },
  onBody: (chunk) => {
    heard += chunk.length;
  },
  onEnd: () => {},
};
const PLAIN = { method: 'GET', upgrade: false, rawChunks: false };
const RAW = { method: 'GET', upgrade: false, rawChunks: true };

const BODY = '{"message":"Hello from Server: S1","status":"success"}';

/** An answer of nginx with 8 headers; the second makes each differ, so that nothing can be learnt by heart. */
function nginxAnswer(second: number): Buffer {
  const date = `Tue, 05 Nov 2024 10:00:${String(second).padStart(2, '0')} GMT`;
  const head = `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: ${date}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\nLast-Modified: Mon, 04 Nov 2024 10:00:00 GMT\r\nConnection: keep-alive\r\nETag: "67289a30-36"\r\nAccept-Ranges: bytes\r\n\r\n`;
  return Buffer.from(head + BODY, 'latin1');
}

function nodeAnswer(second: number): Buffer {
  const head = `HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Type: application/json; charset=utf-8\r\nETag: W/"36-${second}"\r\nDate: Tue, 05 Nov 2024 10:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n`;
  return Buffer.from(`${head}36\r\n${BODY}\r\n0\r\n\r\n`, 'latin1');
}

/** The line goes on without a blank after the colon, so the head is put together line by line. */
function oddAnswer(second: number): Buffer {
  return Buffer.from(nginxAnswer(second).toString('latin1').replace('ETag: ', 'ETag:'), 'latin1');
}

function variants(make: (second: number) => Buffer): readonly Buffer[] {
  return Array.from({ length: VARIANTS }, (_, second) => make(second));
}

const parser = new ResponseParser();

function answer(chunk: Buffer, request = PLAIN): void {
  parser.start(request, sink);
  parser.push(chunk);
}

/** The median over rounds of the nanoseconds that one call of `run` takes. */
function measure(run: (turn: number) => void, turns: number): number {
  const figures: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    for (let turn = 0; turn < turns; turn++) run(turn);
    const spent = Number(process.hrtime.bigint() - begin) / turns;
    // the first round warms up
    if (round > 0) figures.push(spent);
  }
  return figures.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

function reportAnswers(): void {
  const nginx = variants(nginxAnswer);
  const node = variants(nodeAnswer);
  const odd = variants(oddAnswer);
  const halves = nginx.map((bytes) => [bytes.subarray(0, 120), bytes.subarray(120)] as const);
  const turns = 200_000;
  const report = (what: string, run: (turn: number) => void): void =>
    console.log(`${what.padEnd(58)}${measure(run, turns).toFixed(0).padStart(6)} ns`);
  report('nginx answer: 8 headers, 54 bytes of JSON', (turn) => answer(nginx[turn % VARIANTS]!));
  report('the same, and all header pairs', (turn) => {
    answer(nginx[turn % VARIANTS]!);
    heard += headerPairs(last!.received).length;
  });
  report('the same, and what goes on as one buffer', (turn) => {
    answer(nginx[turn % VARIANTS]!);
    heard += Buffer.from(`${last!.forward}\r\n`, 'latin1').length;
  });
  report('the same in two pieces, cut within the head', (turn) => {
    const [first, second] = halves[turn % VARIANTS]!;
    parser.start(PLAIN, sink);
    parser.push(first);
    parser.push(second);
  });
  report('the same in an odd form, put together line by line', (turn) => answer(odd[turn % VARIANTS]!));
  report('Node answer, chunked, data alone', (turn) => answer(node[turn % VARIANTS]!));
  report('Node answer, chunked, with its framing', (turn) => answer(node[turn % VARIANTS]!, RAW));
}

const READ_BYTES = 65_536;

/** The buffers a socket would give: reads of 64 KiB. */
function reads(message: Buffer): readonly Buffer[] {
  const buffers: Buffer[] = [];
  for (let at = 0; at < message.length; at += READ_BYTES) buffers.push(message.subarray(at, at + READ_BYTES));
  return buffers;
}

function chunkedMessage(bodyBytes: number, chunkBytes: number): Buffer {
  const chunk = Buffer.from(`${chunkBytes.toString(16)}\r\n${'x'.repeat(chunkBytes)}\r\n`, 'latin1');
  const chunks = Array.from({ length: bodyBytes / chunkBytes }, () => chunk);
  const head = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'latin1');
  return Buffer.concat([head, ...chunks, Buffer.from('0\r\n\r\n', 'latin1')]);
}

function reportBodies(): void {
  const bodyBytes = 16 * 1024 * 1024;
  const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`, 'latin1');
  const cases = [
    ['Content-Length', Buffer.concat([head, Buffer.alloc(bodyBytes, 120)]), PLAIN],
    ['chunks of 8 KiB, data alone', chunkedMessage(bodyBytes, 8192), PLAIN],
    ['chunks of 8 KiB, with their framing', chunkedMessage(bodyBytes, 8192), RAW],
    ['chunks of 64 bytes, data alone', chunkedMessage(bodyBytes, 64), PLAIN],
    ['chunks of 64 bytes, with their framing', chunkedMessage(bodyBytes, 64), RAW],
  ] as const;
  for (const [what, message, request] of cases) {
    const buffers = reads(message);
    const run = (): void => {
      parser.start(request, sink);
      for (const buffer of buffers) parser.push(buffer);
    };
    const spent = measure(run, what === 'Content-Length' ? 2000 : 20);
    const megabytes = (bodyBytes / 1e6 / spent) * SECOND_NS;
    const perRead = spent / buffers.length;
    console.log(
      `16 MiB body, ${what}`.padEnd(58) +
        `${megabytes.toFixed(0).padStart(9)} MB/s, ${perRead.toFixed(0)} ns a 64 KiB read`,
    );
  }
}

/** Ways of finding and checking the lines of a head, without a word on what they mean. */
const WHOLE =
  /HTTP\/1\.[01] [1-9]\d\d [\t\x20-\x7e\x80-\xff]*\r\n(?:[!#$%&'*+\-.^_`|~\w]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/y;
const TOKEN_OR_TEXT = new Uint8Array(256).fill(1, 32);
TOKEN_OR_TEXT[9] = 1;
TOKEN_OR_TEXT[127] = 0;

function linesOfString(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n') + 4);
  for (let at = 0; at < text.length - 2; at += 2) {
    while (TOKEN_OR_TEXT[text.charCodeAt(at)] === 1) at++;
    if (text.charCodeAt(at) !== 13) throw new Error('not a head');
  }
  return text;
}

function linesOfRegExp(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  WHOLE.lastIndex = 0;
  if (!WHOLE.test(text)) throw new Error('not a head');
  for (let at = 0; at < WHOLE.lastIndex - 2; at = text.indexOf('\r\n', at) + 2)
    heard += text.indexOf(':', at);
  return text;
}

function linesOfBytes(bytes: Buffer): string {
  let at = 0;
  for (; bytes[at] !== 13; at += 2) {
    while (TOKEN_OR_TEXT[bytes[at]!] === 1) at++;
    if (bytes[at] !== 13) throw new Error('not a head');
  }
  return bytes.toString('latin1', 0, at + 2);
}

function stringForEachPart(bytes: Buffer): string {
  let count = 0;
  for (let at = 17; bytes[at] !== 13; at += 2) {
    const line = at;
    let colon = 0;
    for (; TOKEN_OR_TEXT[bytes[at]!] === 1; at++) if (colon === 0 && bytes[at] === 58) colon = at;
    count += bytes.toString('latin1', line, colon).length + bytes.toString('latin1', colon + 2, at).length;
  }
  return String(count);
}

function reportWays(): void {
  const nginx = variants(nginxAnswer);
  const ways = {
    'bytes by class table, then one string (as the parser does)': linesOfBytes,
    'one string, then its characters by class table': linesOfString,
    'one string, then one regular expression': linesOfRegExp,
    'bytes by class table, a string for each name and value': stringForEachPart,
  };
  for (const [what, way] of Object.entries(ways)) {
    const spent = measure((turn) => {
      heard += way(nginx[turn % VARIANTS]!).length;
    }, 200_000);
    console.log(`${what.padEnd(58)}${spent.toFixed(0).padStart(6)} ns`);
  }
}

reportAnswers();
reportBodies();
reportWays();
if (heard === 0) throw new Error('nothing was heard');
