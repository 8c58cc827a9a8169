import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AccessEntry, combinedLine, jsonLine } from '../../lib/access-log/line.ts';

const ENTRY: AccessEntry = {
  wallMs: Date.UTC(2026, 10, 1, 9, 5, 7, 42),
  requestId: 'a1-b2',
  client: '192.0.2.7',
  method: 'GET',
  target: '/home?x=1',
  httpVersion: '1.1',
  status: 200,
  replica: 'S1',
  attempts: 1,
  queueMs: 0,
  connectMs: 0.123456,
  firstByteMs: 1.5,
  totalMs: 2.25,
  bytesIn: 120,
  bytesOut: 240,
  ended: 'whole',
  error: '',
  referer: '',
  userAgent: 'curl/8',
};
/** As a client's bytes come: one unit each. */
const BYTES = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)) });

const jsonOf = (entry: Partial<AccessEntry>) =>
  JSON.parse(jsonLine({ ...ENTRY, ...entry })) as Record<string, unknown>;

describe('a line of JSON', () => {
  test('has every field, times in milliseconds', () => {
    assert.deepEqual(jsonOf({}), {
      time: '2026-11-01T09:05:07.042Z',
      requestId: 'a1-b2',
      client: '192.0.2.7',
      method: 'GET',
      path: '/home?x=1',
      status: 200,
      replica: 'S1',
      attempts: 1,
      queueMs: 0,
      connectMs: 0.123,
      firstByteMs: 1.5,
      totalMs: 2.25,
      bytesIn: 120,
      bytesOut: 240,
      ended: 'whole',
    });
  });

  test('says null where there was no answer', () => {
    const { status, replica, firstByteMs, ended } = jsonOf({
      status: 0,
      replica: '',
      firstByteMs: -1,
      ended: 'client',
    });
    assert.deepEqual(
      { status, replica, firstByteMs, ended },
      {
        status: null,
        replica: null,
        firstByteMs: null,
        ended: 'client',
      },
    );
  });

  test('says what failed where the balancer answered', () => {
    const { error, ended } = jsonOf({ error: 'queue-timeout', replica: '' });
    assert.deepEqual({ error, ended }, { error: 'queue-timeout', ended: 'balancer' });
  });

  test('gives back what clients said, byte for byte', () => {
    fc.assert(
      fc.property(BYTES, BYTES, BYTES, (target, requestId, client) => {
        const back = jsonOf({ target, requestId, client });
        assert.deepEqual(
          [back.path ?? '', back.requestId ?? '', back.client ?? ''],
          [target, requestId, client],
        );
      }),
    );
  });
});

describe('a line in combined format', () => {
  test('has the fields of web servers first, its own behind', () => {
    assert.equal(
      combinedLine(ENTRY),
      '192.0.2.7 - - [01/Nov/2026:09:05:07 +0000] "GET /home?x=1 HTTP/1.1" 200 240 "-" "curl/8" ' +
        '"a1-b2" S1 1 0 0.123 1.5 2.25 120 whole -\n',
    );
  });

  test('has a dash for everything that there is not', () => {
    const nothing = { requestId: '', client: '', method: '', target: '', replica: '', userAgent: '' };
    assert.equal(
      combinedLine({ ...ENTRY, ...nothing, status: 0, firstByteMs: -1, error: 'bad-request' }),
      '- - - [01/Nov/2026:09:05:07 +0000] "-" - 240 "-" "-" "-" - 1 0 0.123 - 2.25 120 balancer bad-request\n',
    );
  });

  test('ends no field early, whatever clients say', () => {
    const FIELDS =
      /^\S+ - - \[[^\]]+\] "(?:[^"\\]|\\.)*" \d+ \d+ "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)" "(?:[^"\\]|\\.)*" \S+ 1( \S+){7}\n$/;
    fc.assert(
      fc.property(BYTES, BYTES, BYTES, (target, referer, userAgent) => {
        const found = FIELDS.exec(combinedLine({ ...ENTRY, target, referer, userAgent }));
        assert.ok(found !== null);
        const unescaped = (text: string | undefined) =>
          text?.replace(/\\x(..)|\\(.)/g, (_, hex: string | undefined, char: string) =>
            hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
          );
        assert.deepEqual([unescaped(found[1]), unescaped(found[2])], [referer || '-', userAgent || '-']);
      }),
    );
  });
});

for (const [format, line] of [
  ['JSON', jsonLine],
  ['combined', combinedLine],
] as const) {
  test(`a ${format} line is one line of printable ASCII`, () => {
    fc.assert(
      fc.property(BYTES, BYTES, BYTES, (target, requestId, userAgent) => {
        assert.match(line({ ...ENTRY, target, requestId, userAgent }), /^[\x20-\x7e]+\n$/);
      }),
    );
  });
}

test('the second is told anew with every second, forwards and back', () => {
  const timeOf = (wallMs: number) => jsonOf({ wallMs }).time;
  assert.equal(timeOf(999), '1970-01-01T00:00:00.999Z');
  assert.equal(timeOf(1000.9), '1970-01-01T00:00:01.000Z');
  assert.equal(timeOf(5), '1970-01-01T00:00:00.005Z');
});
