/** Replicas that take connections and fail requests: out for a while, longer each time, and never too many. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { OutlierDetector, type Traffic } from '../../../lib/fleet/health/outlier-detector.ts';
import type { Replica } from '../../../lib/fleet/replica.ts';
import { FleetRig, INTERVAL_MS } from '../../helpers/fleet/rig.ts';
import { CheckerRig } from './probes.ts';

/** Data threads say that requests failed at the replica in a row. */
function failAt(rig: FleetRig, name: string): void {
  const { ordinal } = rig.replica(name);
  rig.health.report(ordinal, rig.table.stateWord(ordinal), 'failures-in-a-row');
}

async function secondsOut(rig: FleetRig, name: string): Promise<number> {
  failAt(rig, name);
  assert.equal(rig.replica(name).state, 'unhealthy');
  let seconds = 0;
  for (; rig.replica(name).state !== 'healthy'; seconds += 0.5) await rig.advance(500, 500);
  return seconds;
}

/** What data threads count: `share` of so many more requests failed. */
function serve(rig: FleetRig, name: string, requests: number, share: number): void {
  const { ordinal } = rig.replica(name);
  const before = rig.traffic.get(ordinal) ?? { requests: 0, failures: 0 };
  rig.traffic.set(ordinal, {
    requests: before.requests + requests,
    failures: before.failures + requests * share,
  });
}

describe('an ejection', () => {
  describe('of a replica that is probed', () => {
    let rig: CheckerRig;
    let replica: Replica;
    /** The results of its next probes, one interval apart, and its state behind each. */
    const statesAfter = async (...results: ('pass' | 'fail')[]): Promise<string[]> => {
      const states: string[] = [];
      for (const result of results) {
        await rig.untilNextProbe();
        await rig.probes[result]();
        states.push(replica.state);
      }
      return states;
    };

    beforeEach(async () => {
      rig = new CheckerRig();
      replica = await rig.healthy('S1');
      rig.fleet.checker.eject(replica, 'requests failed in a row');
    });

    it('is over early after rise passes in a row', async () => {
      assert.deepEqual(await statesAfter('pass', 'fail', 'pass', 'pass'), [
        'unhealthy',
        'unhealthy',
        'unhealthy',
        'healthy',
      ]);
    });

    it('does not end while its probes say that it is down', async () => {
      await statesAfter('fail', 'fail', 'fail');
      await rig.fleet.advance(10_000, 500);
      assert.equal(replica.state, 'unhealthy');
      assert.deepEqual(
        rig.fleet.transitions.filter((line) => line.endsWith('its ejection is over')),
        [],
      );
    });
  });

  it('takes one of two, and never the last', async () => {
    const rig = await FleetRig.of(2);
    failAt(rig, 'S1');
    assert.deepEqual(rig.states, ['S1=unhealthy', 'S2=healthy']);
    assert.match(rig.transitions[0]!, /ejected for 10 s: requests failed in a row/);
    failAt(rig, 'S2');
    assert.deepEqual(rig.states, ['S1=unhealthy', 'S2=healthy']);
  });

  it('takes at most half of the fleet', async () => {
    for (const [size, most] of [
      [1, 0],
      [3, 1],
      [4, 2],
      [5, 2],
    ] as const) {
      const rig = await FleetRig.of(size);
      for (const { name } of rig.registry.members) failAt(rig, name);
      assert.equal(rig.states.filter((state) => state.endsWith('unhealthy')).length, most, `of ${size}`);
    }
  });

  it('ends early with rise passes, but only the first time', async () => {
    const rig = await FleetRig.of(3);
    const first = await secondsOut(rig, 'S1');
    assert.ok(first > INTERVAL_MS / 1000 / 2 && first <= (2.5 * INTERVAL_MS) / 1000, `${first} s`);
    assert.equal(await secondsOut(rig, 'S1'), 20);
    assert.equal(await secondsOut(rig, 'S1'), 30);
  });

  it('is forgotten by half for each calm minute', async () => {
    const rig = await FleetRig.of(3);
    for (let count = 0; count < 4; count++) await secondsOut(rig, 'S1');
    await rig.advance(60_500, 500);
    assert.equal(await secondsOut(rig, 'S1'), 30, 'two of four are remembered');
    await rig.advance(600_000, 1000);
    assert.ok((await secondsOut(rig, 'S1')) <= 10, 'none is');
  });

  it('lasts for five minutes at most', async () => {
    const rig = await FleetRig.of(3);
    let longest = 0;
    for (let count = 0; count < 33; count++) longest = Math.max(longest, await secondsOut(rig, 'S1'));
    assert.equal(longest, 300);
  });

  it('is forgotten with the instance', async () => {
    const rig = await FleetRig.of(3);
    await secondsOut(rig, 'S1');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(1000);
    assert.ok((await secondsOut(rig, 'S1')) <= 10);
  });

  it('that is over does not bring one back whose probes fail', async () => {
    const rig = await FleetRig.of(3);
    const before = rig.instanceOf('S1');
    failAt(rig, 'S1');
    rig.hang('S1');
    await rig.advance(10_500, 100);
    assert.ok(rig.replica('S1').state !== 'healthy' || rig.instanceOf('S1') !== before);
  });

  it('is not made for what requests of an earlier state say', async () => {
    const rig = await FleetRig.of(3);
    const { ordinal } = rig.replica('S1');
    const word = rig.table.stateWord(ordinal);
    await secondsOut(rig, 'S1');
    rig.health.report(ordinal, word, 'failures-in-a-row');
    assert.equal(rig.replica('S1').state, 'healthy');
  });
});

describe('an outlier', () => {
  it('is ejected that fails everything while the others do not', async () => {
    const rig = await FleetRig.of(3, { health: { ejectOutliers: true } });
    for (let second = 0; second < 5; second++) {
      serve(rig, 'S1', 10, 1);
      serve(rig, 'S2', 10, 0);
      serve(rig, 'S3', 10, 0.1);
      await rig.advance(1000, 100);
    }
    assert.match(
      rig.transitions[0] ?? '',
      /S1 healthy→unhealthy: ejected for 10 s: most of its requests failed/,
    );
    rig.health.close();
  });

  it('starts anew when it is back', async () => {
    const rig = await FleetRig.of(2, { health: { ejectOutliers: true } });
    await rig.advance(1000, 100);
    serve(rig, 'S1', 30, 1);
    await rig.advance(30_000, 100);
    assert.equal(rig.events.filter(({ kind }) => kind === 'ejected').length, 1);
    rig.health.close();
  });

  const judge = (...after: readonly Traffic[]): readonly string[] => {
    const replicas = after.map((_, index) => ({ name: `S${index + 1}` }) as Replica);
    let isAfter = false;
    const zero = { requests: 0, failures: 0 };
    const detector = new OutlierDetector((replica) => (isAfter ? after[replicas.indexOf(replica)]! : zero));
    detector.look(replicas, 0);
    isAfter = true;
    return detector.look(replicas, 5000).map(({ name }) => name);
  };
  const of = (requests: number, failures: number): Traffic => ({ requests, failures });

  it('has 20 requests or more, over half failed', () => {
    assert.deepEqual(judge(of(20, 11), of(20, 0)), ['S1']);
    assert.deepEqual(judge(of(19, 19), of(20, 0)), []);
    assert.deepEqual(judge(of(20, 10), of(20, 0)), []);
  });

  it('fails three times the share of the others', () => {
    assert.deepEqual(judge(of(100, 90), of(100, 30), of(100, 30)), ['S1']);
    assert.deepEqual(judge(of(100, 90), of(100, 31), of(100, 31)), []);
    assert.deepEqual(
      judge(of(100, 100), of(100, 100), of(100, 100)),
      [],
      'the application itself is at fault',
    );
  });

  it('is judged by the last ten seconds alone', () => {
    let counted = of(0, 0);
    const [S1, S2] = [{ name: 'S1' } as Replica, { name: 'S2' } as Replica];
    const detector = new OutlierDetector((replica) => (replica === S1 ? counted : of(0, 0)));
    detector.look([S1, S2], 0);
    counted = of(100, 100);
    assert.deepEqual(detector.look([S1, S2], 1000), [S1]);
    for (let nowMs = 2000; nowMs < 12_000; nowMs += 1000) detector.look([S1, S2], nowMs);
    assert.deepEqual(detector.look([S1, S2], 12_000), []);
  });

  it('is nobody where there is no other', () => {
    assert.deepEqual(judge(of(100, 100)), []);
  });
});
