/** What the docker driver promises beyond the contract, on a real engine. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Instance } from '../../lib/drivers/driver.ts';
import { removeAll } from '../contract/driver-suite.ts';
import {
  BASE_IMAGE,
  buildImage,
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  freshPool,
  makeDriver,
  runStranger,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { eventually } from '../helpers/eventually.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';

const FAILING_IMAGE = 'ringlb-test-failing';
const HUNGRY_IMAGE = 'ringlb-test-hungry';
const BROKEN_IMAGE = 'ringlb-test-broken';
const images = [FAILING_IMAGE, HUNGRY_IMAGE, BROKEN_IMAGE];

describe('the docker driver', { skip: skipDocker ?? false }, () => {
  const drivers: SpecDriver[] = [];

  before(async () => {
    await ensureReplicaImage();
    await buildImage(FAILING_IMAGE, ['CMD ["sh", "-c", "echo Error: no licence >&2; exit 3"]']);
    const eat = 'const kept = []; for (;;) kept.push(Buffer.alloc(50e6, 1))';
    await buildImage(HUNGRY_IMAGE, [`CMD ["node", "-e", "${eat}"]`]);
    await buildImage(BROKEN_IMAGE, ['CMD ["/no-such-program"]']);
  });
  after(async () => {
    await cleanUp();
    await docker('rmi', '--force', ...images);
  });
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await removeAll(driver).finally(() => driver.close(false));
    await cleanUp();
  });

  async function open(options: Parameters<typeof makeDriver>[0] = {}): Promise<SpecDriver> {
    const driver = makeDriver(options);
    drivers.push(driver);
    await driver.open();
    return driver;
  }

  const start = (driver: SpecDriver) => driver.start({ name: freshName(), id: 1 });
  const inspect = async (what: string, format: string) => docker('inspect', '--format', format, what);
  const dead = (driver: SpecDriver): Promise<Instance> =>
    eventually('a dead instance', async () => (await driver.list()).find(({ status }) => status === 'dead'));

  describe('starts a container', () => {
    it('named as its replica, in host name and network alias too', async () => {
      const pool = freshPool();
      const instance = await start(await open({ pool, network: pool }));
      assert.equal(await inspect(instance.instanceId, '{{.Name}}'), `/${instance.name}`);
      assert.equal(await inspect(instance.instanceId, '{{.Config.Hostname}}'), instance.name);
      const aliases = await inspect(
        instance.instanceId,
        `{{json (index .NetworkSettings.Networks "${pool}").Aliases}}`,
      );
      assert.ok((JSON.parse(aliases) as string[]).includes(instance.name));
    });

    it('without privileges', async () => {
      const { instanceId } = await start(await open());
      const status = await docker('exec', instanceId, 'cat', '/proc/self/status');
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
        assert.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'), set);
      }
      assert.match(status, /^NoNewPrivs:\s+1$/m);
      assert.equal(await docker('exec', instanceId, 'id', '-u'), '1000');
      await assert.rejects(
        docker('exec', '--user', '0', instanceId, 'touch', '/etc/x'),
        /Read-only file system/,
      );
      await docker('exec', instanceId, 'touch', '/tmp/x');
      assert.equal(await inspect(instanceId, '{{json .NetworkSettings.Ports}}'), '{"5000/tcp":null}');
      assert.equal(
        await inspect(instanceId, '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}'),
        '536870912 256',
      );
      assert.equal(await inspect(instanceId, '{{len .Mounts}} {{.HostConfig.RestartPolicy.Name}}'), '0 no');
    });

    it('as an unprivileged user where the image names root or nobody', async () => {
      const driver = await open({ spec: { image: BASE_IMAGE } });
      const starting = driver.start({ name: freshName(), id: 1 }).catch(() => {});
      await starting;
      for (const { instanceId } of await driver.list()) {
        assert.equal(await inspect(instanceId, '{{.Config.User}}'), '65534:65534');
      }
    });

    it('that is not listed before it runs', async () => {
      const driver = await open();
      const starting = start(driver);
      let isDone = false;
      const seen: Instance[] = [];
      void starting.finally(() => {
        isDone = true;
      });
      while (!isDone) seen.push(...(await driver.list()));
      const { instanceId } = await starting;
      assert.ok(
        seen.every((instance) => instance.instanceId === instanceId && instance.status === 'running'),
      );
    });
  });

  describe('explains why it cannot start one', () => {
    it('when the image is missing, and makes no network', async () => {
      const pool = freshPool();
      const driver = makeDriver({ pool, network: pool, spec: { image: 'ringlb-test-no-such-image' } });
      await assert.rejects(driver.open(), { code: 'image-missing', message: /make build.*docker pull/ });
      assert.equal(await docker('network', 'ls', '-q', '--filter', `name=${pool}`), '');
    });

    it('when the image went missing later', async () => {
      const image = 'ringlb-test-short-lived';
      await buildImage(image, ['LABEL ringlb.test=short-lived']);
      const driver = await open({ spec: { image } });
      await docker('rmi', image);
      const refusal = {
        code: 'image-missing',
        message: /no longer has the image ringlb-test-short-lived@sha256:/,
      };
      await assert.rejects(start(driver), refusal);
    });

    it('when a foreign container holds the name, which it leaves alone', async () => {
      const driver = await open();
      const name = freshName();
      const stranger = await runStranger(name);
      const refusal = {
        code: 'name-held',
        message: new RegExp(`${name} is held by a container that is not ours`),
      };
      await assert.rejects(driver.start({ name, id: 1 }), refusal);
      assert.equal(await inspect(stranger, '{{.State.Status}}'), 'running');
      assert.deepEqual(await driver.list(), []);
    });

    it('when an instance of its own holds the name', async () => {
      const driver = await open();
      const instance = await start(driver);
      await assert.rejects(driver.start(instance), {
        code: 'name-held',
        message: /a container of this pool/,
      });
      assert.deepEqual(await driver.list(), [instance]);
    });

    it('when the program is not in the image, leaving no container', async () => {
      const driver = await open({ spec: { image: BROKEN_IMAGE } });
      // the engine's init runs for a moment before it finds nothing to run: on a busy machine that counts as a start
      const outcome = await start(driver).catch((error: unknown) => error);
      if (!(outcome instanceof Error)) {
        const dead = await eventually('its end', async () =>
          (await driver.list()).find(({ status }) => status === 'dead'),
        );
        assert.match(dead.ending?.text ?? '', /127|no-such-program/);
        return driver.remove(dead.instanceId, 0);
      }
      assert.match(outcome.message, /no-such-program/);
      assert.deepEqual(await driver.list(), []);
    });

    it('when the engine rejects the name', async () => {
      const driver = await open();
      await assert.rejects(driver.start({ name: 'a', id: 1 }), {
        code: 'bad-request',
        message: /one character/,
      });
    });
  });

  describe('reports how an instance ended', () => {
    it('with its exit status and the error it wrote', async () => {
      const driver = await open({ spec: { image: FAILING_IMAGE } });
      const told = await start(driver).then(
        async () => (await dead(driver)).ending?.text,
        (error: Error) => error.message,
      );
      assert.match(told ?? '', /exit 3: Error: no licence$/);
    });

    it('when it ran out of memory', async () => {
      const driver = await open({ spec: { image: HUNGRY_IMAGE } });
      await start(driver);
      assert.equal((await dead(driver)).ending?.kind, 'out-of-memory');
    });
  });
});
