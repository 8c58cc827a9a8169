import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stopTimeoutWarning } from '../../../lib/drivers/docker/grace.ts';

const STOPPING = { drainTimeoutMs: 30_000, stopTimeoutMs: 9500 };

function container(StopTimeout?: number | null) {
  return {
    Id: 'a',
    Name: '/ringlb',
    State: { Running: true, ExitCode: 0, OOMKilled: false, Error: '', StartedAt: '' },
    Config: { Image: 'i', Labels: null, ...(StopTimeout !== undefined && { StopTimeout }) },
    NetworkSettings: { Networks: {} },
  };
}

describe('the time that the engine gives a balancer to stop', () => {
  for (const seconds of [40, 600]) {
    it(`is enough where it is ${seconds} s`, () => {
      assert.equal(stopTimeoutWarning(container(seconds), STOPPING), undefined);
    });
  }

  for (const [seconds, shown] of [
    [39, 39],
    [0, 0],
    [null, 10],
    [undefined, 10],
  ] as const) {
    it(`is too short where the engine says ${seconds}`, () => {
      const words = stopTimeoutWarning(container(seconds), STOPPING) ?? '';
      assert.ok(words.startsWith(`"docker stop" kills this container after ${shown} s`), words);
      assert.match(words, /run it with --stop-timeout 45 /);
    });
  }
});
