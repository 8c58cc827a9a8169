import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AccessLog, type AccessLogOptions } from '../../lib/access-log/access-log.ts';
import type { AccessEntry } from '../../lib/access-log/line.ts';

const ENTRY: AccessEntry = {
  wallMs: 0,
  requestId: 'id',
  client: '192.0.2.7',
  method: 'GET',
  target: '/',
  httpVersion: '1.1',
  status: 200,
  replica: 'S1',
  attempts: 1,
  queueMs: 0,
  connectMs: 0,
  firstByteMs: 1,
  totalMs: 1,
  bytesIn: 1,
  bytesOut: 1,
  ended: 'whole',
  error: '',
  referer: '',
  userAgent: '',
};

function stage(options: Partial<AccessLogOptions> = {}, random: () => number = () => 0) {
  const sent: { text: string; lines: number }[] = [];
  const counts = { logged: 0, dropped: 0 };
  const log = new AccessLog({
    options: { accessLog: 'json', accessLogSample: 1, accessLogStatus: [], accessLogMinMs: 0, ...options },
    send: (text, lines) => sent.push({ text, lines }),
    recorder: {
      logged: (lines) => {
        counts.logged += lines;
      },
      logDropped: (lines) => {
        counts.dropped += lines;
      },
    },
    random,
  });
  return { log, sent, counts };
}

describe('a request gets a line', () => {
  test('whatever it was, unless it is said which', () => {
    const { log } = stage();
    for (const status of [0, 101, 200, 404, 599, 999]) assert.equal(log.shouldLog(status, 0), true);
  });

  test('only with a status that is asked for', () => {
    const { log } = stage({ accessLogStatus: ['5xx', '404', 'none'] });
    const wanted = [0, 200, 403, 404, 405, 499, 500, 503, 599].filter((status) => log.shouldLog(status, 0));
    assert.deepEqual(wanted, [0, 404, 500, 503, 599]);
  });

  test('only where it took long enough', () => {
    const { log } = stage({ accessLogMinMs: 100 });
    assert.deepEqual([log.shouldLog(200, 99.9), log.shouldLog(200, 100)], [false, true]);
  });

  test('by chance, as often as is asked for', () => {
    const numbers = [0.1, 0.24, 0.25, 0.9];
    const { log } = stage({ accessLogSample: 0.25 }, () => numbers.shift()!);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => log.shouldLog(200, 0)),
      [true, true, false, false],
    );
  });

  test('never, where the sample is nothing', () => {
    assert.equal(stage({ accessLogSample: 0 }).log.shouldLog(500, 0), false);
  });
});

describe('lines', () => {
  test('wait for a flush, and leave in one piece', () => {
    const { log, sent, counts } = stage();
    log.add(ENTRY);
    log.add({ ...ENTRY, status: 500 });
    assert.equal(sent.length, 0);
    log.flush();
    assert.equal(sent.length, 1);
    const [batch] = sent;
    const statuses = batch!.text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { status: number }).status);
    assert.deepEqual([statuses, batch!.lines, counts.logged], [[200, 500], 2, 2]);
  });

  test('are not sent where there are none', () => {
    const { log, sent } = stage();
    log.flush();
    log.add(ENTRY);
    log.flush();
    log.flush();
    assert.equal(sent.length, 1);
  });

  test('leave before the flush when there are many', () => {
    const { log, sent } = stage();
    for (let count = 0; count < 1000; count++) log.add(ENTRY);
    assert.ok(sent.length > 1 && sent.every(({ text }) => text.length < 70_000));
  });

  test('are in the format that is asked for', () => {
    const { log, sent } = stage({ accessLog: 'combined' });
    log.add(ENTRY);
    log.flush();
    assert.match(sent[0]!.text, /^192\.0\.2\.7 - - \[/);
  });

  test('are dropped and counted while too many are unwritten', () => {
    const { log, sent, counts } = stage();
    let kept = 0;
    while (log.hasRoom()) {
      log.add(ENTRY);
      kept++;
    }
    assert.equal(counts.dropped, 1);
    assert.equal(log.hasRoom(), false);
    assert.equal(counts.dropped, 2);
    log.flush();
    const bytes = sent.reduce((sum, { text }) => sum + text.length, 0);
    assert.ok(bytes >= 1_048_576 && bytes < 1_048_576 + 1000, `${bytes} bytes were held`);
    assert.equal(counts.logged, kept);
    log.written(sent[0]!.text.length);
    assert.equal(log.hasRoom(), true);
  });
});
