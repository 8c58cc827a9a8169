/**
 * What every driver that owns its instances promises (lib/drivers/driver.ts), as tests over a harness.
 * Must not hold: anything that only one kind of engine does; that is in test/drivers and test/docker.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { formatEndpoint } from '../../lib/core/replica.ts';
import type { ReplicaSpec } from '../../lib/core/replica-spec.ts';
import type { Driver, Hint, Instance } from '../../lib/drivers/driver.ts';
import { answering, get, home } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import { type SpecDriver, specWith } from '../helpers/replica-spec.ts';

/** One kind of engine, and what can be done to its instances behind the driver's back. */
export interface Harness {
  readonly title: string;
  /** A reason not to run at all; undefined where the engine is there. */
  readonly skip?: string | undefined;
  /** What `makeDriver` starts. */
  readonly spec: ReplicaSpec;
  /** A driver over a pool of its own, running the sample replica; not opened yet. */
  makeDriver(): SpecDriver;
  /** A replica name that nothing on the engine has. */
  freshName(): string;
  /** Kills the instance as `kill -9` does. */
  kill(instance: Instance): Promise<void>;
  /** Makes the instance hang: it keeps its connections and answers nothing. */
  hang(instance: Instance): Promise<void>;
  /** Takes away everything the drivers of this harness left. */
  cleanUp(): Promise<void>;
}

/** Registers the suite for one kind of driver. */
export function testDriver(harness: Harness): void {
  describe(`${harness.title} keeps the driver contract`, { skip: harness.skip ?? false }, () => {
    let driver: SpecDriver;
    let hints: Hint[];

    before(() => harness.cleanUp());
    after(() => harness.cleanUp());
    beforeEach(async () => {
      hints = [];
      driver = harness.makeDriver();
      await driver.open();
      driver.watch((hint) => hints.push(hint));
    });
    afterEach(async () => {
      await removeAll(driver);
      await driver.close(false);
    });

    const start = (id = 1) => driver.start({ name: harness.freshName(), id });
    const listed = async (instanceId: string) =>
      (await driver.list()).find((instance) => instance.instanceId === instanceId);
    const died = (instance: Instance) =>
      eventually('a died hint', () =>
        hints.find((hint) => hint.kind === 'died' && hint.instanceId === instance.instanceId),
      );

    it('lists nothing before the first start', async () => {
      assert.deepEqual(await driver.list(), []);
    });

    it('starts an instance that responds as its replica', async () => {
      const instance = await start();
      assert.equal(await home(instance), `Hello from Server: ${instance.name}`);
    });

    it('lists a started instance as start described it', async () => {
      const name = harness.freshName();
      const instance = await driver.start({ name, id: 7 });
      const { instanceId, endpoint } = instance;
      assert.ok(endpoint);
      const expected = {
        name,
        id: 7,
        instanceId,
        status: 'running',
        endpoint,
        role: 'current',
        ending: undefined,
        ...('image' in instance && { image: instance.image }),
        ...('node' in instance && { node: instance.node }),
        spec: instance.spec,
      };
      assert.deepEqual(instance, expected);
      assert.deepEqual(await driver.list(), [expected]);
    });

    it('lists the hash of the spec, another for another spec', async () => {
      const usual = await start(1);
      const other = specWith({ ...harness.spec, env: [['MODE', 'blue']] });
      const given = await driver.start({ name: harness.freshName(), id: 2 }, other);
      assert.notEqual(given.spec, usual.spec);
      assert.equal((await listed(given.instanceId))?.spec, given.spec);
      assert.equal((await listed(usual.instanceId))?.spec, usual.spec);
      assert.equal(await home(given), `Hello from Server: ${given.name}`);
    });

    it('starts instances side by side, each with its own endpoint', async () => {
      const instances = await Promise.all([start(1), start(2), start(3), start(4)]);
      assert.equal(new Set(instances.map(({ instanceId }) => instanceId)).size, 4);
      assert.equal(new Set(instances.map(({ endpoint }) => formatEndpoint(endpoint!))).size, 4);
      for (const instance of instances) {
        assert.equal(await home(instance), `Hello from Server: ${instance.name}`);
      }
    });

    it('reports a killed instance and how it ended at once', async () => {
      const instance = await start();
      await answering(instance);
      await harness.kill(instance);
      const { ending } = (await died(instance)) as Extract<Hint, { kind: 'died' }>;
      assert.deepEqual([ending.kind, ending.signal, ending.text], ['signal', 'SIGKILL', 'SIGKILL']);
    });

    it('keeps a dead instance listed, in its role, until removed', async () => {
      const instance = await start();
      await harness.kill(instance);
      await died(instance);
      assert.deepEqual(await listed(instance.instanceId), {
        ...instance,
        status: 'dead',
        endpoint: undefined,
        ending: await driver.endingOf(instance.instanceId),
      });
      await driver.remove(instance.instanceId, 0);
      assert.deepEqual(await driver.list(), []);
    });

    it('reports how a dead instance ended, until it is removed', async () => {
      const instance = await start();
      await harness.kill(instance);
      await died(instance);
      const ending = await driver.endingOf(instance.instanceId);
      assert.deepEqual([ending?.kind, ending?.signal, ending?.text], ['signal', 'SIGKILL', 'SIGKILL']);
      await driver.remove(instance.instanceId, 0);
      assert.equal(await driver.endingOf(instance.instanceId), undefined);
    });

    it('reports no ending of an instance that runs', async () => {
      const instance = await start();
      assert.equal(await driver.endingOf(instance.instanceId), undefined);
    });

    it('starts a new instance in place of a retired dead one', async () => {
      const old = await start();
      await harness.kill(old);
      await died(old);
      await driver.retire(old.instanceId, 'replaced');
      const heir = await driver.start(old);
      assert.notEqual(heir.instanceId, old.instanceId);
      assert.equal((await listed(old.instanceId))?.role, 'replaced');
      assert.equal((await listed(heir.instanceId))?.role, 'current');
      assert.equal(await home(heir), `Hello from Server: ${old.name}`);
    });

    it('starts a new instance beside a retired one that still serves', async () => {
      const old = await start();
      await driver.retire(old.instanceId, 'replaced');
      const heir = await driver.start(old);
      assert.equal(await home(old), `Hello from Server: ${old.name}`);
      assert.equal(await home(heir), `Hello from Server: ${old.name}`);
    });

    it('lists a removed replica with name and id while it drains', async () => {
      const instance = await driver.start({ name: harness.freshName(), id: 3 });
      await driver.retire(instance.instanceId, 'removed');
      assert.deepEqual(await listed(instance.instanceId), { ...instance, role: 'removed' });
    });

    it('lets a replaced instance become a removed one', async () => {
      const instance = await start();
      await driver.retire(instance.instanceId, 'replaced');
      await driver.retire(instance.instanceId, 'removed');
      assert.equal((await listed(instance.instanceId))?.role, 'removed');
    });

    it('accepts the same retirement twice', async () => {
      const instance = await start();
      await driver.retire(instance.instanceId, 'replaced');
      await driver.retire(instance.instanceId, 'replaced');
      assert.equal((await listed(instance.instanceId))?.role, 'replaced');
    });

    it('removes a running instance without grace', async () => {
      const instance = await start();
      await answering(instance);
      await driver.remove(instance.instanceId, 0);
      assert.equal(await listed(instance.instanceId), undefined);
      await assert.rejects(get(instance.endpoint!, '/heartbeat'));
    });

    it('stops a running instance without waiting out the grace period', {
      timeout: 300_000,
    }, async () => {
      const instance = await start();
      await answering(instance);
      await driver.remove(instance.instanceId, 600_000);
      assert.equal(await listed(instance.instanceId), undefined);
      await assert.rejects(get(instance.endpoint!, '/heartbeat'));
    });

    it('lists a hanging instance as running and can remove it', async () => {
      const instance = await start();
      await answering(instance);
      await harness.hang(instance);
      assert.equal((await listed(instance.instanceId))?.status, 'running');
      await driver.remove(instance.instanceId, 0);
      assert.equal(await listed(instance.instanceId), undefined);
    });

    it('accepts two concurrent removals of one instance', async () => {
      const instance = await start();
      await Promise.all([driver.remove(instance.instanceId, 0), driver.remove(instance.instanceId, 0)]);
      assert.equal(await listed(instance.instanceId), undefined);
    });

    it('accepts a missing instance as retired and removed', async () => {
      const { instanceId } = await start();
      await driver.remove(instanceId, 0);
      await driver.retire(instanceId, 'replaced');
      await driver.remove(instanceId, 1_000);
      assert.deepEqual(await driver.list(), []);
    });

    it('does not see the instances of another pool', async () => {
      const other = harness.makeDriver();
      await other.open();
      try {
        const instance = await start();
        assert.deepEqual(await other.list(), []);
        await other.close(false);
        assert.equal(await home(instance), `Hello from Server: ${instance.name}`);
      } finally {
        await other.close(false);
      }
    });

    it('gives no hint once closed, and closes twice', async () => {
      const instance = await start();
      await driver.close(false);
      hints.length = 0;
      await driver.remove(instance.instanceId, 0);
      await driver.close(false);
      assert.deepEqual(hints, []);
    });
  });
}

/** Removes whatever the driver lists. */
export async function removeAll(driver: Driver): Promise<void> {
  const instances = await driver.list();
  await Promise.all(instances.map(({ instanceId }) => driver.remove(instanceId, 0)));
}
