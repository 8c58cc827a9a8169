/** Reports of wrk 4.1, as it prints them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseWrk, parseWrkTimeMs } from '../../bench/proxy/wrk.ts';

const CLEAN = `Running 10m test @ http://127.0.0.1:21010/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.28ms  640.00us  20.63ms   93.50%
    Req/Sec    51.92k     2.10k   55.01k    80.00%
  Latency Distribution
     50%    1.19ms
     75%    1.40ms
     90%  980.00us
     99%    3.95ms
  103364 requests in 2.00s, 21.59MB read
Requests/sec:  51676.12
Transfer/sec:     10.79MB
`;

const BROKEN = CLEAN.replace(
  'Requests/sec',
  '  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\nRequests/sec',
);

test('a clean report gives requests and percentiles, and no errors', () => {
  assert.deepEqual(parseWrk(CLEAN), { requests: 103_364, p50Ms: 1.19, p99Ms: 3.95, errors: 0 });
});

test('a percentile of seconds is padded with a blank', () => {
  assert.equal(parseWrk(CLEAN.replace('99%    3.95ms', '99%    1.16s ')).p99Ms, 1160);
});

test('socket errors of every kind and refused answers are added up', () => {
  assert.equal(parseWrk(BROKEN).errors, 54_321);
});

test('a report without a latency distribution has unknown percentiles', () => {
  const report = parseWrk('  0 requests in 2.00s, 0.00B read\n');
  assert.equal(report.requests, 0);
  assert.ok(Number.isNaN(report.p50Ms));
});

test('what is not a report is refused with its text', () => {
  assert.throws(
    () => parseWrk('unable to connect to 127.0.0.1:9 Connection refused\n'),
    /Connection refused/,
  );
});

test('times are read in each unit that wrk uses', () => {
  const times = ['640.00us', '1.04ms', '2.10s', '1.50m', '1h'];
  assert.deepEqual(times.map(parseWrkTimeMs), [0.64, 1.04, 2100, 90_000, 3_600_000]);
  assert.throws(() => parseWrkTimeMs('12 parsecs'), /12 parsecs/);
});
