/** An engine that goes away, comes back, or hangs, as the docker driver shows it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { DockerApi } from '../../lib/drivers/docker/api.ts';
import type { Hint } from '../../lib/drivers/driver.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import {
  cleanUp,
  docker,
  EngineDoor,
  ensureReplicaImage,
  freshName,
  makeDriver,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { home } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';

describe('an engine in trouble', { skip: skipDocker ?? false }, () => {
  let door: EngineDoor;
  let driver: SpecDriver;
  let hints: Hint[];

  before(ensureReplicaImage);
  after(cleanUp);
  beforeEach(async () => {
    door = await EngineDoor.open();
    hints = [];
    driver = makeDriver({
      api: new DockerApi({ clock: systemClock, socketPath: door.socketPath, timeoutMs: 2_000 }),
    });
    await driver.open();
    driver.watch((hint) => hints.push(hint));
    await hinted('changed');
  });
  afterEach(async () => {
    await driver.close(true);
    await door.close();
    await cleanUp();
  });

  const hinted = (kind: Hint['kind']) =>
    eventually(`the hint ${kind}`, () => hints.some((hint) => hint.kind === kind));
  const kinds = () => hints.map(({ kind }) => kind);

  it('is reported lost once and back once', async () => {
    hints.length = 0;
    door.refuse();
    await eventually('three attempts to come back', () => door.refused >= 3);
    door.restore();
    await hinted('changed');
    assert.deepEqual(kinds(), ['engine-lost', 'engine-back', 'changed']);
  });

  it('does not hide a death that comes after it is back', async () => {
    const instance = await driver.start({ name: freshName(), id: 1 });
    door.refuse();
    await hinted('engine-lost');
    door.restore();
    await hinted('engine-back');
    await docker('kill', instance.instanceId);
    await hinted('died');
  });

  it('leaves running replicas alone, and lists them after its return', async () => {
    const instance = await driver.start({ name: freshName(), id: 1 });
    door.refuse();
    await assert.rejects(driver.list(), {
      code: 'engine-unreachable',
      message: /No Docker engine responds at/,
    });
    assert.equal(await home(instance), `Hello from Server: ${instance.name}`);
    door.restore();
    assert.deepEqual(await driver.list(), [instance]);
  });

  it('does not keep a caller waiting forever when it hangs', async () => {
    door.hang();
    const refusal = { code: 'engine-unreachable', message: /did not respond within 2000 ms/ };
    await assert.rejects(driver.list(), refusal);
    await assert.rejects(driver.start({ name: freshName(), id: 1 }), refusal);
  });

  it('fails open with a sentence that says what to do', async () => {
    const api = new DockerApi({ clock: systemClock, socketPath: `${door.socketPath}-none` });
    await assert.rejects(makeDriver({ api }).open(), {
      code: 'engine-unreachable',
      message: /start it, set DOCKER_HOST/,
    });
  });
});
