/** Which network the replicas are on, and that a balancer in a container reaches them there. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import type { LogFields } from '../../lib/platform/log.ts';
import { removeAll } from '../contract/driver-suite.ts';
import {
  BASE_IMAGE,
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  freshPool,
  makeDriver,
  makeStrangeNetwork,
  REPLICA_IMAGE,
  REPOSITORY,
  runStranger,
  SOCKET,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { home } from '../helpers/drivers/replica-client.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

describe("the pool's network", { skip: skipDocker ?? false }, () => {
  const drivers: SpecDriver[] = [];

  before(ensureReplicaImage);
  after(cleanUp);
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await removeAll(driver).finally(() => driver.close(false));
    await cleanUp();
  });

  function driverOn(network: string, pool = network): SpecDriver {
    const driver = makeDriver({ pool, network });
    drivers.push(driver);
    return driver;
  }

  const networkIds = (name: string) => docker('network', 'ls', '--quiet', '--filter', `name=^${name}$`);

  it('is created by open and removed by close', async () => {
    const pool = freshPool();
    const driver = driverOn(pool);
    await driver.open();
    assert.notEqual(await networkIds(pool), '');
    await driver.close(false);
    assert.equal(await networkIds(pool), '');
  });

  it('stays when the replicas are kept', async () => {
    const pool = freshPool();
    const driver = driverOn(pool);
    await driver.open();
    await driver.close(true);
    assert.notEqual(await networkIds(pool), '');
  });

  it('stays when it was there before', async () => {
    const network = freshPool();
    await makeStrangeNetwork(network);
    const driver = driverOn(network, freshPool());
    await driver.open();
    await driver.close(false);
    assert.notEqual(await networkIds(network), '');
  });

  it('stays while someone else is on it', async () => {
    const pool = freshPool();
    const stranger = freshName();
    const warnings: string[] = [];
    const warn = (fields: LogFields, text: string) => {
      warnings.push(`${text} ${fields.containers}`);
    };
    const log = { ...silentLogger, warn };
    const driver = makeDriver({ pool, network: pool, log });
    drivers.push(driver);
    await driver.open();
    await runStranger(stranger, '--network', pool);
    await driver.close(false);
    assert.notEqual(await networkIds(pool), '');
    assert.equal(warnings.length, 1);
    const [warning = ''] = warnings;
    assert.ok(warning.includes(pool) && warning.includes(stranger), warning);
  });

  it('is recreated when it was removed', async () => {
    const pool = freshPool();
    const driver = driverOn(pool);
    await driver.open();
    await docker('network', 'rm', pool);
    const instance = await driver.start({ name: freshName(), id: 1 });
    assert.equal(await home(instance), `Hello from Server: ${instance.name}`);
  });

  it('is none of the built-in ones', async () => {
    for (const network of ['bridge', 'host', 'none']) {
      await assert.rejects(driverOn(network, freshPool()).open(), {
        code: 'bad-request',
        message: /--network/,
      });
    }
  });

  it('is shared by two isolated pools', async () => {
    const network = freshPool();
    const [one, two] = [driverOn(network), driverOn(network, freshPool())];
    await one.open();
    await two.open();
    const [first, second] = await Promise.all(
      [one, two].map((driver) => driver.start({ name: freshName(), id: 1 })),
    );
    assert.deepEqual(await one.list(), [first]);
    assert.deepEqual(await two.list(), [second]);
  });
});

describe('a balancer in a container', { skip: skipDocker ?? false }, () => {
  before(ensureReplicaImage);
  afterEach(cleanUp);

  /** What test/docker/parent.ts reports of itself, run in a container with these options. */
  async function report(pool: string, ...options: string[]): Promise<Record<string, unknown>> {
    const places = [
      '--volume',
      `${REPOSITORY}:${REPOSITORY}:ro`,
      '--volume',
      `${SOCKET}:/var/run/docker.sock`,
    ];
    const program = `${REPOSITORY}/test/docker/parent.ts`;
    const asked = JSON.stringify({ pool, network: pool, image: REPLICA_IMAGE, name: freshName() });
    makeDriver({ pool });
    return JSON.parse(await docker('run', '--rm', ...places, ...options, BASE_IMAGE, 'node', program, asked));
  }

  it('runs its replicas on its own network', async () => {
    const [pool, network] = [freshPool(), freshPool()];
    await makeStrangeNetwork(network);
    const told = await report(pool, '--network', network);
    assert.deepEqual(told, { answer: 200, networks: [network], networksAfter: [network] });
    assert.equal(await docker('network', 'ls', '--quiet', '--filter', `name=^${pool}$`), '');
  });

  it("joins the pool's network from the engine's default one", async () => {
    const pool = freshPool();
    const told = await report(pool);
    assert.deepEqual(told, { answer: 200, networks: ['bridge', pool], networksAfter: ['bridge'] });
    assert.equal(await docker('network', 'ls', '--quiet', '--filter', `name=^${pool}$`), '');
  });

  it("reaches its replicas from the host's network", async () => {
    const told = await report(freshPool(), '--network', 'host');
    assert.deepEqual(told, { answer: 200, networks: ['host'], networksAfter: ['host'] });
  });

  it('explains what is missing when it may not open the socket', async () => {
    const told = await report(freshPool(), '--user', '1000:1000');
    assert.match(String(told.failure), /^engine-unreachable: .*may not be opened.*--group-add/);
  });

  it("needs no more than the socket's group", async () => {
    const { gid } = await stat(SOCKET);
    const told = await report(
      freshPool(),
      '--user',
      '1000:1000',
      '--group-add',
      String(gid),
      '--cap-drop',
      'ALL',
    );
    assert.equal(told.answer, 200);
  });
});
