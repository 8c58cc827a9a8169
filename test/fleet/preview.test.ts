import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Preview } from '../../lib/api/types.ts';
import { FleetRig, settle } from '../helpers/fleet/rig.ts';

/** Who owns each slot, by name. */
function ownersOf(rig: FleetRig): readonly (string | null)[] {
  const names = new Map(rig.registry.members.map(({ ordinal, name }) => [ordinal, name]));
  return [...rig.table.slots].map((ordinal) => names.get(ordinal) ?? null);
}

/** What moved between two tables, as a preview says it. */
function movesOf(before: readonly (string | null)[], after: readonly (string | null)[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const [slot, from] of before.entries()) {
    const pair = `${from}→${after[slot]}`;
    if (from !== after[slot]) counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  return [...counts].map(([pair, count]) => `${pair} ${count}`).sort();
}

/** The same of a preview, in slots. */
function previewed({ moves }: Preview): readonly string[] {
  return moves.map(({ from, to, share }) => `${from}→${to} ${Math.round(share * 512)}`).sort();
}

describe('a preview', () => {
  it('of an addition says what the addition then does', async () => {
    const rig = await FleetRig.of(3);
    const before = ownersOf(rig);
    const preview = await rig.view.previewAdd(2, ['web']);
    const adding = rig.scaling.add(2, ['web']);
    await rig.advance(100);
    assert.deepEqual(preview.replicas, await adding);
    assert.deepEqual([preview.N, preview.added, preview.removed], [5, ['web', 'S4'], []]);
    assert.deepEqual(previewed(preview), movesOf(before, ownersOf(rig)));
    assert.ok(preview.moved > 0.2 && preview.moved < 0.6, `${preview.moved}`);
    assert.deepEqual([preview.inFlight, preview.tunnels], [0, 0]);
  });

  it('of a removal says what it then does and touches', async () => {
    const rig = await FleetRig.of(4);
    for (const [name, requests] of [
      ['S1', 2],
      ['S2', 1],
      ['S3', 4],
      ['S4', 3],
    ] as const)
      rig.load(name, requests);
    rig.tunnels.set(rig.replica('S3').ordinal, 2);
    rig.tunnels.set(rig.replica('S1').ordinal, 9);
    const before = ownersOf(rig);
    const preview = await rig.view.previewRemove(2, ['S3']);
    assert.deepEqual(preview.replicas, await rig.scaling.remove(2, ['S3']));
    assert.deepEqual([preview.N, preview.added, preview.removed], [2, [], ['S3', 'S2']]);
    assert.deepEqual(previewed(preview), movesOf(before, ownersOf(rig)));
    assert.deepEqual([preview.inFlight, preview.tunnels], [5, 2]);
  });

  it('lists the largest part first, and its parts make the whole', async () => {
    const rig = await FleetRig.of(5);
    const { moves, moved } = await rig.view.previewRemove(1, []);
    const shares = moves.map(({ share }) => share);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => b - a),
    );
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - moved) < 1e-5);
  });

  it('moves keys from nobody to the first replica', async () => {
    const rig = await FleetRig.of(1);
    assert.deepEqual((await rig.view.previewRemove(1, [])).moves, [{ from: 'S1', to: null, share: 1 }]);
    await rig.scaling.remove(1, []);
    await rig.advance(100);
    assert.deepEqual((await rig.view.previewAdd(1, [])).moves, [{ from: null, to: 'S1', share: 1 }]);
  });

  it('changes nothing', async () => {
    const rig = await FleetRig.of(3);
    const { version, eligible } = rig.table;
    await rig.view.previewAdd(3, ['web']);
    await rig.view.previewRemove(2, ['S1']);
    await rig.advance(1000, 100);
    assert.deepEqual(
      [rig.table.version, rig.table.eligible, rig.registry.replicas.length],
      [version, eligible, 3],
    );
    assert.deepEqual([rig.driver.calls, rig.events, rig.transitions], [[], [], []]);
  });

  it('is refused as the change would be, and in its words', async () => {
    const rig = await FleetRig.of(2, { maxReplicas: 4 });
    for (const [count, names, message] of [
      [3, [], 'n is 3, but with 2 replicas at most 2 more fit under max-replicas 4'],
      [1, ['S2'], 'there is a replica called S2 already'],
    ] as const) {
      await assert.rejects(rig.view.previewAdd(count, names), { code: 'bad-request', message });
      await assert.rejects(rig.view.add(count, names), { code: 'bad-request', message });
    }
    for (const [count, names, message] of [
      [3, [], 'n is 3, but there are only 2 replicas'],
      [1, ['S9'], 'there is no replica called S9'],
    ] as const) {
      await assert.rejects(rig.view.previewRemove(count, names), { code: 'bad-request', message });
      await assert.rejects(rig.view.remove(count, names), { code: 'bad-request', message });
    }
  });

  it('is refused, as the addition, while too many drain', async () => {
    const rig = await FleetRig.of(3, { ordinals: 3 });
    rig.threadTable.acquire(rig.replica('S1').ordinal, 9);
    await rig.scaling.remove(1, ['S1']);
    const expected = { code: 'bad-request', message: 'Too many removed replicas are still draining' };
    await assert.rejects(rig.view.previewAdd(1, []), expected);
    await assert.rejects(rig.view.add(1, []), expected);
  });
});

describe('a change before the balancer knows what there is', () => {
  it('waits, and then takes no name that is in use', async () => {
    const rig = new FleetRig();
    rig.driver.leave('S1', 1);
    const list = rig.driver.hold('list');
    const opening = rig.supervisor.open();
    const preview = rig.view.previewAdd(1, []);
    const added = rig.view.add(1, []);
    await settle();
    assert.deepEqual(rig.driver.calls, []);
    list.open();
    await opening;
    rig.view.open();
    await rig.advance(100);
    assert.deepEqual(await added, ['S1', 'S2']);
    assert.deepEqual((await preview).added, ['S2']);
  });
});
