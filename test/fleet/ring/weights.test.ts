import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig } from '../../helpers/fleet/rig.ts';

/** Slots of each member by name. */
function slotsOf(rig: FleetRig): Readonly<Record<string, number>> {
  return Object.fromEntries(rig.view.replicas().map(({ name, slots }) => [name, slots]));
}

const weightsOf = (rig: FleetRig) =>
  rig.registry.members.map(({ name, weight }) => `${name}=${weight}`).join();

describe('weights', () => {
  it("change replicas' shares, but not how others stand to each other", async () => {
    const rig = await FleetRig.of(3);
    const before = slotsOf(rig);
    const weights = await rig.view.setWeights(new Map([['S2', 5]]));
    assert.deepEqual(weights, { S1: 1, S2: 5, S3: 1 });
    const after = slotsOf(rig);
    assert.ok(after.S2! > 512 / 2 && after.S1! < before.S1! && after.S3! < before.S3!);
    assert.deepEqual(
      [1, 5, 1].map((weight, at) => rig.threadTable.weight(rig.replica(`S${at + 1}`).ordinal) / weight),
      [100, 100, 100],
    );
  });

  it('are told as an event each, with what they are now', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.setWeights(
      new Map([
        ['S1', 3],
        ['S2', 1],
      ]),
    );
    const events = rig.events.filter(({ kind }) => kind === 'weight');
    assert.deepEqual(
      events.map(({ replica, cause }) => [replica, cause]),
      [['S1', '3, set by an operator']],
    );
  });

  it('stay with a name when its instance is replaced', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.setWeights(new Map([['S1', 4]]));
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(1000);
    assert.equal(weightsOf(rig), 'S1=4,S2=1');
    assert.equal(rig.replica('S1').instance?.weight, 4);
  });

  it('of 0 keep requests away until another is set', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.setWeights(new Map([['S1', 0]]));
    assert.deepEqual([slotsOf(rig).S1, rig.table.eligible], [0, 1]);
    await rig.view.setWeights(new Map([['S1', 1]]));
    assert.equal(rig.table.eligible, 2);
  });

  for (const [title, change, message] of [
    ['an unknown name', [['S9', 2]], /^there is no replica called S9$/],
    [
      'a fleet without any',
      [
        ['S1', 0],
        ['S2', 0],
      ],
      /^no replica would be eligible any more/,
    ],
  ] as const) {
    it(`are refused for ${title}, and nothing changes`, async () => {
      const rig = await FleetRig.of(2);
      const { version } = rig.table;
      const weights = new Map<string, number>(change);
      await assert.rejects(rig.view.setWeights(weights), { code: 'bad-request', message });
      await assert.rejects(rig.view.previewWeights(weights), { code: 'bad-request', message });
      assert.deepEqual([weightsOf(rig), rig.table.version], ['S1=1,S2=1', version]);
    });
  }

  it('are previewed with what a change would move, and not changed', async () => {
    const rig = await FleetRig.of(3);
    const before = slotsOf(rig);
    const preview = await rig.view.previewWeights(new Map([['S2', 5]]));
    assert.deepEqual([slotsOf(rig), preview.added, preview.removed], [before, [], []]);
    assert.ok(preview.moves.every(({ to }) => to === 'S2') && preview.moved > 0.2);
    await rig.view.setWeights(new Map([['S2', 5]]));
    assert.equal(Math.round(preview.moved * 512), slotsOf(rig).S2! - before.S2!);
  });

  it('of added replicas hold from their first request on', async () => {
    const rig = await FleetRig.of(2);
    const preview = await rig.view.previewAdd(1, ['S9'], new Map([['S9', 4]]));
    const adding = rig.view.add(1, ['S9'], new Map([['S9', 4]]));
    await rig.advance(1000);
    await adding;
    assert.equal(weightsOf(rig), 'S1=1,S2=1,S9=4');
    assert.equal(rig.replica('S9').instance?.weight, 4);
    assert.equal(Math.round(preview.moved * 512), slotsOf(rig).S9);
  });

  it('of replicas that do not start are forgotten', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.failNext('start', 'start-failed', 'S9');
    const adding = assert.rejects(rig.view.add(1, ['S9'], new Map([['S9', 4]])));
    await rig.advance(1000);
    await adding;
    assert.equal(rig.registry.ring.weightFor('S9'), 1);
  });

  it('are adopted from instances, unless an option says otherwise', async () => {
    const driver = new FakeDriver();
    for (const [index, name] of ['S1', 'S2'].entries())
      await driver.start({ name, id: index + 1, weight: 3 });
    const rig = await FleetRig.of(0, { driver, weights: new Map([['S2', 7]]) });
    assert.equal(weightsOf(rig), 'S1=3,S2=7');
  });
});
