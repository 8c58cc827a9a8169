/** The request line that the log has of a head which was refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestLineOf } from '../../lib/http1/request-head.ts';
import { RequestParser } from '../../lib/http1/request-parser.ts';

const LONG = `/${'x'.repeat(5000)}`;

for (const [head, method, url, httpVersion] of [
  ['GET /a?b=c HTTP/1.1\r\nHost: a\r\n', 'GET', '/a?b=c', '1.1'],
  ['\r\n\r\nPOST /a HTTP/1.0\r\n', 'POST', '/a', '1.0'],
  ['GET /a HTTP/1.1\rX: y', 'GET', '/a', '1.1'],
  ['GET /a HTTP/1.1\nX: y', 'GET', '/a', '1.1'],
  ['GET /a#b HTTP/1.1\r\n', 'GET', '/a#b', '1.1'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n', 'PRI', '*', '2.0'],
  // as far as they have come
  ['GET /a HTTP/1.', 'GET', '/a', '1.1'],
  ['GET /a', 'GET', '/a', '1.1'],
  [`GET ${LONG} HTTP/1.1\r\n`, 'GET', LONG.slice(0, 2048), '1.1'],
  [`GET ${LONG.slice(0, 2500)} HTTP/1.0\r\n`, 'GET', LONG.slice(0, 2048), '1.0'],
] as const) {
  test(`${JSON.stringify(head.slice(0, 30))} is ${method} ${url.slice(0, 20)}`, () => {
    assert.deepEqual(requestLineOf(Buffer.from(head, 'latin1')), { method, url, httpVersion });
  });
}

for (const head of [
  '',
  'GET',
  'GET ',
  'nonsense\r\n\r\n',
  'GET /a b HTTP/1.1\r\n',
  'GET  /a HTTP/1.1\r\n',
  'GET /a XTTP/1.1\r\n',
  'GET /a HTTP/1.1 \r\n',
  'GET /\x80 HTTP/1.1\r\n',
  'G@T /a HTTP/1.1\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
]) {
  test(`${JSON.stringify(head)} is no request line`, () => {
    assert.equal(requestLineOf(Buffer.from(head, 'latin1')), undefined);
  });
}

const SINK = { onRequest: () => {}, onBody: () => {}, onRequestEnd: () => {} };
const LIMITS = { maxHeadBytes: 4096, maxHeaders: 100, maxTargetBytes: 1024 };
const FIRST = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n';

for (const rest of [
  'Bad name: x\r\n\r\n',
  'Host: a\rX: y\r\n\r\n',
  'Host: a\r\nExpect: much\r\n\r\n',
  'Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
]) {
  test(`a parser that refuses ${JSON.stringify(rest)} knows the line wherever the bytes are cut`, () => {
    const bytes = Buffer.from(`${FIRST}GET /second HTTP/1.1\r\n${rest}`, 'latin1');
    for (let cut = 0; cut < bytes.length; cut++) {
      const parser = new RequestParser(LIMITS, SINK);
      assert.throws(() => {
        for (const [from, to] of [
          [0, cut],
          [cut, bytes.length],
        ] as const) {
          // a copy, since the parser writes a byte behind what it takes
          const memory = Buffer.from(bytes);
          for (let at = from; at < to; parser.startNext()) at = parser.parse(memory, at, to);
        }
      });
      assert.equal(parser.unparsedLine?.url, '/second', `cut at ${cut}`);
    }
  });
}
