import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FleetCounts } from '../../lib/metrics/fleet-counts.ts';

/** Counts what happened to S1, kind by kind; `replaced` took 200 ms. */
function after(...kinds: readonly string[]): FleetCounts {
  const counts = new FleetCounts();
  for (const kind of kinds) counts.countEvent({ kind, replica: 'S1', ms: kind === 'replaced' ? 200 : 1 });
  return counts;
}

for (const [what, kinds, expected] of [
  ['a death', ['died', 'started', 'healthy', 'replaced'], { died: 1, unhealthy: 0, ejected: 0 }],
  ['failed probes', ['unhealthy', 'started', 'healthy', 'replaced'], { died: 0, unhealthy: 1, ejected: 0 }],
  [
    'refused connections, then a death',
    ['unhealthy', 'died', 'healthy', 'replaced'],
    { died: 1, unhealthy: 0, ejected: 0 },
  ],
  [
    'an ejection, then failed probes',
    ['ejected', 'unhealthy', 'healthy', 'replaced'],
    { died: 0, unhealthy: 0, ejected: 1 },
  ],
  ['nothing that was told', ['healthy', 'replaced'], { died: 1, unhealthy: 0, ejected: 0 }],
  [
    'two deaths',
    ['died', 'healthy', 'replaced', 'died', 'healthy', 'replaced'],
    { died: 2, unhealthy: 0, ejected: 0 },
  ],
  ['no replacement', ['unhealthy', 'healthy', 'died'], { died: 0, unhealthy: 0, ejected: 0 }],
] as const) {
  test(`replacements after ${what}`, () => {
    assert.deepEqual(after(...kinds).historyOf('S1').replacements, expected);
  });
}

test('the time to replace is counted once for each replacement', () => {
  const { count, sumMs } = after('died', 'healthy', 'replaced', 'unhealthy', 'healthy').replaceDuration;
  assert.deepEqual([count, sumMs], [1, 200]);
});

test('ejections and failed starts are counted', () => {
  const { ejections, failedStarts } = after('ejected', 'healthy', 'ejected', 'start-failed').historyOf('S1');
  assert.deepEqual([ejections, failedStarts], [2, 1]);
});

test('an event counts for its own replica alone', () => {
  const counts = after('ejected');
  counts.countEvent({ kind: 'engine-lost', replica: null, ms: null });
  assert.equal(counts.historyOf('S2').ejections, 0);
});

test('probes are counted with their time, and apart where they failed', () => {
  const counts = new FleetCounts();
  counts.probe('S1', 4, true);
  counts.probe('S1', 2000, false);
  const { probeDuration, probeFailures } = counts.historyOf('S1');
  assert.deepEqual([probeDuration.count, probeDuration.sumMs, probeFailures], [2, 2004, 1]);
});

test('a history does not change when more is counted', () => {
  const counts = after('died', 'healthy', 'replaced');
  const before = counts.historyOf('S1');
  for (const kind of ['died', 'healthy', 'replaced']) counts.countEvent({ kind, replica: 'S1', ms: 1 });
  counts.probe('S1', 1, true);
  assert.deepEqual([before.replacements.died, before.probeDuration.count], [1, 0]);
});

test('counts of a removed replica do not pass to its namesake', () => {
  const counts = after('died', 'healthy', 'replaced', 'ejected', 'start-failed');
  counts.probe('S1', 4, false);
  counts.probe('S2', 8, true);
  counts.remove('S1');
  const { probeDuration, replacements, ...numbers } = counts.removed(new Set(['S1', 'S2']));
  assert.deepEqual(numbers, { probeFailures: 1, ejections: 1, failedStarts: 1 });
  assert.deepEqual([probeDuration.count, probeDuration.sumMs, replacements.died], [1, 4, 1]);
  assert.equal(counts.historyOf('S1').probeFailures, 0);
  assert.equal(counts.probeDuration.count, 2);
});

test('late counts of a removed replica belong to the removed', () => {
  const counts = new FleetCounts();
  counts.remove('S1');
  counts.probe('S1', 4, false);
  assert.equal(counts.removed(new Set(['S2'])).probeFailures, 1);
  counts.remove('S1');
  assert.equal(counts.removed(new Set(['S1'])).probeFailures, 1);
  assert.equal(counts.historyOf('S1').probeFailures, 0);
});

test('endless names are evicted without losing counts', () => {
  const counts = new FleetCounts();
  for (let number = 0; number < 5000; number++) counts.probe(`S${number}`, 1, false);
  assert.equal(counts.removed(new Set()).probeFailures, 5000);
  assert.equal(counts.historyOf('S0').probeFailures, 0);
  assert.equal(counts.historyOf('S4999').probeFailures, 1);
});
