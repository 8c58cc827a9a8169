/** The swarm driver over managers whose responses a test gives: what two balancers do to one name. */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import type { Driver } from '../../../lib/drivers/driver.ts';
import { createSwarmDriver } from '../../../lib/drivers/swarm/swarm.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { specWith } from '../../helpers/replica-spec.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';
import { FakeEngine, json } from '../docker/fake-engine.ts';

const SERVICE = {
  ID: 'id-of-S4',
  Version: { Index: 1 },
  CreatedAt: '1',
  Spec: {
    Name: 'S4',
    Labels: { 'ringlb.pool': 'p', 'ringlb.name': 'S4', 'ringlb.id': '4', 'ringlb.port': '5000' },
    TaskTemplate: { ContainerSpec: { Image: 'app' } },
    Mode: {},
  },
};
const TASK = {
  ID: 't1',
  CreatedAt: '1',
  ServiceID: SERVICE.ID,
  NodeID: 'n1',
  DesiredState: 'running',
  Status: { State: 'running', PortStatus: { Ports: [{ TargetPort: 5000, PublishedPort: 30_000 }] } },
};
const UPDATE = `POST /services/${SERVICE.ID}/update`;

/** A driver whose pool has the service that another balancer has just added, with a task that runs. */
async function afterAnother(
  t: TestContext,
): Promise<{ readonly engine: FakeEngine; readonly driver: Driver }> {
  const engine = await FakeEngine.open();
  t.after(() => engine.close());
  engine.reply('GET /services', 200, [SERVICE]);
  engine.reply('GET /tasks', 200, [TASK]);
  engine.reply('GET /nodes', 200, [{ ID: 'n1', Status: { Addr: '127.0.0.1' } }]);
  engine.reply(`GET /services/${SERVICE.ID}`, 200, SERVICE);
  engine.on(UPDATE, (response) => json(response, 200, {}));
  const driver = createSwarmDriver({
    network: 'ringlb',
    pool: 'p',
    engines: [`unix://${engine.socketPath}`],
    constraints: [],
    swarmPublish: 'host',
    drainTimeoutMs: 1000,
    stopTimeoutMs: 1000,
    log: silentLogger,
    clock: new FakeClock(),
  });
  t.after(() => driver.close(true));
  return { engine, driver };
}

it('leaves a name to the balancer that was first, once its service is listed', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  await assert.rejects(driver.start({ name: 'S4', id: 4 }, specWith()), {
    code: 'name-held',
    message: /^Another balancer has started S4/,
  });
  assert.ok(!engine.requests.includes(UPDATE));
});

it('leaves a name to the balancer that was first, before its service is listed', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await assert.rejects(driver.start({ name: 'S4', id: 4 }, specWith()), { code: 'name-held' });
  assert.ok(!engine.requests.includes(UPDATE));
});
