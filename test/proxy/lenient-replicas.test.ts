/** Replicas whose heads are not quite HTTP: refused, or mended with --lenient-replicas. RFC 9110 section 5.5, RFC 9112 section 2.2. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { headerPairs } from '../../lib/http1/response-head.ts';
import { LENIENT_LIMITS } from '../../lib/http1/response-parser.ts';
import { buildResponseHead } from '../../lib/proxy/headers/response-headers.ts';
import { failureOf, get, headersOf, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { fuzzRun, latin1, Random } from '../helpers/random.ts';
import { ACCEPTED } from '../http1/response-accepted.ts';
import { generateResponse } from '../http1/response-generator.ts';
import { mutate } from '../http1/response-mutator.ts';
import { readWithNode } from '../http1/response-node-client.ts';
import { everyCut, type ParseRecord, recordParse } from '../http1/response-recorder.ts';
import { REFUSED } from '../http1/response-refused.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const END = 'Content-Length: 2\r\n\r\nhi';

/** What a replica says, and the header that its client is told. */
const MENDED: readonly (readonly [what: string, wire: string, name: string, value: string])[] = [
  ['a control byte in a cookie', `${OK}Set-Cookie: a=\x01b; Path=/\r\n${END}`, 'set-cookie', 'a= b; Path=/'],
  ['DEL and others in a value', `${OK}X: a\x7fb\x1bc\x0bd\x08\r\n${END}`, 'x', 'a b c d'],
  ['a control byte in the reason', `HTTP/1.1 200 O\x02K\r\nX: 1\r\n${END}`, 'x', '1'],
  ['line feeds alone', 'HTTP/1.1 200 OK\nX: 1\nContent-Length: 2\n\nhi', 'x', '1'],
  ['line feeds alone, of HTTP/1.0', 'HTTP/1.0 200 OK\nX: 1\n\nhi', 'x', '1'],
  ['line ends of both kinds', 'HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 2\r\n\nhi', 'x', '1'],
  ['a folded line', `${OK}X: a\r\n \t b\r\n\tc\r\n${END}`, 'x', 'a b c'],
  ['a blank before a colon', `${OK}X : 1\r\n${END}`, 'x', '1'],
  ['bytes above ASCII', `${OK}X: \xe4\x85\n${END}`, 'x', '\xe4\x85'],
];

for (const [what, wire, name, value] of MENDED) {
  test(`${what}: 502 by default`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve((_, connection) => {
      connection.send(wire);
      connection.end();
      return undefined;
    });
    const client = await rig.client();
    client.send(get('/'));
    const response = await client.response();
    assert.equal(statusOf(response), 502);
    assert.match(failureOf(response), /^<Error> /);
  });

  test(`${what}: served if lenient, at any cut`, async (t) => {
    const rig = await Rig.open(t, { lenientReplicas: true });
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    replica.send(wire);
    if (!wire.includes('Content-Length')) replica.end();
    const response = await client.response();
    assert.match(response.startLine, /^HTTP\/1\.1 200 O ?K$/);
    assert.deepEqual(headersOf(response, name), [value]);
    assert.equal(response.body, 'hi');
    const whole = recordParse(wire, { limits: LENIENT_LIMITS });
    for (const cut of everyCut(wire))
      assert.deepEqual(recordParse(wire, { limits: LENIENT_LIMITS, cuts: [cut] }), whole);
    assert.deepEqual(recordParse(wire, { limits: LENIENT_LIMITS, cuts: everyCut(wire) }), whole);
  });
}

describe('a lenient reader of responses', () => {
  for (const [what, wire] of [
    ['NUL in a value', `${OK}X: a\0b\r\n${END}`],
    ['CR in a value', `${OK}X: a\rb\r\n${END}`],
    ['two CR before a LF', `${OK}X: a\r\r\n${END}`],
    ['a control byte in a name', `${OK}X\x01: a\r\n${END}`],
    ['a line without a colon', `${OK}X\r\n${END}`],
    ['a first line that is folded', `${OK} X: a\r\n${END}`],
    ['a control byte in Content-Length', `${OK}Content-Length: 2\x0b\r\n\r\nhi`],
    ['a folded Content-Length', `${OK}Content-Length:\r\n 2\r\n\r\nhi`],
    ['a blank before the colon of Content-Length', `${OK}Content-Length : 2\r\n\r\nhi`],
    ['a control byte in Transfer-Encoding', `${OK}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ['a folded Transfer-Encoding', `${OK}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
    ['a blank before the colon of Transfer-Encoding', `${OK}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
    ['a control byte in Connection', `${OK}Connection: close\x01\r\n${END}`],
    ['two lengths', `${OK}Content-Length: 3\n${END}`],
    ['two framings', `${OK}Transfer-Encoding: chunked\n${END}`],
    ['a LF alone after a chunk size', `${OK}Transfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n`],
    ['a head without end', `${OK}X: ${'\n y'.repeat(30_000)}`],
  ] as const)
    test(`refuses ${what}`, () => {
      for (const cuts of [[], everyCut(wire)])
        assert.equal(recordParse(wire, { limits: LENIENT_LIMITS, cuts }).outcome, 'fault');
    });

  test('reads what is well-formed as the strict one does', () => {
    for (const { wire, request } of ACCEPTED) {
      const hearing = request === undefined ? {} : { request };
      assert.deepEqual(recordParse(wire, { ...hearing, limits: LENIENT_LIMITS }), recordParse(wire, hearing));
    }
  });

  test('lenient reading refuses all but malformed heads', () => {
    const taken = REFUSED.filter(({ wire, request = {} }) =>
      ['done', 'upgraded'].includes(recordParse(wire, { limits: LENIENT_LIMITS, request }).outcome),
    );
    const forms = new Set(['bare-lf', 'obs-fold', 'header-value', 'header-name']);
    assert.deepEqual(
      taken.filter(({ fault }) => !forms.has(fault)).map(({ title }) => title),
      ['a line feed after the status'],
    );
  });
});

const { seed, runs } = fuzzRun(3000);

/** What goes out of it to a client. */
function sentOn({ head, body }: ParseRecord): string {
  const text = buildResponseHead(head!, {
    takesChunks: true,
    keepAlive: true,
    requestId: 'r',
    via: false,
    hsts: '',
    debug: '',
    sticky: '',
    date: 'd',
  });
  const isRechunked = head!.framing === 'close';
  if (!isRechunked) return text + body;
  return `${text}${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`;
}

/** Spoils a head in the forms that are mended, among others. */
function unclean(random: Random, wire: string): string {
  let text = random.chance(50) ? mutate(random, wire) : wire;
  const end = text.search(/\r?\n\r?\n/);
  for (let count = random.below(4); count >= 0 && end > 0; count--) {
    const at = random.below(end);
    const piece = random.pick([
      '\n',
      '\r\n ',
      '\x01',
      '\x0b',
      '\r',
      '\0',
      ' ',
      '\t',
      ':',
      '\x7f',
      '\n\n',
      '\r\n\t',
    ]);
    text = text.slice(0, at) + piece + text.slice(at + random.below(2));
  }
  return random.chance(20) ? text.replaceAll('\r\n', '\n') : text;
}

test(`lenient reading gives what Node reads strictly (${runs}, seed ${seed})`, async () => {
  const random = new Random(seed);
  let taken = 0;
  for (let run = 0; run < runs; run++) {
    const made = generateResponse(random);
    const wire = unclean(random, made.wire);
    const record = recordParse(wire, { limits: LENIENT_LIMITS, request: { ...made, rawChunks: true } });
    if (record.outcome !== 'done') continue;
    taken++;
    const text = sentOn(record);
    const label = `run ${run}: ${JSON.stringify(wire)}`;
    assert.doesNotMatch(
      text.slice(0, text.indexOf('\r\n\r\n')),
      /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/,
      label,
    );
    const node = await readWithNode(latin1(text), made.method, false);
    assert.equal(node.error, '', label);
    assert.equal(node.complete, true, label);
    assert.equal(node.status, record.head!.statusCode, label);
    assert.deepEqual(node.rawHeaders, headerPairs(text.slice(0, text.indexOf('\r\n\r\n') + 4)), label);
    const plain = recordParse(wire, { limits: LENIENT_LIMITS, request: { ...made, rawChunks: false } });
    assert.equal(node.body, plain.body, label);
  }
  assert.ok(taken > runs / 20, `${taken} were taken`);
});
