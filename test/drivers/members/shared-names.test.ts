import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerJson, ContainerSummary } from '../../../lib/drivers/docker/mapper.ts';
import { SharedNames } from '../../../lib/drivers/members/shared-names.ts';
import { BalancerError } from '../../../lib/platform/errors.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

/** Names of containers, by their ids; `beforeRename` happens once another balancer is quicker. */
function pool(names: Readonly<Record<string, string>>) {
  const containers = new Map(Object.entries(names));
  const at = { beforeRename: (): void => {} };
  const idOf = (idOrName: string): string | undefined =>
    [...containers].find(([id, name]) => id === idOrName || name === idOrName)?.[0];
  const engine = {
    containers: async () =>
      [...containers].map(
        ([Id, name]): ContainerSummary => ({
          Id,
          Names: [`/${name}`],
          Image: 'app',
          ImageID: 'app',
          State: 'running',
          Labels: { 'ringlb.name': 'S1', 'ringlb.id': '1' },
          NetworkSettings: null,
        }),
      ),
    container: async (idOrName: string) => {
      const id = idOf(idOrName);
      return id === undefined ? undefined : ({ Id: id } as ContainerJson);
    },
    rename: async (idOrName: string, name: string) => {
      at.beforeRename();
      at.beforeRename = () => {};
      const id = idOf(idOrName);
      if (id === undefined || containers.get(id) === name) return false;
      if (idOf(name) !== undefined) throw new BalancerError('engine-unreachable', `${name} is taken`);
      containers.set(id, name);
      return true;
    },
  };
  const clock = new FakeClock();
  const where = { network: 'ringlb', port: 80 };
  const removed = new Set<string>();
  const wasRemovedElsewhere = async (instanceId: string) => removed.has(instanceId);
  const common = { engine, label: 'ringlb.pool=p', prefix: 'p-', where, clock };
  const of = new SharedNames({ ...common, wasRemovedElsewhere });
  return { of, containers, at, clock, removed };
}

/** Another balancer exchanges the old container for the next one. */
const exchange = (containers: Map<string, string>): void => {
  containers.set('old', 'p-S1.replaced.old');
  containers.set('next', 'p-S1');
};

describe('the names of a shared pool', () => {
  it('take a container out of its place', async () => {
    const { of, containers } = pool({ old: 'p-S1' });
    await of.retire('old', 'replaced');
    assert.deepEqual([...containers], [['old', 'p-S1.replaced.old']]);
  });

  it('leave a removal as it is that was quicker than an exchange', async () => {
    const { of, containers, at } = pool({ old: 'p-S1' });
    at.beforeRename = () => void containers.set('old', 'p-S1.removed.old');
    await assert.rejects(of.retire('old', 'replaced'), { code: 'not-found' });
    await assert.rejects(of.retire('old', 'replaced'), { code: 'not-found' });
    assert.deepEqual([...containers], [['old', 'p-S1.removed.old']]);
  });

  it('tell of a removal that was over before it was looked at', async () => {
    const { of, removed } = pool({ other: 'p-S2' });
    removed.add('old');
    await assert.rejects(of.retire('old', 'replaced'), {
      code: 'not-found',
      message: 'instance old was removed by another balancer',
    });
    await of.retire('old', 'removed');
    await of.retire('gone', 'replaced');
  });

  it('leave what has come into the place there', async () => {
    const { of, containers, at } = pool({ old: 'p-S1', next: 'p-S1.next' });
    at.beforeRename = () => exchange(containers);
    await of.retire('old', 'replaced');
    assert.deepEqual(Object.fromEntries(containers), { old: 'p-S1.replaced.old', next: 'p-S1' });
  });

  it('have a removal take what has come into the place meanwhile', async () => {
    const { of, containers, at } = pool({ old: 'p-S1', next: 'p-S1.next' });
    at.beforeRename = () => exchange(containers);
    assert.equal(await of.claimRemoval('S1'), 'next');
    assert.deepEqual(Object.fromEntries(containers), {
      old: 'p-S1.replaced.old',
      next: 'p-S1.removed.next',
    });
  });

  it('have a removal wait for an exchange', async () => {
    const { of, containers, clock } = pool({ old: 'p-S1.replaced.old', next: 'p-S1.next' });
    const claimed = of.claimRemoval('S1');
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    containers.set('next', 'p-S1');
    clock.advance(100);
    assert.equal(await claimed, 'next');
  });

  it('let one of two removals count', async () => {
    const { of, containers, at, clock } = pool({ old: 'p-S1' });
    at.beforeRename = () => void containers.set('old', 'p-S1.removed.old');
    const claimed = of.claimRemoval('S1');
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
    assert.equal(await claimed, undefined);
  });

  it('take a successor out without touching what is in the place', async () => {
    const { of, containers } = pool({ old: 'p-S1', next: 'p-S1.next' });
    await of.retire('next', 'removed');
    assert.deepEqual(Object.fromEntries(containers), { old: 'p-S1', next: 'p-S1.removed.next' });
  });

  it('count a removal as done that another balancer did first', async () => {
    const { of, containers, at } = pool({ old: 'p-S1' });
    at.beforeRename = () => void containers.set('old', 'p-S1.removed.old');
    await of.retire('old', 'removed');
    assert.deepEqual([...containers], [['old', 'p-S1.removed.old']]);
  });

  it('report an engine that fails to rename', async () => {
    const { of, at } = pool({ old: 'p-S1' });
    at.beforeRename = () => {
      throw new BalancerError('engine-unreachable', 'silent');
    };
    await assert.rejects(of.retire('old', 'replaced'), { code: 'engine-unreachable', message: 'silent' });
  });

  it('refuse at once to remove what has no container and no successor', async () => {
    const { of } = pool({ old: 'p-S1.replaced.old' });
    await assert.rejects(of.claimRemoval('S1'), {
      code: 'engine-unreachable',
      message: 'S1 has no container at the moment: try again',
    });
  });
});
