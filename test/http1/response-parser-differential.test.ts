/**
 * The response parser against Node's own strict client, on generated responses, well-formed and malformed.
 * The parser may refuse more than Node. What it accepts, Node must accept and read in the same way, except for these, where
 * the parser repairs what Node refuses:
 * - one Content-Length said more than once (RFC 9110 section 8.6 allows it): taken, and goes on once;
 * - Content-Length or Transfer-Encoding as a trailer: dropped like every field that may not be one;
 * - blanks in the size line of a chunk (RFC 9110 section 5.6.3): taken, and left out of what goes on;
 * - a 1xx that is HTTP/1.0 or says `Connection: close`: the final response is read, and the connection closed after it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerPairs } from '../../lib/http1/response-head.ts';
import { mayBeTrailer } from '../../lib/http1/trailers.ts';
import { fuzzRun, latin1, Random } from '../helpers/random.ts';
import { type GeneratedResponse, generateResponse } from './response-generator.ts';
import { mutate } from './response-mutator.ts';
import { type NodeResult, readWithNode } from './response-node-client.ts';
import { everyCut, type ParseRecord, recordParse } from './response-recorder.ts';

const { seed, runs } = fuzzRun(5000);
/** Every one of so many cases is cut at every byte. */
const CUT_EVERYWHERE = 16;

function isWhole(record: ParseRecord): boolean {
  return record.outcome === 'done' || record.outcome === 'upgraded';
}

function allowedTrailers(pairs: readonly string[]): readonly string[] {
  return pairs.filter((_, at) => mayBeTrailer(pairs[at - (at % 2)]!));
}

/** The difference is one of those at the top of this file. */
function isKnown(record: ParseRecord, wire: string, node: NodeResult): boolean {
  const heads = [...record.interim, record.head!];
  const saysLength = (text: string): number => text.match(/\ncontent-length:/gi)?.length ?? 0;
  switch (node.error) {
    case 'HPE_UNEXPECTED_CONTENT_LENGTH':
      return heads.some((head) => saysLength(head.received) > 1);
    case 'HPE_INVALID_CONTENT_LENGTH':
      return (
        heads.some((head) => /\ncontent-length:[^\r]*,/i.test(head.received)) ||
        isFramingTrailer(record, wire)
      );
    case 'HPE_INVALID_TRANSFER_ENCODING':
      return isFramingTrailer(record, wire);
    case 'HPE_INVALID_CHUNK_SIZE':
    case 'HPE_STRICT':
      return record.head!.framing === 'chunked' && /\r\n[0-9a-f]+[^\r]*[ \t]/i.test(wire);
    case 'HPE_CLOSED_CONNECTION':
      return record.interim.some((head) => !head.keepAlive);
    default:
      return false;
  }
}

function isFramingTrailer(record: ParseRecord, wire: string): boolean {
  return (
    record.head!.framing === 'chunked' &&
    /\n(?:content-length|transfer-encoding):[^\r]*\r\n(?:.+\r\n)*\r\n$/i.test(wire)
  );
}

/** What Node must have read as well, of a head that went on to a client and a body that may have been cut. */
function assertSameSoFar(record: ParseRecord, node: NodeResult): void {
  assert.equal(node.status, record.head!.statusCode);
  assert.equal(node.reason, /^HTTP\/1\.\d \d{3} ?([^\r]*)/.exec(record.head!.received)?.[1]);
  assert.deepEqual(node.rawHeaders, headerPairs(record.head!.received));
  assert.equal(node.interim, record.interim.length);
  const shorter = Math.min(record.body.length, node.body.length);
  assert.equal(record.body.slice(0, shorter), node.body.slice(0, shorter));
}

async function compare(
  record: ParseRecord,
  wire: string,
  made: GeneratedResponse,
): Promise<'same' | 'known'> {
  const message = wire.slice(0, wire.length - record.rest.length);
  const node = await readWithNode(latin1(message), made.method, made.upgrade);
  if (isKnown(record, message, node)) return 'known';
  assertSameSoFar(record, node);
  if (!isWhole(record)) return 'same';
  assert.equal(node.error, '');
  assert.equal(node.upgraded, record.outcome === 'upgraded');
  assert.equal(node.complete, record.outcome === 'done');
  assert.equal(node.body, record.body);
  if (record.outcome === 'done') assert.deepEqual(allowedTrailers(node.rawTrailers), record.trailers);
  return 'same';
}

function assertCutsDoNotMatter(
  whole: ParseRecord,
  wire: string,
  request: GeneratedResponse,
  everywhere: boolean,
): void {
  assert.deepEqual(recordParse(wire, { request, cuts: everyCut(wire) }), whole);
  if (!everywhere) return;
  for (const cut of everyCut(wire))
    assert.deepEqual(recordParse(wire, { request, cuts: [cut] }), whole, `cut at ${cut}`);
}

function assertAsMade(record: ParseRecord, made: GeneratedResponse): void {
  assert.equal(record.outcome, made.upgrade ? 'upgraded' : 'done', record.fault);
  assert.equal(record.head!.statusCode, made.status);
  assert.deepEqual(headerPairs(record.head!.received), made.rawHeaders);
  assert.equal(record.interim.length, made.interim);
  assert.equal(record.body, made.body);
  assert.equal(record.rest, made.rest);
  if (!made.upgrade) assert.deepEqual(record.trailers, allowedTrailers(made.trailers));
}

/** Runs `judge` on every case; a failure names what it takes to repeat it. */
async function onEveryCase(
  judge: (random: Random, made: GeneratedResponse, index: number) => Promise<void>,
): Promise<void> {
  for (let index = 0; index < runs / 2; index++) {
    const random = new Random(seed + index);
    const made = generateResponse(random);
    try {
      await judge(random, made, index);
    } catch (error) {
      throw new Error(
        `FUZZ_SEED=${seed + index} FUZZ_RUNS=1 repeats case ${index}: ${JSON.stringify(made)}`,
        {
          cause: error,
        },
      );
    }
  }
}

test('well-formed responses are read as Node reads them, at any cut', async () => {
  await onEveryCase(async (_random, made, index) => {
    const record = recordParse(made.wire, { request: made });
    assertAsMade(record, made);
    assertCutsDoNotMatter(record, made.wire, made, index % CUT_EVERYWHERE === 0);
    assert.equal(await compare(record, made.wire, made), 'same');
  });
});

test('malformed responses are refused or read as Node reads them', async () => {
  const tally = { refused: 0, same: 0, known: 0 };
  await onEveryCase(async (random, made, index) => {
    const wire = mutate(random, made.wire);
    const record = recordParse(wire, { request: made });
    assert.notEqual(record.outcome, 'thrown', record.fault);
    assertCutsDoNotMatter(record, wire, made, index % CUT_EVERYWHERE === 0);
    if (record.head === undefined) tally.refused++;
    else
      await compare(record, wire, made)
        .then((result) => tally[result]++)
        .catch((cause) => {
          throw new Error(`spoilt: ${JSON.stringify(wire)}`, { cause });
        });
  });
  // a generator that spoils nothing, or everything, would prove nothing
  assert.ok(tally.refused > tally.known && tally.same > tally.known, JSON.stringify(tally));
});
