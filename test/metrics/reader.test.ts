import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RETRY_REASONS } from '../../lib/metrics/layout.ts';
import { MetricsReader } from '../../lib/metrics/reader.ts';
import { type EndedRequest, Recorder } from '../../lib/metrics/recorder.ts';
import { ERRORS } from '../../lib/platform/errors.ts';

const SHAPE = { ordinals: 3, workers: 2 };
const REQUEST: EndedRequest = {
  respondedBy: 0,
  status: 200,
  totalMs: 4,
  firstByteMs: 2,
  bytesIn: 100,
  bytesOut: 1000,
  ended: 'whole',
};

/** Two threads on one memory; S1 and S2 have the ordinals 0 and 1. */
function threads() {
  const reader = new MetricsReader(SHAPE, () => 77);
  const recorders = [0, 1].map((worker) => new Recorder(reader.memory, SHAPE, worker));
  reader.follow([
    { ordinal: 0, name: 'S1' },
    { ordinal: 1, name: 'S2' },
  ]);
  const read = (name: string) => reader.read([name]).replicas[0]!;
  return { reader, first: recorders[0]!, second: recorders[1]!, read };
}

test('what two threads counted of a replica is one sum', () => {
  const { first, second, read } = threads();
  first.request(REQUEST);
  second.request({ ...REQUEST, status: 404, totalMs: 6 });
  const { requests, byClass, bytesIn, bytesOut, duration, firstByte } = read('S1');
  assert.equal(requests, 2);
  assert.deepEqual(byClass, [0, 1, 0, 1, 0]);
  assert.deepEqual([bytesIn, bytesOut], [200, 2000]);
  assert.deepEqual([duration.count, duration.sumMs, firstByte.count], [2, 10, 2]);
});

test('counts of one replica are not those of its neighbours', () => {
  const { reader, first } = threads();
  first.request({ ...REQUEST, respondedBy: 1, totalMs: Number.MAX_SAFE_INTEGER });
  first.failedAttempt(1);
  first.pool(1, 1, 2, 3);
  const [s1, s2] = reader.read(['S1', 'S2']).replicas;
  assert.deepEqual([s1!.requests, s1!.failures, s1!.connections.idle], [0, 0, 0]);
  assert.deepEqual(
    [s2!.requests, s2!.failures, s2!.connections],
    [1, 1, { idle: 1, busy: 2, connecting: 3 }],
  );
  assert.equal(reader.read([]).own.requests, 0);
});

test('a snapshot has the requested replicas in order, and its time', () => {
  const { reader } = threads();
  const { atMs, replicas } = reader.read(['S2', 'S1', 'S9', 'S2']);
  assert.equal(atMs, 77);
  assert.deepEqual(
    replicas.map(({ name }) => name),
    ['S2', 'S1', 'S9'],
  );
});

test('a snapshot does not change when more is counted', () => {
  const { first, read } = threads();
  const before = read('S1');
  first.request(REQUEST);
  assert.deepEqual([before.requests, before.duration.count], [0, 0]);
});

test('a request that no replica answered is the balancer’s own', () => {
  const { reader, first } = threads();
  first.request({ ...REQUEST, respondedBy: -1, status: 503, firstByteMs: -1 });
  first.failure('queue-timeout');
  first.refusal('bad-request', 0);
  const { own, totals, threads: all } = reader.read(['S1']);
  assert.deepEqual([own.requests, own.byClass, own.firstByte.count], [2, [0, 0, 0, 1, 1], 0]);
  assert.equal(totals.requests, 2);
  assert.equal(all.failuresByCode.get('queue-timeout'), 1);
  assert.equal(all.failuresByCode.get('bad-request'), 1);
  assert.equal(all.failuresByCode.get('internal'), 0);
});

test('a request aborted before its response has no status class', () => {
  const { first, read } = threads();
  first.request({ ...REQUEST, status: 0, firstByteMs: -1, ended: 'client' });
  const { requests, byClass, aborts } = read('S1');
  assert.deepEqual([requests, byClass], [1, [0, 0, 0, 0, 0]]);
  assert.deepEqual(aborts, { client: 1, replica: 0, balancer: 0 });
});

test('a status beyond the classes is counted in the last', () => {
  const { first, read } = threads();
  first.request({ ...REQUEST, status: 999 });
  assert.deepEqual(read('S1').byClass, [0, 0, 0, 0, 1]);
});

test('failures are answers of 5xx and failed attempts', () => {
  const { first, read } = threads();
  first.request({ ...REQUEST, status: 500 });
  first.failedAttempt(0);
  first.failedAttempt(0);
  assert.deepEqual([read('S1').failures, read('S1').failedAttempts], [3, 2]);
});

test('every failure that lets another replica try is a retry reason', () => {
  const codes = Object.entries(ERRORS).filter(([, { mayRetry }]) => mayRetry);
  assert.deepEqual(
    codes.map(([code]) => code),
    RETRY_REASONS.filter((reason) => reason !== 'stale-connection'),
  );
});

test('each reason to retry is counted apart', () => {
  const { first, read } = threads();
  for (const [index, reason] of RETRY_REASONS.entries())
    for (let times = 0; times <= index; times++) first.retry(0, reason);
  assert.deepEqual(Object.values(read('S1').retries), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('what has no ordinal is counted of no replica', () => {
  const { reader, first } = threads();
  first.retry(-1, 'upstream-reset');
  first.sent(-1, true);
  first.connected(-1, 1);
  first.connectFailed(-1);
  first.tunnelOpened(-1);
  first.tunnelBytes(-1, 1, 1);
  first.tunnelClosed(-1);
  const { totals } = reader.read([]);
  assert.deepEqual(
    [totals.reused, totals.connect.count, totals.connectFailures, totals.tunnels, totals.bytesIn],
    [0, 0, 0, 0, 0],
  );
});

test('connections, tunnels, overflows and waits are counted', () => {
  const { reader, first, read } = threads();
  first.sent(0, false);
  first.sent(0, true);
  first.sent(0, true);
  first.connected(0, 3);
  first.connectFailed(0);
  first.overflow(0);
  first.tunnelOpened(0);
  first.tunnelOpened(0);
  first.tunnelClosed(0);
  first.tunnelBytes(0, 5, 7);
  first.thread.queueWait(20);
  first.budgetExhausted();
  first.thread.clientConnected();
  first.thread.clientConnected();
  first.thread.clientClosed();
  const { fresh, reused, connect, connectFailures, overflows, tunnels, openTunnels, bytesIn, bytesOut } =
    read('S1');
  assert.deepEqual([fresh, reused, connect.count, connectFailures, overflows], [1, 2, 1, 1, 1]);
  assert.deepEqual([tunnels, openTunnels, bytesIn, bytesOut], [2, 1, 5, 7]);
  const { clientConnections, openClientConnections, queueWait, budgetExhausted } = reader.read([]).threads;
  assert.deepEqual(
    [clientConnections, openClientConnections, queueWait.count, budgetExhausted],
    [2, 1, 1, 1],
  );
});

test('a reused ordinal leaves its counts with the removed', () => {
  const { reader, first, read } = threads();
  first.request(REQUEST);
  reader.follow([{ ordinal: 0, name: 'S3' }]);
  assert.equal(read('S3').requests, 0);
  first.request(REQUEST);
  first.request(REQUEST);
  const { replicas, removed, totals } = reader.read(['S1', 'S2', 'S3']);
  assert.deepEqual(
    replicas.map(({ requests }) => requests),
    [0, 0, 2],
  );
  assert.deepEqual([removed.requests, removed.duration.sumMs, totals.requests], [1, 4, 3]);
});

test('late counts of an unnamed replica belong to the removed', () => {
  const { reader, first } = threads();
  first.request(REQUEST);
  first.pool(0, 1, 2, 3);
  first.request({ ...REQUEST, respondedBy: 1 });
  assert.equal(reader.read(['S1', 'S2']).removed.requests, 0);
  first.request(REQUEST);
  const { removed } = reader.read(['S2']);
  assert.deepEqual([removed.requests, removed.bytesIn], [2, 200]);
  assert.deepEqual(removed.connections, { idle: 0, busy: 0, connecting: 0 });
});

test('a reused name leaves its counts with the removed', () => {
  for (const ordinal of [0, 2]) {
    const { reader, first } = threads();
    first.request(REQUEST);
    const { life } = reader.read(['S1']).replicas[0]!;
    reader.begin('S1');
    assert.deepEqual(
      [reader.read(['S1', 'S2']).replicas[0]!.requests, reader.read(['S1', 'S2']).removed.requests],
      [0, 1],
    );
    reader.follow([{ ordinal, name: 'S1' }]);
    first.request({ ...REQUEST, respondedBy: ordinal });
    first.request({ ...REQUEST, respondedBy: ordinal });
    const { replicas, removed } = reader.read(['S1', 'S2']);
    assert.deepEqual([replicas[0]!.requests, removed.requests], [2, 1]);
    assert.notEqual(replicas[0]!.life, life);
  }
});

test('requests alone are those of each name', () => {
  const { reader, first, second } = threads();
  first.request(REQUEST);
  reader.begin('S1');
  reader.follow([{ ordinal: 0, name: 'S1' }]);
  for (const thread of [first, second]) thread.request({ ...REQUEST, status: 0 });
  first.request({ ...REQUEST, respondedBy: 1 });
  assert.deepEqual(
    [...reader.requestsOf(['S1', 'S2', 'S9'])],
    [
      ['S1', 2],
      ['S2', 1],
      ['S9', 0],
    ],
  );
});

test('a name with two ordinals at once, one draining, counts both', () => {
  const { reader, first, read } = threads();
  reader.follow([
    { ordinal: 0, name: 'S1' },
    { ordinal: 2, name: 'S1' },
  ]);
  first.request(REQUEST);
  first.request({ ...REQUEST, respondedBy: 2 });
  assert.equal(read('S1').requests, 2);
});

test('a name that exchanges its ordinal keeps its counts when another name gets the old one', () => {
  const { reader, first, read } = threads();
  first.request({ ...REQUEST, totalMs: 0.1 });
  const { life } = read('S1');
  reader.follow([{ ordinal: 2, name: 'S1' }]);
  first.request({ ...REQUEST, respondedBy: 2, totalMs: 0.7 });
  const [before, totals] = [read('S1'), reader.read([]).totals];
  reader.follow([{ ordinal: 0, name: 'S2' }]);
  const [after] = reader.read(['S1', 'S2']).replicas;
  assert.deepEqual([after!.requests, after!.duration.sumMs], [2, before.duration.sumMs]);
  assert.deepEqual([before.life, after!.life], [life, life]);
  assert.deepEqual(
    [...reader.requestsOf(['S1', 'S2'])],
    [
      ['S1', 2],
      ['S2', 0],
    ],
  );
  const { removed, totals: later } = reader.read(['S1', 'S2']);
  assert.deepEqual([removed.requests, later.requests], [0, totals.requests]);
  assert.equal(reader.read(['S2']).removed.requests, 2);
});

test('a name that began anew has none of the counts from before it', () => {
  const { reader, first, read } = threads();
  first.request(REQUEST);
  reader.follow([{ ordinal: 2, name: 'S1' }]);
  reader.follow([{ ordinal: 0, name: 'S3' }]);
  const { life } = read('S1');
  reader.begin('S1');
  reader.follow([{ ordinal: 2, name: 'S1' }]);
  assert.equal(read('S1').requests, 0);
  assert.notEqual(read('S1').life, life);
  assert.equal(reader.read(['S1', 'S2', 'S3']).removed.requests, 1);
});

test('to be told again whose an ordinal is changes nothing', () => {
  const { reader, first, read } = threads();
  first.request(REQUEST);
  reader.follow([{ ordinal: 0, name: 'S1' }]);
  reader.follow([]);
  assert.equal(read('S1').requests, 1);
});

test('the totals never go back, whoever leaves', () => {
  const { reader, first } = threads();
  first.request(REQUEST);
  reader.follow([{ ordinal: 0, name: 'S3' }]);
  first.request(REQUEST);
  assert.equal(reader.read(['S3']).totals.requests, 2);
});

test("a dead thread's counters stay and its gauges are cleared", () => {
  const { reader, first, second, read } = threads();
  for (const thread of [first, second]) {
    thread.request(REQUEST);
    thread.thread.clientConnected();
    thread.tunnelOpened(0);
    thread.pool(0, 1, 1, 1);
  }
  reader.clear(0);
  const { requests, openTunnels, connections } = read('S1');
  assert.deepEqual([requests, openTunnels, connections.idle], [2, 1, 1]);
  const { clientConnections, openClientConnections } = reader.read([]).threads;
  assert.deepEqual([clientConnections, openClientConnections], [2, 1]);
  new Recorder(reader.memory, SHAPE, 0).request(REQUEST);
  assert.equal(read('S1').requests, 3);
});
