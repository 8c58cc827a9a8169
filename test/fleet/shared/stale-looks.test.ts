/** Looks at a shared pool while something is under way here, so that what they show is no reason to act. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { look, sharedRig } from '../../helpers/fleet/shared-rig.ts';

describe('a look at a shared pool', () => {
  it('keeps a replica whose next instance is not on the list that was asked for before', async () => {
    const rig = await sharedRig();
    const old = rig.driver.instances.get(rig.instanceOf('S2'))!;
    const replacing = rig.driver.hold('replace', 'S2');
    rig.driver.die(old.instanceId, 'SIGKILL');
    await rig.advance(100);
    // the engine has removed the one and not made the other
    rig.driver.instances.delete(old.instanceId);
    const list = rig.driver.hold('list');
    await look(rig);
    rig.driver.instances.set(old.instanceId, old);
    replacing.open();
    await rig.advance(20);
    list.open();
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.doesNotMatch(rig.transitions.join(), /draining/);
  });

  it('does not take in what a launch has started whose replica was removed meanwhile', async () => {
    const rig = await sharedRig();
    const replacing = rig.driver.hold('replace', 'S2');
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(100);
    await rig.scaling.remove(1, ['S2']);
    const removing = rig.driver.hold('remove', 'S2');
    replacing.open();
    await look(rig);
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy']);
    removing.open();
    await rig.advance(1000);
    assert.deepEqual([rig.states, rig.driver.current], [['S1=healthy'], ['S1']]);
  });

  it('takes in as many as there is room for beside those that drain, and the others later', async () => {
    const rig = await sharedRig({ ordinals: 4 });
    const finish = rig.load('S2', 1);
    await rig.scaling.remove(1, ['S2']);
    for (const [name, id] of [
      ['w1', 3],
      ['w2', 4],
      ['w3', 5],
    ] as const)
      rig.driver.leave(name, id);
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'w1=healthy', 'w2=healthy']);
    finish();
    await rig.advance(100);
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'w1=healthy', 'w2=healthy', 'w3=healthy']);
  });
});
