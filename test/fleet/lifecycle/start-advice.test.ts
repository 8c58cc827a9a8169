import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeLateStart, type LateStart } from '../../../lib/fleet/lifecycle/start-advice.ts';

const late = (what: Partial<LateStart>): string =>
  describeLateStart({
    timeoutMs: 4000,
    endpoint: { host: '10.0.0.2', port: 80 },
    driver: 'docker',
    probePath: '/up',
    probePort: 0,
    lastProbe: undefined,
    ...what,
  });

describe('why an instance was not healthy in time', () => {
  /** What the last probe found, and what is to be read of it. */
  const table: readonly (readonly [Partial<LateStart>, string])[] = [
    [{}, 'no probe of 10.0.0.2:80 has ended'],
    [{ endpoint: undefined }, 'it has no address'],
    [{ lastProbe: '404' }, '/up responds with 404: is there another path for --probe-path?'],
    [{ lastProbe: '503' }, '/up responds with 503: is there another path for --probe-path?'],
    [{ lastProbe: '204' }, '/up responded with 204 last (--probe-expect)'],
    [{ lastProbe: 'no response in 2000 ms' }, 'last probe of 10.0.0.2:80/up: no response in 2000 ms'],
    [
      { lastProbe: 'connection refused' },
      'connection refused at 10.0.0.2:80: does it listen on port 80 (--replica-port), and on 0.0.0.0 rather than 127.0.0.1?',
    ],
    [
      { lastProbe: 'connection refused', probePort: 81 },
      'connection refused at 10.0.0.2:81: does it listen on port 81 (--probe-port), and on 0.0.0.0 rather than 127.0.0.1?',
    ],
    [
      { lastProbe: 'connection refused', driver: 'process' },
      'connection refused at 10.0.0.2:80: does it listen on the port that PORT says?',
    ],
  ];
  for (const [what, finding] of table) {
    it(`is told with what helps: ${finding}`, () => {
      assert.equal(late(what), `not healthy within 4000 ms (--start-timeout): ${finding}`);
    });
  }
});
