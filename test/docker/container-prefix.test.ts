/** Replicas whose containers have a prefix before their names, on a real engine. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { removeAll } from '../contract/driver-suite.ts';
import {
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  freshPool,
  makeDriver,
  runStranger,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { healthy, instances, names, replaced, Stage, until } from '../helpers/docker/stage.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';

describe('the docker driver with a prefix', { skip: skipDocker ?? false }, () => {
  const drivers: SpecDriver[] = [];

  before(ensureReplicaImage);
  after(cleanUp);
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await removeAll(driver).finally(() => driver.close(false));
    await cleanUp();
  });

  async function open(containerPrefix: string, pool = freshPool()): Promise<SpecDriver> {
    const driver = makeDriver({ pool, network: pool, containerPrefix });
    drivers.push(driver);
    await driver.open();
    return driver;
  }

  const prefix = () => `${freshName()}.`;
  const inspect = (what: string, format: string) => docker('inspect', '--format', format, what);

  it('prefixes the container, not replica, host name and alias', async () => {
    const [shop, pool] = [prefix(), freshPool()];
    const { name, instanceId } = await (await open(shop, pool)).start({ name: 'S1', id: 1 });
    assert.equal(name, 'S1');
    assert.equal(await inspect(instanceId, '{{.Name}} {{.Config.Hostname}}'), `/${shop}S1 S1`);
    const aliases = await inspect(instanceId, `{{json (index .NetworkSettings.Networks "${pool}").Aliases}}`);
    assert.ok((JSON.parse(aliases) as string[]).includes('S1'));
  });

  it('runs replicas of one name in two pools', async () => {
    const [first, second] = await Promise.all([open(prefix()), open(prefix())]);
    await Promise.all([first.start({ name: 'S1', id: 1 }), second.start({ name: 'S1', id: 1 })]);
    for (const driver of [first, second])
      assert.deepEqual(
        (await driver.list()).map(({ name, status }) => `${name} ${status}`),
        ['S1 running'],
      );
  });

  it('recognizes a retired container', async () => {
    const shop = prefix();
    const driver = await open(shop);
    const { instanceId } = await driver.start({ name: 'S1', id: 1 });
    await driver.retire(instanceId, 'removed');
    assert.equal(await inspect(instanceId, '{{.Name}}'), `/${shop}S1.removed.${instanceId.slice(0, 12)}`);
    assert.equal((await driver.list())[0]?.role, 'removed');
  });

  it('lists containers with another prefix, and starts with its own', async () => {
    const [before, now, pool] = [prefix(), prefix(), freshPool()];
    const first = await open(before, pool);
    const [kept, retired] = await Promise.all([1, 2].map((id) => first.start({ name: `S${id}`, id })));
    await first.retire(retired!.instanceId, 'replaced');
    await first.close(true);
    const second = await open(now, pool);
    const roles = (await second.list()).map(({ name, role }) => `${name} ${role}`).sort();
    assert.deepEqual(roles, ['S1 current', 'S2 replaced']);
    await second.retire(kept!.instanceId, 'replaced');
    const substitute = await second.start({ name: 'S1', id: 1 });
    assert.equal(await inspect(substitute.instanceId, '{{.Name}}'), `/${now}S1`);
  });

  it('reports only taken names with the prefix as held', async () => {
    const shop = prefix();
    const driver = await open(shop);
    await Promise.all([runStranger(`${shop}S2`), runStranger(freshName())]);
    const held = await driver.heldNames();
    assert.ok(held.includes('S2'));
    assert.ok(!held.some((name) => name.includes(shop)));
    await assert.rejects(driver.start({ name: 'S2', id: 2 }), {
      code: 'name-held',
      message: new RegExp(`The name ${shop}S2 is held by a container that is not ours.*--container-prefix`),
    });
  });

  it('accepts a name of one character', async () => {
    const driver = await open(prefix());
    assert.equal((await driver.start({ name: 'a', id: 1 })).name, 'a');
  });
});

describe('a balancer whose containers have a prefix', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(ensureReplicaImage);

  it('adopts replicas with another prefix, and heals with its own', async (t) => {
    const stage = new Stage(t);
    const [before, now] = [`${freshName()}.`, `${freshName()}.`];
    const first = await stage.serve({ args: `--container-prefix ${before} --on-exit keep` });
    assert.deepEqual(await names(first), ['S1', 'S2', 'S3']);
    const ran = await instances(first);
    await first.stop();
    const second = await stage.start({ args: `--container-prefix ${now}` });
    const [victim] = await healthy(second, 3);
    assert.deepEqual(await instances(second), ran);
    await docker('kill', victim!.instance!);
    await replaced(second, victim!);
    // while the engine renames a container it lists that with both names
    await until('the name with its own prefix', async () => {
      const found = (await stage.containers()).map(({ name }) => name);
      assert.ok(found.includes(`${now}${victim!.name}`), `${found}`);
      return true;
    });
  });
});
