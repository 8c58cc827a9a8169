import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { orderOf } from '../../../lib/admin/dashboard/dialogs/deploy-order.js';
import {
  doneIn,
  gateOf,
  limitsOf,
  releasesOf,
  summaryOf,
} from '../../../lib/admin/dashboard/panels/deploy-text.js';
import type { DeployView } from '../../../lib/api/deploy.ts';
import { deployOf, RELEASES } from './stage.ts';

const plain = (text: string) => text.replaceAll('\u202f', ' ').replaceAll(/@sha256:\w+/g, '');
const says = (deploy: DeployView | null, before: (typeof RELEASES)[0] | null = null) => {
  const { level, text } = summaryOf({ current: RELEASES[0], before, deploy });
  return plain(`${level} ${text}`);
};

describe('a deploy in words', () => {
  it('says how far it is and which replicas are next', () => {
    assert.equal(
      says(deployOf(['done', 'watching', 'starting', 'waiting'])),
      'partly Deploying for 12 s: 1 of 4 replicas replaced, S2 watched, S3 starting. app:v1 → app:v2',
    );
  });

  it('says how it ended, and why it failed', () => {
    assert.equal(says(deployOf(['done'], { state: 'done' })), 'good Done in 12 s. app:v1 → app:v2');
    const reason = 'S1: 3 of 20 requests failed';
    assert.equal(
      says(deployOf(['rolled-back'], { state: 'rolled-back', reason })),
      'bad Rolled back after 12 s: S1: 3 of 20 requests failed. app:v1 → app:v2',
    );
    assert.match(
      says(deployOf(['done'], { state: 'failed', reason })),
      /^bad Failed after 12 s, and not all/,
    );
  });

  it('tells two releases of one title apart by their generations', () => {
    const to = { ...RELEASES[0], generation: 2 };
    assert.equal(
      says(deployOf(['done'], { state: 'done', to })),
      'good Done in 12 s. app:v1, generation 1 → 2',
    );
    const [step] = deployOf(['done']).replicas;
    assert.deepEqual(releasesOf({ ...step!, to }), ['generation 1', 'generation 2']);
    assert.deepEqual(releasesOf(step!).map(plain), ['app:v1', 'app:v2']);
  });

  it('says how few milliseconds one took', () => {
    assert.equal(
      says(deployOf(['rolled-back'], { state: 'rolled-back', ms: 75 })),
      'bad Rolled back after 75 ms. app:v1 → app:v2',
    );
  });

  it('says that it was interrupted, and by what', () => {
    const deploy = deployOf(['done'], { state: 'interrupted', reason: 'the balancer ended' });
    assert.equal(says(deploy), 'bad Interrupted: the balancer ended. app:v1 → app:v2');
  });

  it('says what ran before where nothing is under way', () => {
    assert.equal(says(null), 'plain Nothing was deployed yet.');
    assert.equal(says(null, RELEASES[0]), 'plain Before it ran app:v1 (generation 1).');
  });

  it('counts replicas that a rollback has taken back', () => {
    const phases = ['rolled-back', 'watching', 'waiting'] as const;
    assert.equal(doneIn(deployOf(phases, { state: 'rolling-back' })), 2);
  });

  it('shows what the gate saw, beside the others', () => {
    const [watched, waiting] = deployOf(['watching', 'waiting']).replicas;
    const { own, rest } = gateOf(watched!);
    assert.deepEqual(own.map(plain), ['120', '3 (2.5 %)', '14.2 ms']);
    assert.equal(plain(rest), 'others: 0.1 % failed, p99 12.0 ms');
    assert.deepEqual(gateOf(waiting!), { own: ['–', '–', '–'], rest: '' });
  });

  it('names its limits', () => {
    assert.equal(
      plain(limitsOf(deployOf([]))),
      '1 at a time, each watched for 10 s, 1.0 % of requests may fail',
    );
  });
});

describe('the order of a deploy', () => {
  it('has what was filled in, and nothing else', () => {
    assert.deepEqual(orderOf({ kind: 'change', image: ' app:v2 ', command: '', env: '' }), {
      order: { image: 'app:v2' },
    });
    assert.deepEqual(
      orderOf({
        ...{ kind: 'change', env: 'A=1\n\n B=x=y ', batch: '2', watch: '5s', errors: '2.5' },
      }),
      { order: { env: { A: '1', B: 'x=y ' }, batch: 2, watch: '5s', maxErrorRate: 0.025 } },
    );
  });

  it('is a restart or the rest whatever else was filled in', () => {
    assert.deepEqual(orderOf({ kind: 'resume', image: 'app:v2', batch: '3' }), {
      order: { resume: true, batch: 3 },
    });
    assert.deepEqual(orderOf({ kind: 'restart', image: 'app:v2' }), { order: { restart: true } });
  });

  it('is refused where it says nothing, or a variable has no name', () => {
    assert.match(orderOf({ kind: 'change' }).problem ?? '', /^Say what is different/);
    const { problem } = orderOf({ kind: 'change', env: 'secret-value' });
    assert.equal(problem, 'Each line of variables must be NAME=VALUE.');
  });
});
