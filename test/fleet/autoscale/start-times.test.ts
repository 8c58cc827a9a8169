import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StartTimes } from '../../../lib/fleet/autoscale/start-times.ts';
import type { Replica } from '../../../lib/fleet/replica.ts';

/** A replica whose start began at 0. */
const starting = { state: 'starting', sinceMs: 0, joined: false } as Replica;
const healing: Replica = { ...starting, joined: true };
const noDelay = (): undefined => undefined;

describe('start times', () => {
  it('are guessed before there was a start', () => {
    assert.equal(new StartTimes().medianMs, 5000);
  });

  it('have the median of the last five', () => {
    const starts = new StartTimes();
    for (const ms of [9000, 9000, 9000, 300, 500, 200, 400]) starts.record(ms, 0, false);
    assert.equal(starts.medianMs, 400);
  });

  it('say that a new replica is near two seconds before it will probably be ready', () => {
    const starts = new StartTimes();
    assert.deepEqual(
      [3000, 3001].map((nowMs) => starts.isHelpNear([starting], nowMs)),
      [false, true],
    );
  });

  it('expect nothing of a start that takes much longer than the others', () => {
    const starts = new StartTimes();
    assert.deepEqual(
      [17_000, 17_001].map((nowMs) => starts.isHelpNear([starting], nowMs)),
      [true, false],
    );
  });

  it('tell new replicas from those that are healed', () => {
    const starts = new StartTimes();
    const both = (replica: Replica) => [
      starts.isHelpNear([replica], 4000),
      starts.isHealing([replica], 4000, noDelay),
    ];
    assert.deepEqual(
      [both(starting), both(healing)],
      [
        [true, false],
        [false, true],
      ],
    );
    assert.deepEqual(both({ ...healing, state: 'healthy' }), [false, false]);
    assert.deepEqual(both({ ...starting, state: 'draining' }), [false, false]);
  });

  it('count how long the next start of a replica still waits to begin', () => {
    const starts = new StartTimes();
    assert.deepEqual(
      [4999, 5000].map((delayMs) => starts.isHealing([healing], 0, () => delayMs)),
      [true, false],
    );
  });

  it('take a replica that has just become ready for one that is near', () => {
    for (const isHeal of [true, false]) {
      const starts = new StartTimes();
      starts.record(100, 1000, isHeal);
      const seen = [2999, 3000].map((nowMs) => [
        starts.isHelpNear([], nowMs),
        starts.isHealing([], nowMs, noDelay),
      ]);
      assert.deepEqual(seen, [
        [!isHeal, isHeal],
        [false, false],
      ]);
    }
  });
});
