/** What the docker driver makes of a pool that others had their hands in, or a balancer before it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Hint, Instance } from '../../lib/drivers/driver.ts';
import { removeAll } from '../contract/driver-suite.ts';
import {
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  freshPool,
  makeDriver,
  REPLICA_IMAGE,
  runStranger,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { answering, home } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';

describe('the docker driver', { skip: skipDocker ?? false }, () => {
  const drivers: SpecDriver[] = [];

  before(ensureReplicaImage);
  after(cleanUp);
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await removeAll(driver).finally(() => driver.close(false));
    await cleanUp();
  });

  async function open(pool = freshPool()): Promise<SpecDriver> {
    const driver = makeDriver({ pool, network: pool });
    drivers.push(driver);
    await driver.open();
    return driver;
  }

  const start = (driver: SpecDriver) => driver.start({ name: freshName(), id: 1 });

  it('lists which replicas autoscaling may remove', async () => {
    const driver = await open();
    const own = await driver.start({ name: freshName(), id: 1, by: 'scale' });
    const given = await driver.start({ name: freshName(), id: 2 });
    const listed = new Map((await driver.list()).map(({ name, by }) => [name, by]));
    assert.deepEqual([listed.get(own.name), listed.get(given.name)], ['scale', undefined]);
  });

  describe('lives with what is done by hand', () => {
    it('sees a container that was removed', async () => {
      const driver = await open();
      const hints: Hint[] = [];
      driver.watch((hint) => hints.push(hint));
      const instance = await start(driver);
      await docker('rm', '-f', instance.instanceId);
      await eventually('a hint of it', () => hints.some(({ kind }) => kind === 'died'));
      assert.deepEqual(await driver.list(), []);
    });

    it('sees a container that was stopped, and one started again', async () => {
      const driver = await open();
      const instance = await start(driver);
      await answering(instance);
      await docker('stop', instance.instanceId);
      assert.equal((await driver.list())[0]?.ending?.text, 'exit 0');
      await docker('start', instance.instanceId);
      const [again] = await driver.list();
      assert.deepEqual([again?.status, again?.ending], ['running', undefined]);
      assert.equal(await home(again!), `Hello from Server: ${instance.name}`);
    });

    it('recognizes a renamed container', async () => {
      const driver = await open();
      const instance = await start(driver);
      await docker('rename', instance.instanceId, freshName());
      assert.deepEqual(await driver.list(), [instance]);
    });

    it('lists a container that was never started as dead', async () => {
      const pool = freshPool();
      const driver = await open(pool);
      const name = freshName();
      const labels = [
        '--label',
        `ringlb.pool=${pool}`,
        '--label',
        `ringlb.name=${name}`,
        '--label',
        'ringlb.id=4',
      ];
      await docker('create', '--name', name, ...labels, REPLICA_IMAGE);
      const [instance] = await driver.list();
      assert.deepEqual([instance?.name, instance?.id, instance?.status], [name, 4, 'dead']);
      await driver.retire(instance!.instanceId, 'replaced');
      await driver.start({ name, id: 4 });
    });

    it('ignores a container of its pool without a place', async () => {
      const pool = freshPool();
      const driver = await open(pool);
      await runStranger(freshName(), '--label', `ringlb.pool=${pool}`);
      assert.deepEqual(await driver.list(), []);
    });
  });

  describe('begun again over the same pool', () => {
    it('lists every instance as the one before did', async () => {
      const pool = freshPool();
      const first = await open(pool);
      const [running, replaced, removed, killed] = await Promise.all(
        [1, 2, 3, 4].map((id) => first.start({ name: freshName(), id })),
      );
      await first.retire(replaced!.instanceId, 'replaced');
      await first.retire(removed!.instanceId, 'removed');
      await docker('kill', killed!.instanceId);
      const byId = (instances: readonly Instance[]) => [...instances].sort((a, b) => a.id - b.id);
      const before = byId(await first.list());
      await first.close(true);
      const second = await open(pool);
      assert.deepEqual(byId(await second.list()), before);
      assert.deepEqual(
        before.map(({ status, role }) => `${status} ${role}`),
        ['running current', 'running replaced', 'running removed', 'dead current'],
      );
      assert.equal(await home(running!), `Hello from Server: ${running!.name}`);
    });

    it('can retire an instance that it has not listed', async () => {
      const pool = freshPool();
      const first = await open(pool);
      const instance = await start(first);
      await first.close(true);
      const second = await open(pool);
      await second.retire(instance.instanceId, 'removed');
      assert.equal((await second.list())[0]?.role, 'removed');
    });
  });
});
