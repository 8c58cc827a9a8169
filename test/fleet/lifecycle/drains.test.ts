import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isEligible, servesSessions } from '../../../lib/core/routing/route-table.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { DRAIN_TIMEOUT_MS, FleetRig } from '../../helpers/fleet/rig.ts';

describe('draining replicas', () => {
  it('keeps them on the ring, not eligible, and moves no slot', async () => {
    const rig = await FleetRig.of(3);
    const { version } = rig.table;
    assert.deepEqual(await rig.view.drain(['S2']), ['S2']);
    assert.deepEqual([rig.table.version, rig.table.eligible], [version, 2]);
    assert.deepEqual(rig.view.names(), ['S1', 'S2', 'S3']);
    assert.deepEqual(
      rig.view.replicas().map(({ name, state, draining }) => [name, state, draining]),
      [
        ['S1', 'healthy', false],
        ['S2', 'healthy', true],
        ['S3', 'healthy', false],
      ],
    );
    assert.equal(rig.view.readiness().reason, '2 of 3 replicas are eligible, 1 drained');
  });

  it('puts them back, healthy at once', async () => {
    const rig = await FleetRig.of(3);
    await rig.view.drain(['S2', 'S1']);
    assert.deepEqual(await rig.view.undrain(['S2']), ['S1']);
    assert.deepEqual(await rig.view.undrain(['S1']), []);
    assert.equal(rig.table.eligible, 3);
    assert.equal(rig.view.readiness().reason, '3 of 3 replicas are eligible');
  });

  it('lets requests in flight finish and notes when none is left', async () => {
    const rig = await FleetRig.of(2);
    const letGo = rig.load('S1', 1);
    await rig.view.drain(['S1']);
    await rig.advance(60_000, 100);
    assert.deepEqual(
      rig.events.map(({ kind }) => kind),
      ['drain'],
    );
    letGo();
    await rig.advance(200);
    const [, drained] = rig.events;
    assert.deepEqual([drained?.kind, drained?.replica, drained?.instance], ['drained', 'S1', 'S1#1']);
    assert.ok(drained!.ms! >= 60_000);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('tells of no end where it is ended before', async () => {
    const rig = await FleetRig.of(2);
    const letGo = rig.load('S1', 1);
    await rig.view.drain(['S1']);
    await rig.view.undrain(['S1']);
    await rig.advance(500);
    letGo();
    await rig.advance(500);
    assert.deepEqual(
      rig.events.map(({ kind, cause }) => [kind, cause]),
      [
        ['drain', 'asked for by an operator'],
        ['undrain', 'asked for by an operator'],
      ],
    );
  });

  it('tells of the end once, however often it was begun', async () => {
    const rig = await FleetRig.of(2);
    const letGo = rig.load('S1', 1);
    await rig.view.drain(['S1']);
    await rig.view.undrain(['S1']);
    await rig.view.drain(['S1']);
    letGo();
    await rig.advance(500);
    assert.equal(rig.events.filter(({ kind }) => kind === 'drained').length, 1);
  });

  it('tells of the end of each drain', async () => {
    const rig = await FleetRig.of(2);
    for (let drain = 0; drain < 2; drain++) {
      await rig.view.drain(['S1']);
      await rig.advance(100);
      await rig.view.undrain(['S1']);
    }
    assert.deepEqual(
      rig.events.map(({ kind }) => kind),
      ['drain', 'drained', 'undrain', 'drain', 'drained', 'undrain'],
    );
  });

  it('tells of no end where the replica is removed before', async () => {
    const rig = await FleetRig.of(2);
    const letGo = rig.load('S1', 1);
    await rig.view.drain(['S1']);
    await rig.scaling.remove(1, ['S1']);
    letGo();
    await rig.advance(500);
    assert.deepEqual(
      rig.events.filter(({ cause }) => cause === 'nothing in flight'),
      [],
    );
  });

  it('outlasts a death: the replacement gets no requests either', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.drain(['S1']);
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.equal(rig.instanceOf('S1'), 'S1#3');
    assert.equal(rig.table.eligible, 1);
    await rig.view.undrain(['S1']);
    assert.equal(rig.table.eligible, 2);
  });

  it('does not make an unhealthy one eligible when undrained', async () => {
    const rig = await FleetRig.of(3);
    await rig.view.drain(['S1']);
    rig.hang('S1');
    rig.checker.suspect(rig.replica('S1'), 'traffic: connect refused');
    await rig.view.undrain(['S1']);
    assert.equal(rig.table.eligible, 2);
  });

  it('changes nothing the second time', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.drain(['S1']);
    assert.deepEqual(await rig.view.drain(['S1']), ['S1']);
    await rig.view.undrain(['S2']);
    assert.deepEqual(rig.logged('info drain of S2 ended'), []);
    assert.deepEqual(
      rig.events.map(({ kind }) => kind),
      ['drain', 'drained'],
    );
  });

  for (const [title, names] of [
    ['the last eligible one', ['S2']],
    ['all that are eligible', ['S2', 'S1']],
  ] as const) {
    it(`refuses ${title}, and does nothing`, async () => {
      const rig = await FleetRig.of(2);
      if (names.length === 1) await rig.view.drain(['S1']);
      const { eligible } = rig.table;
      await assert.rejects(rig.view.drain(names), {
        code: 'bad-request',
        message: 'no replica would be eligible any more, so nothing is drained',
      });
      assert.equal(rig.table.eligible, eligible);
    });
  }

  it('refuses one where the others are down', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.isLost = true;
    rig.driver.die('S2#2', 'SIGKILL');
    await rig.advance(100);
    await assert.rejects(rig.view.drain(['S1']), { code: 'bad-request' });
  });

  it('refuses a name that nobody has, and does nothing', async () => {
    const rig = await FleetRig.of(3);
    for (const change of [rig.view.drain(['S1', 'S9']), rig.view.undrain(['S9'])])
      await assert.rejects(change, { code: 'bad-request', message: 'there is no replica called S9' });
    assert.equal(rig.table.eligible, 3);
  });

  it('works over a fixed list too', async () => {
    const driver = new FakeDriver(false);
    driver.leave('a:80', 1);
    driver.leave('b:80', 2);
    const rig = await FleetRig.of(0, { driver });
    assert.deepEqual(await rig.view.drain(['a:80']), ['a:80']);
    assert.equal(rig.table.eligible, 1);
  });

  it('is refused while the balancer shuts down', async () => {
    const rig = await FleetRig.of(2);
    rig.view.startDraining();
    await assert.rejects(rig.view.drain(['S1']), { code: 'shutting-down' });
  });
});

describe('removing while replicas are drained', () => {
  it('chooses those that are drained first', async () => {
    const rig = await FleetRig.of(3);
    rig.load('S1', 3);
    await rig.view.drain(['S1']);
    assert.deepEqual(await rig.scaling.remove(1, []), ['S2', 'S3']);
  });

  it('refuses to leave none but drained ones', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.drain(['S1']);
    await assert.rejects(rig.scaling.remove(1, ['S2']), {
      code: 'bad-request',
      message: 'only S1 would be left, and no request goes there until it is undrained',
    });
    assert.deepEqual(rig.view.names(), ['S1', 'S2']);
  });

  it('chooses those without a weight first', async () => {
    const rig = await FleetRig.of(3);
    rig.load('S1', 3);
    await rig.view.setWeights(new Map([['S1', 0]]));
    assert.deepEqual(await rig.scaling.remove(1, []), ['S2', 'S3']);
  });

  it('refuses to leave none but those without a weight', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.setWeights(new Map([['S1', 0]]));
    await assert.rejects(rig.scaling.remove(1, ['S2']), {
      code: 'bad-request',
      message: 'only S1 would be left, and no request goes there until it has a weight above 0',
    });
    assert.deepEqual(rig.view.names(), ['S1', 'S2']);
  });

  it('refuses to drain the last one with a weight', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.setWeights(new Map([['S1', 0]]));
    await assert.rejects(rig.view.drain(['S2']), {
      code: 'bad-request',
      message: 'no replica would be eligible any more, so nothing is drained',
    });
  });

  it('can still take all of them', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.drain(['S1']);
    assert.deepEqual(await rig.scaling.remove(2, []), []);
  });

  it('keep clients with its sticky cookie until the drain timeout', async () => {
    const rig = await FleetRig.of(2, { sticky: 'lb' });
    const s1 = rig.registry.find('S1')!;
    const serves = (): boolean => servesSessions(rig.table.stateWord(s1.ordinal));
    await rig.view.drain(['S1']);
    assert.deepEqual([serves(), isEligible(rig.table.stateWord(s1.ordinal))], [true, false]);
    await rig.advance(DRAIN_TIMEOUT_MS - 100, 100);
    assert.ok(serves());
    await rig.advance(200);
    assert.ok(!serves());
    assert.deepEqual(
      rig.events.map(({ kind }) => kind),
      ['drain', 'drained'],
    );
  });

  it('end with a replica that is removed, whatever has its place in the table at the drain timeout', async () => {
    const rig = await FleetRig.of(2, { sticky: 'lb', ordinals: 2 });
    await rig.view.drain(['S1']);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(100);
    const added = rig.scaling.add(1, ['S3']);
    await rig.advance(1000);
    await added;
    await rig.advance(DRAIN_TIMEOUT_MS, 100);
    assert.equal(rig.table.eligible, 2);
    assert.deepEqual(
      rig.events.filter(({ cause }) => cause === 'nothing in flight'),
      [],
    );
  });

  it('give sessions their whole time when a drain begins again', async () => {
    const rig = await FleetRig.of(2, { sticky: 'lb' });
    const { ordinal } = rig.registry.find('S1')!;
    await rig.view.drain(['S1']);
    await rig.advance(DRAIN_TIMEOUT_MS / 2, 100);
    await rig.view.undrain(['S1']);
    await rig.view.drain(['S1']);
    await rig.advance(DRAIN_TIMEOUT_MS / 2 + 100, 100);
    assert.ok(servesSessions(rig.table.stateWord(ordinal)), 'the time begins anew');
    await rig.view.undrain(['S1']);
    assert.ok(isEligible(rig.table.stateWord(ordinal)));
  });

  it('keep nobody without a sticky cookie', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.drain(['S1']);
    assert.ok(!servesSessions(rig.table.stateWord(rig.registry.find('S1')!.ordinal)));
  });
});
