import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { LoadGauge } from '../../../lib/fleet/autoscale/load-gauge.ts';
import type { Replica } from '../../../lib/fleet/replica.ts';

const TARGET = 10;

describe('the load gauge', () => {
  /** By ordinal. */
  let inFlight: readonly number[];
  let waiting: readonly number[];
  let queueing: { readonly longWaits: number; readonly refused: number };
  let requests: number;
  let gauge: LoadGauge;
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

  beforeEach(() => {
    [inFlight, waiting, queueing, requests] = [[], [], { longWaits: 0, refused: 0 }, 0];
    gauge = new LoadGauge({
      table: {
        get totalInFlight() {
          return sum(inFlight);
        },
        get totalWaiting() {
          return sum(waiting);
        },
        inFlight: (ordinal) => inFlight[ordinal] ?? 0,
        nextTicket: 0,
        isWaitingSince: () => false,
      },
      counts: {
        queueing: () => queueing,
        requests: () => requests,
        waiting: (ordinal) => waiting[ordinal] ?? 0,
      },
    });
  });

  const hotOwner = (): number | undefined => {
    const replicas = inFlight.map((_, ordinal) => ({ ordinal }) as Replica);
    return gauge.hotOwner(replicas, TARGET)?.ordinal;
  };

  it('gives the mean of what is in flight and waits since it was read last', () => {
    for (const count of [1, 3]) {
      inFlight = [count];
      waiting = [1];
      gauge.sample();
    }
    assert.equal(gauge.read().load, 3);
    inFlight = [];
    gauge.sample();
    assert.equal(gauge.read().load, 1);
  });

  it('gives what there is now where it has no sample', () => {
    inFlight = [2];
    waiting = [3];
    assert.equal(gauge.read().load, 5);
  });

  for (const trouble of ['longWaits', 'refused'] as const)
    it(`is pressed once by ${trouble}`, () => {
      queueing = { ...queueing, [trouble]: 1 };
      assert.deepEqual([gauge.read().isPressed, gauge.read().isPressed], [true, false]);
    });

  it('is busy where requests have come, although none is there', () => {
    requests = 1;
    assert.deepEqual([gauge.read().isBusy, gauge.read().isBusy], [true, false]);
    inFlight = [1];
    assert.equal(gauge.read().isBusy, true);
  });

  for (const [title, counts, waits, owner] of [
    ['has more than the target while others have little', [11, 0, 4], [], 0],
    ['has no more than the target', [10, 0, 0], [], undefined],
    ['has most of the load by what waits for it', [0, 5], [0, 20], 1],
    ['has less than most of the load', [12, 4, 4, 4, 4], [], undefined],
    ['has most of the load while another has half of the target', [40, 5], [], undefined],
    ['is alone', [40], [], undefined],
  ] as const)
    it(`takes a replica ${owner === undefined ? 'not ' : ''}for hot that ${title}`, () => {
      [inFlight, waiting] = [counts, waits];
      assert.equal(hotOwner(), owner);
    });
});
