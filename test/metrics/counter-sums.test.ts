import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CounterSums } from '../../lib/metrics/counter-sums.ts';
import { createMetricsMemory } from '../../lib/metrics/layout.ts';
import { type EndedRequest, Recorder } from '../../lib/metrics/recorder.ts';

const SHAPE = { ordinals: 3, workers: 2 };
const REQUEST: EndedRequest = {
  respondedBy: 1,
  status: 200,
  totalMs: 5,
  firstByteMs: 2,
  bytesIn: 10,
  bytesOut: 20,
  ended: 'whole',
};

/** Two data threads, and what is read of both. */
function setUp() {
  const memory = createMetricsMemory(SHAPE);
  const recorders = [0, 1].map((worker) => new Recorder(memory, SHAPE, worker));
  return { one: recorders[0]!, two: recorders[1]!, counts: new CounterSums(memory, SHAPE) };
}

describe('counter sums', () => {
  it('are the retries at other replicas, of all threads', () => {
    const { one, two, counts } = setUp();
    one.retry(0, 'connect-refused');
    two.retry(2, 'upstream-gone');
    two.retry(2, 'stale-connection');
    assert.deepEqual(counts.trouble(), { retried: 2, held: 0, failed: 0 });
  });

  it('are the responses of a replica and the logarithms of their times', () => {
    const { one, two, counts } = setUp();
    one.request({ ...REQUEST, firstByteMs: 8 });
    two.request({ ...REQUEST, firstByteMs: 32 });
    two.request({ ...REQUEST, firstByteMs: 0.01 });
    two.request({ ...REQUEST, respondedBy: 2, firstByteMs: 64 });
    assert.deepEqual(counts.responseTimes(1), { count: 3, octaves: 8 });
  });

  it('include queued requests, still waiting or not', () => {
    const { one, two, counts } = setUp();
    one.thread.queued();
    two.thread.queued();
    two.thread.queueWait(12);
    assert.deepEqual(counts.trouble(), { retried: 0, held: 2, failed: 0 });
  });

  it('include failures of balancer and replicas, not of clients', () => {
    const { one, two, counts } = setUp();
    one.failure('none-eligible');
    two.failure('upstream-gone');
    one.failure('bad-request');
    one.request({ ...REQUEST, ended: 'replica' });
    two.request({ ...REQUEST, ended: 'balancer', respondedBy: -1 });
    one.request({ ...REQUEST, ended: 'client' });
    one.request(REQUEST);
    assert.deepEqual(counts.trouble(), { retried: 0, held: 0, failed: 4 });
  });

  it('are the tunnels that are open to one replica', () => {
    const { one, two, counts } = setUp();
    one.tunnelOpened(1);
    two.tunnelOpened(1);
    two.tunnelOpened(2);
    one.tunnelClosed(1);
    assert.deepEqual(
      [0, 1, 2].map((ordinal) => counts.openTunnels(ordinal)),
      [0, 1, 1],
    );
  });

  it('are the waits from 256 ms on, and the requests of a full queue', () => {
    const { one, two, counts } = setUp();
    for (const ms of [0, 200, 255, 256, 5000]) one.thread.queueWait(ms);
    two.thread.queueWait(700_000);
    two.failure('queue-full');
    two.failure('queue-timeout');
    assert.deepEqual(counts.queueing(), { longWaits: 3, refused: 1 });
  });

  it('are the requests that replicas were given, not those of the balancer', () => {
    const { one, two, counts } = setUp();
    one.request(REQUEST);
    two.request({ ...REQUEST, respondedBy: 0 });
    two.request({ ...REQUEST, respondedBy: -1 });
    assert.equal(counts.requests(), 2);
  });

  it('are the requests that wait for one replica first', () => {
    const { one, two, counts } = setUp();
    one.waiting(1, 4);
    two.waiting(1, 3);
    two.waiting(2, 9);
    assert.equal(counts.waiting(1), 7);
  });
});
