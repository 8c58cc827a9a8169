import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { parseError, parseErrorKindOf } from '../../lib/http1/parse-errors.ts';
import { headerPairs } from '../../lib/http1/response-head.ts';
import { RESPONSE_LIMITS, ResponseParser, type ResponseSink } from '../../lib/http1/response-parser.ts';
import { BalancerError } from '../../lib/platform/errors.ts';
import { latin1 } from '../helpers/random.ts';
import { GET, recordParse } from './response-recorder.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const SILENT: ResponseSink = { onInterim: () => {}, onHead: () => {}, onBody: () => {}, onEnd: () => {} };

function refusedFor(fault: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof BalancerError && error.code === 'bad-response' && parseErrorKindOf(error) === fault;
}

describe('one response parser', () => {
  test('reads consecutive responses', () => {
    const told: string[] = [];
    const onBody = (chunk: Buffer): unknown => told.push(chunk.toString('latin1'));
    const sink = { ...SILENT, onBody, onEnd: (trailers: readonly string[]) => told.push(...trailers, 'end') };
    const parser = new ResponseParser({ ...RESPONSE_LIMITS, maxInterimBytes: 18 });
    const interim = 'HTTP/1.1 100 \r\n\r\n';
    const trailed = `${CHUNKED}1\r\nb\r\n0\r\nA: t\r\n\r\n`;
    for (const answer of [
      `${interim}${OK}Content-Length: 1\r\n\r\na`,
      trailed,
      `${interim}${CHUNKED}0\r\n\r\n`,
    ]) {
      parser.start(GET, sink);
      for (const piece of [answer.slice(0, 20), answer.slice(20)]) parser.push(latin1(piece));
      assert.equal(parser.phase, 'idle');
    }
    assert.deepEqual(told, ['a', 'end', 'b', 'A', 't', 'end', 'end']);
  });

  test('can be started again from within the end of a response', () => {
    const parser = new ResponseParser();
    parser.start(GET, { ...SILENT, onEnd: () => parser.start(GET, SILENT) });
    assert.equal(parser.push(latin1(`${OK}Content-Length: 0\r\n\r\n`)), 'done');
    assert.equal(parser.phase, 'waiting');
  });

  test('cannot be started while a response is being read', () => {
    const parser = new ResponseParser();
    parser.start(GET, SILENT);
    assert.throws(() => parser.start(GET, SILENT), /started while waiting/);
  });

  test('refuses bytes that belong to no request', () => {
    assert.throws(() => new ResponseParser().push(latin1(OK)), refusedFor('no-request'));
  });

  test('stays dead after a broken rule', () => {
    const parser = new ResponseParser();
    parser.start(GET, SILENT);
    assert.throws(() => parser.push(latin1('HTTP/3')), refusedFor('status-line'));
    assert.throws(() => parser.push(latin1(`${OK}\r\n`)), refusedFor('after-end'));
    assert.equal(parser.finish(), false);
  });

  test('refuses another protocol at its first wrong byte', () => {
    const parser = new ResponseParser();
    parser.start(GET, SILENT);
    assert.throws(() => parser.push(latin1('SS')), refusedFor('status-line'));
  });

  test('calls its sink no more once stopped, even within a buffer', () => {
    const wire = `HTTP/1.1 103 \r\n\r\n${CHUNKED}1\r\na\r\n1;x\r\nb\r\nnot a chunk`;
    for (const rawChunks of [false, true]) {
      for (let stopAt = 1; stopAt <= 4; stopAt++) {
        let told = 0;
        const parser = new ResponseParser();
        const listen = (): void => {
          if (++told === stopAt) parser.stop();
        };
        parser.start(
          { ...GET, rawChunks },
          { onInterim: listen, onHead: listen, onBody: listen, onEnd: listen },
        );
        assert.equal(parser.push(latin1(wire)), 'more');
        assert.equal(told, stopAt);
        assert.equal(parser.phase, 'dead');
      }
    }
  });

  test('stays closed where its sink stopped it at the last byte', () => {
    for (const wire of [`${OK}Content-Length: 1\r\n\r\na`, `${CHUNKED}1\r\na\r\n0\r\n\r\n`]) {
      const parser = new ResponseParser();
      parser.start({ ...GET, rawChunks: true }, { ...SILENT, onBody: () => parser.stop() });
      assert.equal(parser.push(latin1(wire)), 'more');
      assert.equal(parser.phase, 'dead');
    }
  });

  test('is dead after its sink threw, and rethrows', () => {
    const parser = new ResponseParser();
    const mistake = new Error('of the sink');
    const onHead = (): never => {
      throw mistake;
    };
    parser.start(GET, { ...SILENT, onHead });
    assert.throws(() => parser.push(latin1(`${OK}\r\n`)), mistake);
    assert.equal(parser.phase, 'dead');
  });

  test('reports how much of the response came with the head', () => {
    const seen: number[] = [];
    const parser = new ResponseParser();
    parser.start(GET, { ...SILENT, onHead: (_head, bytesHere) => seen.push(bytesHere) });
    parser.push(latin1(`${OK}Content-Length: 9\r\n`));
    parser.push(latin1('\r\n1234'));
    assert.deepEqual(seen, [4]);
  });

  test('distinguishes an end before any byte from one within the head', () => {
    assert.equal(recordParse('').phase, 'waiting');
    assert.equal(recordParse('H').phase, 'head');
    assert.equal(recordParse('HTTP/1.1 100 \r\n\r\n').phase, 'head');
  });

  test('returns every header as a pair, without blanks', () => {
    const head = recordParse(`${OK}A:\t b \r\nConnection: close\r\na:\r\n\r\n`).head!;
    assert.deepEqual(headerPairs(head.received), ['A', 'b', 'Connection', 'close', 'a', '']);
    assert.deepEqual(headerPairs(head.forward), ['A', 'b', 'a', '']);
  });
});

test('an error begins with a stable word for its rule', () => {
  const error = parseError('two-framings');
  assert.equal(parseErrorKindOf(error), 'two-framings');
  assert.match(error.message, /^two-framings: .*together$/);
  assert.equal(error.status, 502);
});
