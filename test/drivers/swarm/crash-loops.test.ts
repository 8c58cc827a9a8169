import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CrashLoops } from '../../../lib/drivers/swarm/crash-loops.ts';
import { forced, slowedDown, type TaskJson } from '../../../lib/drivers/swarm/mapper.ts';

const failed = (number: number): TaskJson => ({
  ID: `t${number}`,
  CreatedAt: String(number),
  ServiceID: 'S1',
  DesiredState: 'shutdown',
  Status: { State: 'failed' },
});

/** The waits that so many ends, each `everyMs` after the one before, lead to. */
function waitsOf(ends: number, everyMs: number): readonly (number | undefined)[] {
  const loops = new CrashLoops();
  // Swarm keeps the last two
  return Array.from({ length: ends }, (_, end) => {
    const kept = end === 0 ? [failed(0)] : [failed(end - 1), failed(end)];
    return loops.note(kept, end * everyMs).get('S1');
  });
}

describe('tasks that end again and again', () => {
  it('are a loop from the fifth end within a minute', () => {
    assert.deepEqual(waitsOf(5, 1000), [undefined, undefined, undefined, undefined, 1000]);
  });

  it('are none where they are further apart', () => {
    assert.deepEqual(new Set(waitsOf(20, 16_000)), new Set([undefined]));
  });

  it('wait twice as long each time, up to a minute', () => {
    assert.deepEqual(waitsOf(12, 1000).slice(4), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('count each task once', () => {
    const loops = new CrashLoops();
    for (let look = 0; look < 20; look++) assert.equal(loops.note([failed(1)], look).size, 0);
  });

  it('are forgotten with their service', () => {
    const loops = new CrashLoops();
    for (let end = 0; end < 5; end++) loops.note([failed(end)], end * 1000);
    loops.note([], 6000);
    assert.equal(loops.note([failed(6)], 7000).size, 0);
  });

  it('raise the delay of their service, and never lower it', () => {
    const spec = {
      Name: 'S1',
      Labels: {},
      TaskTemplate: { ContainerSpec: { Image: 'app' }, RestartPolicy: { Condition: 'any', Delay: 2e9 } },
      Mode: {},
    };
    assert.equal(slowedDown(spec, 1000), undefined);
    assert.equal(slowedDown(spec, 4000)?.TaskTemplate.RestartPolicy?.Delay, 4e9);
  });

  it('leave their delay behind with a forced update', () => {
    const spec = {
      Name: 'S1',
      Labels: {},
      TaskTemplate: { ContainerSpec: { Image: 'app' }, RestartPolicy: { Condition: 'any', Delay: 2e9 } },
      Mode: {},
    };
    const next = forced(spec, 't1', { constraints: ['a==b'], avoidNode: 'n1' })!;
    assert.equal(next.TaskTemplate.RestartPolicy?.Delay, 0);
    assert.deepEqual(next.TaskTemplate.Placement?.Constraints, ['a==b', 'node.id!=n1']);
    assert.equal(forced(next, 't1', { constraints: [], avoidNode: undefined }), undefined);
    const last = forced(next, 't2', { constraints: [], avoidNode: undefined })!;
    assert.deepEqual(last.TaskTemplate.Placement?.Constraints, []);
  });
});
