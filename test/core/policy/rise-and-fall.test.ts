import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  afterProbe,
  fullHealth,
  type HealthPolicy,
  isUp,
  UNKNOWN_HEALTH,
} from '../../../lib/core/policy/rise-and-fall.ts';

/** Rise, fall, probes (P passed, F failed), and after each of them whether the replica is up (U) or down (d). */
const RUNS: readonly (readonly [number, number, string, string])[] = [
  [2, 3, 'P', 'd'],
  [2, 3, 'PP', 'dU'],
  [2, 3, 'PFPP', 'dddU'],
  [2, 3, 'PPFF', 'dUUU'],
  [2, 3, 'PPFFF', 'dUUUd'],
  [2, 3, 'PPFFPFF', 'dUUUUUU'],
  [2, 3, 'PPFFPFFF', 'dUUUUUUd'],
  [2, 3, 'PPFFFP', 'dUUUdd'],
  [2, 3, 'PPFFFPP', 'dUUUddU'],
  [2, 3, 'PPFFFPPF', 'dUUUddUU'],
  [1, 1, 'PFPF', 'UdUd'],
  [1, 3, 'FFPFFF', 'ddUUUd'],
  [3, 1, 'PPPFPPP', 'ddUdddU'],
  [2, 2, 'FFFFFPP', 'ddddddU'],
];

for (const [rise, fall, probes, states] of RUNS) {
  test(`with rise ${rise} and fall ${fall}, ${probes} is ${states}`, () => {
    const policy = { rise, fall };
    let score = UNKNOWN_HEALTH;
    const seen = [...probes].map((probe) => {
      score = afterProbe(score, probe === 'P', policy);
      return isUp(score, policy) ? 'U' : 'd';
    });
    assert.equal(seen.join(''), states);
  });
}

const POLICY: fc.Arbitrary<HealthPolicy> = fc.record({
  rise: fc.integer({ min: 1, max: 5 }),
  fall: fc.integer({ min: 1, max: 5 }),
});

test('it changes after rise passes or fall failures in a row', () => {
  fc.assert(
    fc.property(POLICY, fc.array(fc.boolean(), { maxLength: 60 }), (policy, probes) => {
      let score = UNKNOWN_HEALTH;
      let up = false;
      let inARow = 0;
      for (const passed of probes) {
        inARow = passed === up ? 0 : inARow + 1;
        if (inARow === (up ? policy.fall : policy.rise)) {
          up = !up;
          inARow = 0;
        }
        score = afterProbe(score, passed, policy);
        assert.equal(isUp(score, policy), up);
        assert.ok(score >= UNKNOWN_HEALTH && score <= fullHealth(policy));
      }
    }),
  );
});

test('full health is up and lasts fall failures', () => {
  fc.assert(
    fc.property(POLICY, (policy) => {
      let score = fullHealth(policy);
      for (let failures = 1; failures < policy.fall; failures++) {
        score = afterProbe(score, false, policy);
        assert.ok(isUp(score, policy));
      }
      assert.ok(!isUp(afterProbe(score, false, policy), policy));
    }),
  );
});
