import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type GateSample,
  judgeErrors,
  judgeLatency,
  judgeMedian,
} from '../../../lib/core/policy/deploy-gate.ts';

const sample = (requests: number, errors: number, p99Ms = 5, medianMs = 1): GateSample => ({
  requests,
  errors,
  timed: requests - errors,
  medianMs,
  p99Ms,
});
const REST = sample(1000, 0);

function judgeInstance(own: GateSample, rest: GateSample, maxErrorRate: number): string | undefined {
  return judgeErrors(own, rest, maxErrorRate) ?? judgeLatency(own, rest);
}

describe('the gate of a deploy', () => {
  it('passes an instance that does as well as the rest', () => {
    assert.equal(judgeInstance(sample(1000, 0), REST, 0.01), undefined);
  });

  it('fails an instance with more errors than allowed', () => {
    assert.equal(
      judgeInstance(sample(100, 50), REST, 0.01),
      '50 of 100 requests failed (50.0 %; at most 1.0 % may)',
    );
    assert.equal(judgeInstance(sample(100, 1), REST, 0.01), undefined);
  });

  it('judges errors from twenty requests on', () => {
    assert.equal(judgeInstance(sample(19, 19), REST, 0.01), undefined);
    assert.match(judgeInstance(sample(20, 20), REST, 0.01) ?? '', /^20 of 20/);
  });

  it('allows twice the errors of the rest', () => {
    assert.equal(judgeInstance(sample(100, 20), sample(1000, 100), 0.01), undefined);
    assert.match(judgeInstance(sample(100, 21), sample(1000, 100), 0.01) ?? '', /at most 20.0 %/);
  });

  it('judges errors although there is no rest', () => {
    assert.match(judgeInstance(sample(100, 2), sample(0, 0, 0), 0.01) ?? '', /at most 1.0 %/);
  });

  it('fails an instance with three times the p99 of the rest', () => {
    assert.equal(
      judgeInstance(sample(100, 0, 301), sample(1000, 0, 100), 0.01),
      'its p99 is 301 ms, that of the other replicas 100 ms',
    );
    assert.equal(judgeInstance(sample(100, 0, 300), sample(1000, 0, 100), 0.01), undefined);
  });

  it('fails an instance with three times the median, whatever the p99', () => {
    assert.equal(
      judgeInstance(sample(100, 0, 600, 151), sample(1000, 0, 500, 50), 0.01),
      'its median is 151 ms, that of the other replicas 50 ms',
    );
    assert.equal(judgeInstance(sample(100, 0, 600, 150), sample(1000, 0, 500, 50), 0.01), undefined);
  });

  it('judges the median of twenty requests at its end', () => {
    assert.equal(
      judgeMedian(sample(20, 0, 160, 151), sample(1000, 0, 5, 3)),
      'its median is 151 ms, that of the other replicas 3 ms',
    );
    assert.equal(judgeMedian(sample(19, 0, 160, 151), sample(1000, 0, 5, 3)), undefined);
    assert.equal(judgeMedian(sample(20, 0, 160, 151), sample(19, 0, 5, 3)), undefined);
    assert.equal(judgeMedian(sample(20, 0, 160, 23), sample(1000, 0, 5, 3)), undefined);
  });

  it('judges the p99 from a hundred requests on, on both sides', () => {
    assert.equal(judgeInstance(sample(99, 0, 900), sample(1000, 0, 5), 0.01), undefined);
    assert.equal(judgeInstance(sample(100, 0, 900), sample(99, 0, 5), 0.01), undefined);
  });

  it('takes twenty milliseconds for noise, whatever the factor', () => {
    assert.equal(judgeInstance(sample(500, 0, 21), sample(1000, 0, 1), 0.01), undefined);
    assert.match(judgeInstance(sample(500, 0, 22), sample(1000, 0, 1), 0.01) ?? '', /^its p99 is 22 ms/);
  });
});
