import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { ResponseParser, type ResponseSink } from '../../lib/http1/response-parser.ts';
import { latin1 } from '../helpers/random.ts';
import { ACCEPTED } from './response-accepted.ts';
import { everyCut, GET, recordParse, unchunk } from './response-recorder.ts';
import { REFUSED } from './response-refused.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const RAW = { rawChunks: true };
const SILENT: ResponseSink = { onInterim: () => {}, onHead: () => {}, onBody: () => {}, onEnd: () => {} };

describe('a response parser accepts', () => {
  for (const { title, wire, request = {}, head = {}, record = {} } of ACCEPTED) {
    test(title, () => {
      const actual = recordParse(wire, { request });
      assert.partialDeepStrictEqual(actual, { outcome: 'done', fault: '', ...record });
      assert.partialDeepStrictEqual(actual.head, head);
      for (const [key, value] of Object.entries(record))
        assert.deepEqual(actual[key as keyof typeof actual], value);
    });
  }
});

describe('a response parser refuses', () => {
  for (const { fault, title, wire, request = {} } of REFUSED) {
    test(title, () => {
      assert.partialDeepStrictEqual(recordParse(wire, { request }), {
        outcome: 'fault',
        fault,
        phase: 'dead',
      });
    });
  }
});

describe('a response parser reads alike', () => {
  for (const { title, wire, request = {} } of [...ACCEPTED, ...REFUSED]) {
    test(`cut in two anywhere: ${title}`, () => {
      const whole = recordParse(wire, { request });
      for (const cut of everyCut(wire)) assert.deepEqual(recordParse(wire, { request, cuts: [cut] }), whole);
    });
    test(`byte by byte: ${title}`, () => {
      assert.deepEqual(recordParse(wire, { request, cuts: everyCut(wire) }), recordParse(wire, { request }));
    });
  }
});

describe('a response that was cut never looks whole', () => {
  for (const { title, wire, request = {}, record = {} } of ACCEPTED) {
    test(title, () => {
      const whole = recordParse(wire, { request });
      const end = wire.length - whole.rest.length;
      for (const cut of everyCut(wire.slice(0, end))) {
        const { outcome, phase } = recordParse(wire.slice(0, cut), { request });
        const isOpenEnded = whole.head!.framing === 'close' && cut >= whole.head!.received.length;
        assert.equal(outcome, isOpenEnded ? 'done' : 'cut', `after ${cut} bytes`);
        assert.equal(phase === 'idle' || phase === 'waiting', false, `${phase} after ${cut} bytes`);
      }
      assert.notEqual(record.outcome, 'cut');
    });
  }
});

describe('with its framing, a chunked body', () => {
  for (const { title, wire, request = {} } of ACCEPTED.filter(({ wire }) =>
    wire.includes('chunked\r\n\r\n'),
  )) {
    test(`reads alike at any cut: ${title}`, () => {
      const plain = recordParse(wire, { request });
      for (const cuts of [[], everyCut(wire), ...everyCut(wire).map((cut) => [cut])]) {
        const raw = recordParse(wire, { request: { ...request, ...RAW }, cuts });
        if (plain.head!.framing !== 'chunked') assert.deepEqual(raw, plain);
        else
          assert.deepEqual(unchunk(raw.body), { data: plain.body, trailers: plain.trailers, complete: true });
      }
    });
  }

  test('is handed over as the very buffers it came in', () => {
    const pieces: Buffer[] = [];
    const parser = new ResponseParser();
    parser.start({ ...GET, ...RAW }, { ...SILENT, onBody: (chunk) => pieces.push(chunk) });
    const body = [latin1('5\r\nab'), latin1('cde\r\n3\r\nf'), latin1('gh\r\n0\r\n\r\n')];
    for (const piece of [latin1(CHUNKED), ...body]) parser.push(piece);
    assert.deepEqual(
      pieces.map((piece) => body.indexOf(piece)),
      [0, 1, 2],
    );
  });

  test('loses extensions and padding, and keeps what is plain', () => {
    const wire = `${CHUNKED}3\r\nabc\r\n003\r\ndef\r\nA;x=y\r\n0123456789\r\nA\r\n9876543210\r\n0;z\r\n\r\n`;
    assert.equal(
      recordParse(wire, { request: RAW }).body,
      '3\r\nabc\r\n3\r\ndef\r\na\r\n0123456789\r\nA\r\n9876543210\r\n0\r\n\r\n',
    );
  });

  test('carries only the trailers that may pass', () => {
    const wire = `${CHUNKED}0\r\nX-A:b\r\nTransfer-Encoding: chunked\r\nContent-Digest: c\r\n\r\n`;
    const record = recordParse(wire, { request: RAW });
    assert.equal(record.body, '0\r\nX-A: b\r\nContent-Digest: c\r\n\r\n');
    assert.deepEqual(record.trailers, ['X-A', 'b', 'Content-Digest', 'c']);
  });

  test('that breaks a rule is never ended', () => {
    for (const { wire } of REFUSED.filter(({ wire }) => wire.startsWith(CHUNKED))) {
      const { body } = recordParse(wire, { request: RAW, cuts: everyCut(wire) });
      assert.equal(unchunk(body).complete, false);
    }
  });
});

describe('a response parser has limits:', () => {
  const limits = { maxHeadBytes: 100, maxHeaders: 3, maxTrailerBytes: 50, maxInterimBytes: 36 };
  const headOf = (bytes: number): string => `${OK}A: ${'b'.repeat(bytes - OK.length - 7)}\r\n\r\n`;
  const cases = [
    ['a head of the limit', headOf(100), 'done', ''],
    ['a head one byte longer', headOf(101), 'fault', 'head-too-large'],
    ['a head of the limit without its end', headOf(102).slice(0, 100), 'fault', 'head-too-large'],
    ['a head without end', OK + 'A: b\r\n'.repeat(2) + 'c'.repeat(1000), 'fault', 'head-too-large'],
    ['headers of the limit', `${OK}A: b\r\nC: d\r\nE: f\r\n\r\n`, 'done', ''],
    ['one header more', `${OK}A: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n`, 'fault', 'too-many-headers'],
    ['trailers of the limit', `${CHUNKED}0\r\nA: ${'b'.repeat(43)}\r\n\r\n`, 'done', ''],
    ['trailers one byte longer', `${CHUNKED}0\r\nA: ${'b'.repeat(44)}\r\n\r\n`, 'fault', 'trailer-too-large'],
    ['too many trailers', `${CHUNKED}0\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n`, 'fault', 'too-many-headers'],
    ['1xx answers of the limit', `${'HTTP/1.1 100 \r\n\r\n'.repeat(2)}${OK}\r\n`, 'done', ''],
    ['one 1xx answer more', `${'HTTP/1.1 100 \r\n\r\n'.repeat(3)}${OK}\r\n`, 'fault', 'too-many-interim'],
  ] as const;
  for (const [title, wire, outcome, fault] of cases) {
    test(title, () => {
      for (const cuts of [[], everyCut(wire), ...everyCut(wire).map((cut) => [cut])])
        assert.partialDeepStrictEqual(recordParse(wire, { limits, cuts }), { outcome, fault });
    });
  }

  test('head limit is for one head, not for all 1xx together', () => {
    const interim = `HTTP/1.1 103 \r\nA: ${'b'.repeat(70)}\r\n\r\n`;
    const wire = interim + interim + headOf(100);
    assert.equal(recordParse(wire, { limits: { ...limits, maxInterimBytes: 1000 } }).outcome, 'done');
  });

  test('the limit of chunk extensions is of one chunk', () => {
    const chunk = `1;${'a'.repeat(200)}\r\nb\r\n`;
    assert.equal(recordParse(`${CHUNKED}${chunk}${chunk}0\r\n\r\n`).body, 'bb');
  });

  test('a 64 KiB header line byte by byte is scanned once', () => {
    const wire = `${OK}A: ${'b'.repeat(65_000)}\r\n\r\n`;
    assert.equal(recordParse(wire, { cuts: everyCut(wire) }).head!.received, wire);
  });
});
