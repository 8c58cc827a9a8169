/**
 * The response parser against Node's own strict client, on made answers, well-formed and spoilt.
 * The parser may refuse more than Node. What it takes, Node must take and read in the same way, but for these,
 * where the parser repairs what Node refuses:
 * - one Content-Length said more than once (RFC 9110 section 8.6 allows it): taken, and goes on once;
 * - Content-Length or Transfer-Encoding as a trailer: dropped like every field that may not be one;
 * - blanks in the size line of a chunk (RFC 9110 section 5.6.3): taken, and left out of what goes on;
 * - a 1xx that is HTTP/1.0 or says `Connection: close`: the final answer is read, and the connection closed after it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerPairs } from '../../lib/http1/response-head.ts';
import { mayBeTrailer } from '../../lib/http1/trailers.ts';
import { fuzzRun, latin1, Random } from '../helpers/random.ts';
import { everyCut, type Heard, hear } from './response-ear.ts';
import { type MadeAnswer, makeAnswer } from './response-made.ts';
import { type NodeHeard, nodeHears } from './response-node-client.ts';
import { spoil } from './response-spoilt.ts';

const { seed, runs } = fuzzRun(5000);
/** Every one of so many cases is cut at every byte. */
const CUT_EVERYWHERE = 16;

function isWhole(heard: Heard): boolean {
  return heard.outcome === 'done' || heard.outcome === 'upgraded';
}

function allowedTrailers(pairs: readonly string[]): readonly string[] {
  return pairs.filter((_, at) => mayBeTrailer(pairs[at - (at % 2)]!));
}

/** The difference is one of those at the top of this file. */
function isKnown(heard: Heard, wire: string, node: NodeHeard): boolean {
  const heads = [...heard.interim, heard.head!];
  const saysLength = (text: string): number => text.match(/\ncontent-length:/gi)?.length ?? 0;
  switch (node.error) {
    case 'HPE_UNEXPECTED_CONTENT_LENGTH':
      return heads.some((head) => saysLength(head.received) > 1);
    case 'HPE_INVALID_CONTENT_LENGTH':
      return (
        heads.some((head) => /\ncontent-length:[^\r]*,/i.test(head.received)) || isFramingTrailer(heard, wire)
      );
    case 'HPE_INVALID_TRANSFER_ENCODING':
      return isFramingTrailer(heard, wire);
    case 'HPE_INVALID_CHUNK_SIZE':
    case 'HPE_STRICT':
      return heard.head!.framing === 'chunked' && /\r\n[0-9a-f]+[^\r]*[ \t]/i.test(wire);
    case 'HPE_CLOSED_CONNECTION':
      return heard.interim.some((head) => !head.keepAlive);
    default:
      return false;
  }
}

function isFramingTrailer(heard: Heard, wire: string): boolean {
  return (
    heard.head!.framing === 'chunked' &&
    /\n(?:content-length|transfer-encoding):[^\r]*\r\n(?:.+\r\n)*\r\n$/i.test(wire)
  );
}

/** What Node must have read as well, of a head that went on to a client and a body that may have been cut. */
function assertSameSoFar(heard: Heard, node: NodeHeard): void {
  assert.equal(node.status, heard.head!.statusCode);
  assert.equal(node.reason, heard.head!.reason);
  assert.deepEqual(node.rawHeaders, headerPairs(heard.head!.received));
  assert.equal(node.interim, heard.interim.length);
  const shorter = Math.min(heard.body.length, node.body.length);
  assert.equal(heard.body.slice(0, shorter), node.body.slice(0, shorter));
}

async function compare(heard: Heard, wire: string, made: MadeAnswer): Promise<'same' | 'known'> {
  const message = wire.slice(0, wire.length - heard.rest.length);
  const node = await nodeHears(latin1(message), made.method, made.upgrade);
  if (isKnown(heard, message, node)) return 'known';
  assertSameSoFar(heard, node);
  if (!isWhole(heard)) return 'same';
  assert.equal(node.error, '');
  assert.equal(node.upgraded, heard.outcome === 'upgraded');
  assert.equal(node.complete, heard.outcome === 'done');
  assert.equal(node.body, heard.body);
  if (heard.outcome === 'done') assert.deepEqual(allowedTrailers(node.rawTrailers), heard.trailers);
  return 'same';
}

function assertCutsDoNotMatter(whole: Heard, wire: string, request: MadeAnswer, everywhere: boolean): void {
  assert.deepEqual(hear(wire, { request, cuts: everyCut(wire) }), whole);
  if (!everywhere) return;
  for (const cut of everyCut(wire))
    assert.deepEqual(hear(wire, { request, cuts: [cut] }), whole, `cut at ${cut}`);
}

function assertAsMade(heard: Heard, made: MadeAnswer): void {
  assert.equal(heard.outcome, made.upgrade ? 'upgraded' : 'done', heard.fault);
  assert.equal(heard.head!.statusCode, made.status);
  assert.deepEqual(headerPairs(heard.head!.received), made.rawHeaders);
  assert.equal(heard.interim.length, made.interim);
  assert.equal(heard.body, made.body);
  assert.equal(heard.rest, made.rest);
  if (!made.upgrade) assert.deepEqual(heard.trailers, allowedTrailers(made.trailers));
}

/** Runs `judge` on every case; a failure names what it takes to repeat it. */
async function onEveryCase(
  judge: (random: Random, made: MadeAnswer, index: number) => Promise<void>,
): Promise<void> {
  for (let index = 0; index < runs / 2; index++) {
    const random = new Random(seed + index);
    const made = makeAnswer(random);
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

test('well-formed answers are read as they were meant, as Node reads them, however they are cut', async () => {
  await onEveryCase(async (_random, made, index) => {
    const heard = hear(made.wire, { request: made });
    assertAsMade(heard, made);
    assertCutsDoNotMatter(heard, made.wire, made, index % CUT_EVERYWHERE === 0);
    assert.equal(await compare(heard, made.wire, made), 'same');
  });
});

test('spoilt answers are refused or read as Node reads them, however they are cut', async () => {
  const tally = { refused: 0, same: 0, known: 0 };
  await onEveryCase(async (random, made, index) => {
    const wire = spoil(random, made.wire);
    const heard = hear(wire, { request: made });
    assert.notEqual(heard.outcome, 'thrown', heard.fault);
    assertCutsDoNotMatter(heard, wire, made, index % CUT_EVERYWHERE === 0);
    if (heard.head === undefined) tally.refused++;
    else
      await compare(heard, wire, made)
        .then((result) => tally[result]++)
        .catch((cause) => {
          throw new Error(`spoilt: ${JSON.stringify(wire)}`, { cause });
        });
  });
  // a generator that spoils nothing, or everything, would prove nothing
  assert.ok(tally.refused > tally.known && tally.same > tally.known, JSON.stringify(tally));
});
