import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventMarks, merged } from '../../../lib/admin/dashboard/charts/event-marks.js';
import type { FleetEvent } from '../../../lib/api/types.ts';

const event = (
  kind: FleetEvent['kind'],
  replica: string | null,
  atS: number,
  ms: number | null = null,
): FleetEvent => {
  const time = new Date(atS * 1000).toISOString();
  return {
    id: `a-${atS}`,
    time,
    kind,
    replica,
    instance: null,
    image: null,
    cause: null,
    ms,
    count: 1,
    since: time,
    cost: null,
  };
};

describe('events as marks in a chart', () => {
  const marks = new EventMarks();
  marks.add(
    [
      event('died', 'S1', 10),
      event('started', 'S1', 11),
      event('replaced', 'S1', 12, 600),
      event('engine-lost', null, 13),
      event('removed', 'S2', 14),
    ],
    true,
  );

  it('say what happened without its consequences, and whether it is bad', () => {
    assert.deepEqual(
      marks.between(0, 20, undefined).map(({ text, isBad }) => [text.replaceAll('\u202f', ' '), isBad]),
      [
        ['S1 died', true],
        ['S1 replaced in 600 ms', false],
        ['engine lost', true],
        ['S2 removed', false],
      ],
    );
  });

  it('are those of a stretch of time', () => {
    assert.deepEqual(
      marks.between(12, 13, undefined).map(({ atS }) => atS),
      [12, 13],
    );
  });

  it('are those of the named replica and of the whole', () => {
    assert.deepEqual(
      marks.between(0, 20, 'S2').map(({ atS }) => atS),
      [13, 14],
    );
  });

  it('are one where they are too near to be told apart, and bad where one of them is', () => {
    const near = merged(marks.between(0, 20, undefined), 3);
    assert.deepEqual(
      near.map(({ atS, isBad }) => [atS, isBad]),
      [
        [10, true],
        [13, true],
      ],
    );
    assert.deepEqual(
      merged(marks.between(12, 20, undefined), 2).map(({ atS, isBad }) => [atS, isBad]),
      [
        [12, true],
        [14, false],
      ],
    );
  });

  it('begin anew with a new stream', () => {
    const again = new EventMarks();
    again.add([event('died', 'S1', 1)], true);
    again.add([event('died', 'S1', 2)], true);
    again.add([event('died', 'S1', 3)], false);
    assert.equal(again.between(0, 9, undefined).length, 2);
  });
});
