import assert from 'node:assert/strict';
import { json as readJson } from 'node:stream/consumers';
import { it } from 'node:test';
import { createDriver } from '../../lib/compose/drivers.ts';
import { LiveOptions } from '../../lib/compose/live-options.ts';
import { replicaSpecOf } from '../../lib/config/replica-spec.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import { FakeEngine, json } from '../drivers/docker/fake-engine.ts';
import { load } from '../helpers/options.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

it('a reload changes the stop grace of services created after it', async (t) => {
  const engine = await FakeEngine.open();
  t.after(() => engine.close());
  const config = load(`--driver swarm --engines unix://${engine.socketPath} --swarm-publish host`);
  const options = new LiveOptions(config);
  const openOutput = () => ({ write() {}, end() {} });
  const driver = await createDriver(options, { log: silentLogger, clock: systemClock, openOutput });
  t.after(() => driver.close(true));
  engine.reply('GET /services', 200, []);
  engine.reply('GET /services/S1', 404, { message: 'no such service' });
  const graces: unknown[] = [];
  engine.on('POST /services/create', async (response, request) => {
    const { TaskTemplate } = (await readJson(request)) as {
      TaskTemplate: { ContainerSpec: { StopGracePeriod: number } };
    };
    graces.push(TaskTemplate.ContainerSpec.StopGracePeriod / 1e9);
    json(response, 400, { message: 'only the request matters here' });
  });
  const start = () => driver.start({ name: 'S1', id: 1 }, replicaSpecOf(config));
  await assert.rejects(start(), { code: 'start-failed' });
  options.replace({ ...config, drainTimeoutMs: 90_000, stopTimeoutMs: 20_000 });
  await assert.rejects(start(), { code: 'start-failed' });
  assert.deepEqual(graces, [40, 110]);
});
