/** Responses that a response parser accepts, one for each rule, with what they mean. */
import type { ResponseHead } from '../../lib/http1/response-head.ts';
import type { ResponseRequest } from '../../lib/http1/response-parser.ts';
import type { ParseRecord } from './response-recorder.ts';

export interface AcceptedResponse {
  readonly title: string;
  /** Latin1. */
  readonly wire: string;
  readonly request?: Partial<ResponseRequest>;
  readonly head?: Partial<ResponseHead>;
  readonly record?: Partial<ParseRecord>;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const HEAD = { method: 'HEAD' };
const IDLE = { phase: 'idle', rest: '' } as const;
const DEAD = { phase: 'dead' } as const;

export const ACCEPTED: readonly AcceptedResponse[] = [
  {
    title: 'a body of a given length',
    wire: `${OK}Content-Length: 5\r\n\r\nhello`,
    head: {
      statusCode: 200,
      framing: 'length',
      contentLength: 5,
      keepAlive: true,
    },
    record: { ...IDLE, body: 'hello', trailers: [] },
  },
  {
    title: 'a chunked body with sizes in either case',
    wire: `${CHUNKED}A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n`,
    head: { framing: 'chunked', contentLength: -1, keepAlive: true, forward: OK },
    record: { ...IDLE, body: '01234567890123456789a' },
  },
  {
    title: 'a chunked body that is empty',
    wire: `${CHUNKED}0\r\n\r\n`,
    record: { ...IDLE, body: '', trailers: [] },
  },
  {
    title: 'chunk sizes with padding',
    wire: `${CHUNKED}0003\r\nabc\r\n000\r\n\r\n`,
    record: { ...IDLE, body: 'abc' },
  },
  {
    title: 'chunk extensions, which are left out',
    wire: `${CHUNKED}3;a;b=c;d="e\\";f"\r\nabc\r\n0;x\r\n\r\n`,
    record: { ...IDLE, body: 'abc' },
  },
  {
    title: 'blanks around chunk sizes and extensions, which are left out',
    wire: `${CHUNKED}3   \r\nabc\r\n1 ;a=b\r\nd\r\n1; a=b\r\ne\r\n2\t;\ta = "b c"  ; d \t\r\nfg\r\n0 \r\n\r\n`,
    record: { ...IDLE, body: 'abcdefg' },
  },
  {
    title: 'a long chunk extension',
    wire: `${CHUNKED}3;a="${'b'.repeat(16_000)}"\r\nabc\r\n0\r\n\r\n`,
    record: { ...IDLE, body: 'abc' },
  },
  {
    title: 'a chunk size with many leading zeros',
    wire: `${CHUNKED}${'0'.repeat(1000)}3\r\nabc\r\n${'0'.repeat(1000)}\r\n\r\n`,
    record: { ...IDLE, body: 'abc' },
  },
  {
    title: 'trailers, less those that could change what the answer means',
    wire: `${CHUNKED}1\r\na\r\n0\r\nX-Sum: 1 \r\nContent-Length: 9\r\nHost: x\r\nset-cookie: y\r\nX-Sum:2\r\n\r\n`,
    record: { ...IDLE, body: 'a', trailers: ['X-Sum', '1', 'X-Sum', '2'] },
  },
  {
    title: 'a body that the end of the connection ends',
    wire: `${OK}\r\nall of it\r\n0\r\n\r\n`,
    head: { framing: 'close', keepAlive: false },
    record: { ...DEAD, body: 'all of it\r\n0\r\n\r\n' },
  },
  {
    title: 'an HTTP/1.0 answer, which goes on as HTTP/1.1 and closes',
    wire: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\nServer: x\r\n\r\na',
    head: { keepAlive: false, forward: `${OK}Content-Length: 1\r\nServer: x\r\n` },
    record: { ...DEAD, body: 'a' },
  },
  {
    title: 'an HTTP/1.0 answer that keeps its connection',
    wire: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\na',
    head: { keepAlive: true },
    record: IDLE,
  },
  {
    title: 'an answer that closes its connection',
    wire: `${OK}Content-Length: 1\r\nConnection: CLOSE\r\n\r\na`,
    head: { keepAlive: false },
    record: { ...DEAD, rest: '' },
  },
  {
    title: 'close, which beats keep-alive',
    wire: `${OK}Content-Length: 1\r\nConnection: keep-alive\r\nConnection: x, close\r\n\r\na`,
    head: { keepAlive: false },
  },
  {
    title: 'an option that is close except for a non-blank byte',
    wire: `${OK}Content-Length: 1\r\nConnection: \xa0close\r\n\r\na`,
    head: { keepAlive: true },
  },
  {
    title: 'a 1xx that closes the connection after the final answer',
    wire: `HTTP/1.1 103 \r\nConnection: close\r\n\r\n${OK}Content-Length: 1\r\n\r\na`,
    head: { keepAlive: true },
    record: { ...DEAD, body: 'a' },
  },
  {
    title: 'a HEAD answer without a body, whatever it says of one',
    wire: `${OK}Content-Length: 5\r\n\r\n`,
    request: HEAD,
    head: { framing: 'none', contentLength: 5, forward: `${OK}Content-Length: 5\r\n` },
    record: { ...IDLE, body: '' },
  },
  {
    title: 'a HEAD answer that says chunked',
    wire: CHUNKED,
    request: HEAD,
    head: { framing: 'none', forward: OK, keepAlive: true },
    record: IDLE,
  },
  {
    title: 'a 304, which keeps its length',
    wire: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    head: { framing: 'none', forward: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n', keepAlive: true },
    record: IDLE,
  },
  {
    title: 'a 204, which loses its length',
    wire: 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nServer: x\r\n\r\n',
    head: { framing: 'none', forward: 'HTTP/1.1 204 No Content\r\nServer: x\r\n', keepAlive: true },
    record: IDLE,
  },
  {
    title: 'a 204 that announces a body, its connection not used again',
    wire: 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n',
    head: { framing: 'none', keepAlive: false },
    record: DEAD,
  },
  {
    title: 'a 204 that says chunked, whose connection is not used again',
    wire: 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
    head: { framing: 'none', keepAlive: false },
    record: DEAD,
  },
  {
    title: 'bytes after the end, which leave the connection of no use',
    wire: `${OK}Content-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n`,
    record: { ...DEAD, body: 'a', rest: 'HTTP/1.1 200 OK\r\n\r\n' },
  },
  {
    title: 'an upgrade asked for, with early bytes of the tunnel',
    wire: 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: y\r\n\r\nearly',
    request: { upgrade: true },
    head: { framing: 'upgrade', upgrade: 'websocket', forward: 'HTTP/1.1 101 Switching\r\nX: y\r\n' },
    record: { ...DEAD, outcome: 'upgraded', rest: 'early', trailers: undefined },
  },
  {
    title: 'an upgrade that was refused',
    wire: 'HTTP/1.1 426 Upgrade Required\r\nUpgrade: a\r\nUpgrade: b\r\nContent-Length: 0\r\n\r\n',
    request: { upgrade: true },
    head: { framing: 'length', upgrade: 'a, b' },
    record: IDLE,
  },
  {
    title: 'a status without a reason, or the space before it',
    wire: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n',
    head: { statusCode: 200, forward: 'HTTP/1.1 200 \r\nContent-Length: 0\r\n' },
  },
  {
    title: 'a reason with bytes above 0x7F, and a status above 599',
    wire: 'HTTP/1.1 999 caf\xe9\t!\r\nContent-Length: 0\r\n\r\n',
    head: { statusCode: 999, forward: 'HTTP/1.1 999 caf\xe9\t!\r\nContent-Length: 0\r\n' },
  },
  {
    title: 'repeated headers in order, their case and bytes kept',
    wire: `${OK}Set-Cookie: b=\xff\r\nSET-COOKIE: a\r\nset-cookie: c d\t"\r\nContent-Length: 0\r\n\r\n`,
    head: {
      forward: `${OK}Set-Cookie: b=\xff\r\nSET-COOKIE: a\r\nset-cookie: c d\t"\r\nContent-Length: 0\r\n`,
    },
  },
  {
    title: 'blanks round a value, and an empty one, in plain form',
    wire: `${OK}A:b\r\nC: \t d e\t \r\nF:\r\nG: \xa0\r\nContent-Length:\t0 \r\n\r\n`,
    head: { forward: `${OK}A: b\r\nC: d e\r\nF: \r\nG: \xa0\r\nContent-Length: 0\r\n` },
  },
  {
    title: 'headers of one hop, which do not go on',
    wire: `${OK}A: 1\r\nConnection: keep-alive\r\nKeep-Alive: timeout=7, max=9\r\nB: 2\r\nTE: x\r\nProxy-Connection: y\r\nUpgrade: h2c\r\nTrailer: z\r\nContent-Length: 0\r\nC: 3\r\n\r\n`,
    head: {
      forward: `${OK}A: 1\r\nB: 2\r\nContent-Length: 0\r\nC: 3\r\n`,
      keepAliveTimeoutMs: 7000,
      upgrade: 'h2c',
    },
  },
  {
    title: 'the announcement of trailers where there may be some',
    wire: `${OK}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    head: { forward: `${OK}Trailer: X-Sum\r\n` },
  },
  {
    title: 'headers that Connection names, not passed on, whichever comes first',
    wire: `${OK}X-Hop: 1\r\nDate: now\r\nConnection: x-hop , Date,, X-REQUEST-ID\r\nX-Request-Id: 2\r\nX-Hop: 3\r\nContent-Length: 0\r\n\r\n`,
    head: { forward: `${OK}Content-Length: 0\r\n`, hasDate: false, hasRequestId: false, keepAlive: true },
  },
  {
    title: 'framing that Connection names, which stays',
    wire: `${OK}Connection: content-length\r\nContent-Length: 2\r\n\r\nab`,
    head: { forward: `${OK}Content-Length: 2\r\n`, framing: 'length' },
    record: { body: 'ab' },
  },
  {
    title: 'Date and X-Request-Id, noticed in any case',
    wire: `${OK}dAtE: x\r\nx-request-ID: y\r\nContent-Length: 0\r\n\r\n`,
    head: { hasDate: true, hasRequestId: true, keepAliveTimeoutMs: -1, upgrade: '' },
  },
  {
    title: 'names as long as special ones',
    wire: `${OK}Dat3: x\r\nConnectiom: close\r\nContent-Lengtg: 7\r\nTransfer-Encodinf: y\r\nContent-Length: 0\r\n\r\n`,
    head: { keepAlive: true, contentLength: 0, hasDate: false },
  },
  {
    title: 'one length said twice, which goes on once',
    wire: `${OK}Content-Length: 2\r\nA: b\r\ncontent-length: 2\r\n\r\nab`,
    head: { contentLength: 2, forward: `${OK}Content-Length: 2\r\nA: b\r\n` },
    record: { body: 'ab' },
  },
  {
    title: 'one length said twice in a list',
    wire: `${OK}Content-Length: 2, 2\r\n\r\nab`,
    head: { contentLength: 2, forward: `${OK}Content-Length: 2\r\n` },
    record: { body: 'ab' },
  },
  {
    title: 'a padded length, which goes on without padding',
    wire: `${OK}Content-Length: 002\r\n\r\nab`,
    head: { contentLength: 2, forward: `${OK}Content-Length: 2\r\n` },
  },
  {
    title: 'a Keep-Alive hint after others',
    wire: `${OK}Keep-Alive: max=5,Timeout=72\r\nContent-Length: 0\r\n\r\n`,
    head: { keepAliveTimeoutMs: 72_000 },
  },
  {
    title: 'what only ends like a Keep-Alive hint',
    wire: `${OK}Keep-Alive: xtimeout=3\r\nContent-Length: 0\r\n\r\n`,
    head: { keepAliveTimeoutMs: -1 },
  },
  {
    title: 'a blank after a value, which does not go on',
    wire: `${OK}A: b \r\nContent-Length: 0\r\n\r\n`,
    head: { forward: `${OK}A: b\r\nContent-Length: 0\r\n` },
  },
];
