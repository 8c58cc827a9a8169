/**
 * The response parser fed with generated, mutated and random bytes in random pieces. FUZZ_SEED and FUZZ_RUNS set the run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseParser, type ResponseSink } from '../../lib/http1/response-parser.ts';
import { fuzzRun, latin1, Random } from '../helpers/random.ts';
import { generateResponse } from './response-generator.ts';
import { mutate } from './response-mutator.ts';
import { GET, type ParseRecord, recordParse, unchunk } from './response-recorder.ts';

const { seed, runs } = fuzzRun(20_000);
const BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');
const PARTS = [
  'HTTP/1.1 200 OK\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  '\r\n',
  '3\r\nabc\r\n',
];

function cutsOf(random: Random, length: number): readonly number[] {
  const cuts = Array.from({ length: random.below(6) }, () => random.below(length + 1));
  return cuts.sort((a, b) => a - b);
}

function onEveryCase(share: number, judge: (random: Random) => void): void {
  for (let index = 0; index < runs / share; index++) {
    const random = new Random(seed + index);
    try {
      judge(random);
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed + index} FUZZ_RUNS=1 repeats case ${index}`, {
        cause: error,
      });
    }
  }
}

function assertOrderly(record: ParseRecord, wire: string): void {
  assert.notEqual(record.outcome, 'thrown', `${record.fault}: ${JSON.stringify(wire)}`);
  assert.equal(record.outcome === 'done', record.trailers !== undefined);
  assert.ok(record.head !== undefined || record.body === '');
  if (record.outcome === 'fault') assert.equal(record.phase, 'dead');
}

test('random malformed responses raise bad-response alone and lose no byte', () => {
  onEveryCase(1, (random) => {
    const made = generateResponse(random);
    const wire = random.chance(30) ? made.wire : mutate(random, made.wire);
    const record = recordParse(wire, { request: made, cuts: cutsOf(random, wire.length) });
    assertOrderly(record, wire);
    assert.deepEqual(record, recordParse(wire, { request: made }), JSON.stringify(wire));
    if (record.head === undefined || record.head.framing === 'chunked') return;
    const heads = [...record.interim, record.head].map((head) => head.received).join('');
    assert.equal(
      heads + record.body + record.rest,
      wire.slice(0, heads.length + record.body.length + record.rest.length),
    );
    if (record.outcome !== 'cut') assert.equal((heads + record.body + record.rest).length, wire.length);
  });
});

test('a chunked body decodes alike with and without its framing', () => {
  onEveryCase(1, (random) => {
    const made = generateResponse(random);
    const wire = random.chance(50) ? made.wire : mutate(random, made.wire);
    const cuts = cutsOf(random, wire.length);
    const plain = recordParse(wire, { request: made, cuts });
    const raw = recordParse(wire, { request: { ...made, rawChunks: true }, cuts });
    if (plain.head?.framing !== 'chunked') {
      assert.deepEqual(raw, plain);
      return;
    }
    assert.deepEqual({ ...raw, body: plain.body }, plain, JSON.stringify(wire));
    const { data, trailers, complete } = unchunk(raw.body);
    assert.equal(complete, plain.outcome === 'done');
    if (complete) assert.deepEqual([data, trailers], [plain.body, plain.trailers]);
    else assert.ok(plain.body.startsWith(data), JSON.stringify(wire));
    if (plain.outcome === 'cut') assert.equal(data, plain.body);
  });
});

test('random bytes make no other error than bad-response', () => {
  onEveryCase(2, (random) => {
    const parts = Array.from({ length: random.below(12) }, () =>
      random.chance(60) ? random.pick(PARTS) : random.text(BYTES, 6),
    );
    const wire = (random.chance(80) ? PARTS[0]! : '') + parts.join('');
    const request = { ...GET, rawChunks: random.chance(50), upgrade: random.chance(10) };
    assertOrderly(recordParse(wire, { request, cuts: cutsOf(random, wire.length) }), wire);
  });
});

function pushInPieces(parser: ResponseParser, wire: string, cuts: readonly number[]): void {
  const bytes = latin1(wire);
  const edges = [0, ...cuts, wire.length];
  for (let k = 1; k < edges.length; k++) {
    if (edges[k]! <= edges[k - 1]!) continue;
    if (parser.push(bytes.subarray(edges[k - 1]!, edges[k]!)) !== 'more') return;
  }
}

test('consecutive responses on one connection are read independently', () => {
  onEveryCase(20, (random) => {
    const parser = new ResponseParser();
    for (let count = 0; count < 8 && parser.phase === 'idle'; count++) {
      const made = generateResponse(random);
      let body = '';
      const sink: ResponseSink = {
        onInterim: () => {},
        onHead: () => {},
        onBody: (chunk) => {
          body += chunk.toString('latin1');
        },
        onEnd: () => {},
      };
      parser.start({ ...made, rawChunks: false }, sink);
      pushInPieces(parser, made.wire, cutsOf(random, made.wire.length));
      parser.finish();
      assert.equal(body, made.body, JSON.stringify(made.wire));
      assert.equal(parser.phase, recordParse(made.wire, { request: made }).phase);
    }
  });
});

test('bytes without end are refused at the limits', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
  const endless = [
    [`${ok}A: `, 'a', 'head-too-large'],
    ['HTTP/1.1 200 ', 'a', 'head-too-large'],
    [ok, 'A: b\r\n', 'too-many-headers'],
    ['', 'HTTP/1.1 100 \r\n\r\n', 'too-many-interim'],
    [`${chunked}1;a`, 'a', 'chunk-extension'],
    [chunked, '0', 'chunk-size'],
    [`${chunked}0\r\nA: `, 'a', 'trailer-too-large'],
    [`${chunked}0\r\n`, 'A: b\r\n', 'too-many-headers'],
  ] as const;
  for (const [begin, unit, fault] of endless) {
    const length = fault === 'too-many-interim' ? 2_200_000 : 200_000;
    const wire = begin + unit.repeat(length / unit.length);
    const everyKilobyte = Array.from({ length: 200 }, (_, k) => 1000 * k);
    for (const cuts of [[], everyKilobyte]) assert.equal(recordParse(wire, { cuts }).fault, fault);
  }
});
