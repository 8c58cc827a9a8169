/** The swarm driver over managers whose responses a test gives: what two balancers do to one name. */
import assert from 'node:assert/strict';
import { json as jsonOf } from 'node:stream/consumers';
import { it, type TestContext } from 'node:test';
import type { Driver } from '../../../lib/drivers/driver.ts';
import { createSwarmDriver } from '../../../lib/drivers/swarm/swarm.ts';
import { eventually } from '../../helpers/eventually.ts';
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
): Promise<{ readonly engine: FakeEngine; readonly driver: Driver; readonly clock: FakeClock }> {
  const clock = new FakeClock();
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
    clock,
  });
  t.after(() => driver.close(true));
  return { engine, driver, clock };
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

/** The service as it is once its replica's role is this. */
function inRole(role: string, more: object = {}) {
  const labels = { ...SERVICE.Spec.Labels, 'ringlb.role': role };
  return { ...SERVICE, ...more, Spec: { ...SERVICE.Spec, Labels: labels } };
}

/** The service as the first update of it asks. */
async function updated(
  engine: FakeEngine,
  act: () => Promise<unknown>,
): Promise<typeof SERVICE.Spec | undefined> {
  let body: Promise<unknown> | undefined;
  engine.on(UPDATE, (response, request) => {
    body ??= jsonOf(request);
    json(response, 200, {});
  });
  await act();
  return body as Promise<typeof SERVICE.Spec> | undefined;
}

it('puts no service in the place of one whose replica was removed', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  await driver.retire('t1', 'replaced');
  engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('removed'));
  engine.reply('GET /services', 200, [inRole('removed')]);
  await assert.rejects(driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith()), {
    code: 'not-found',
  });
  assert.ok(!engine.requests.includes('POST /services/create'));
});

it('removes what it put in the place of one whose replica was removed meanwhile', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  await driver.retire('t1', 'replaced');
  engine.reply('GET /services', 200, [inRole('replaced')]);
  engine.on('POST /services/create', (response) => {
    engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('removed'));
    engine.reply('GET /tasks', 200, []);
    json(response, 201, { ID: 'beside' });
  });
  engine.reply('DELETE /services/beside', 200);
  await assert.rejects(driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith()), {
    code: 'not-found',
  });
  assert.ok(engine.requests.includes('DELETE /services/beside'));
});

it('gives no task of a service whose replica was removed', async (t) => {
  const { engine, driver } = await afterAnother(t);
  const [instance] = await driver.list();
  engine.reply('GET /services', 200, [inRole('removed')]);
  await assert.rejects(driver.replace!(instance!, { avoidNode: undefined }), { code: 'not-found' });
});

it('leaves a replica removed that it would replace', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('removed'));
  assert.equal(await updated(engine, () => driver.retire('t1', 'replaced')), undefined);
});

it('claims a removal while another service is about to be put in the place', async (t) => {
  const { engine, driver } = await afterAnother(t);
  engine.reply('GET /services', 200, [inRole('replaced')]);
  engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('replaced'));
  const spec = await updated(engine, () => driver.claimRemoval!('S4'));
  assert.equal((spec!.Labels as Record<string, string>)['ringlb.role'], 'removed');
});

it('puts no service in the place of one whose replica ended and was removed', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  engine.reply('GET /tasks', 200, [{ ...TASK, DesiredState: 'shutdown', Status: { State: 'failed' } }]);
  await driver.retire('t1', 'replaced');
  engine.reply('GET /services', 200, []);
  engine.reply(`GET /services/${SERVICE.ID}`, 404, { message: 'no such service' });
  await assert.rejects(driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith()), {
    code: 'not-found',
  });
  assert.ok(!engine.requests.includes('POST /services/create'));
});

it('puts a service in the place of one that went with its task while it was healed', async (t) => {
  const { engine, driver, clock } = await afterAnother(t);
  await driver.list();
  engine.reply('GET /tasks', 200, [{ ...TASK, DesiredState: 'shutdown', Status: { State: 'failed' } }]);
  await driver.retire('t1', 'replaced');
  engine.on(`DELETE /services/${SERVICE.ID}`, (response) => {
    engine.reply('GET /services', 200, []);
    json(response, 200);
  });
  const beside = inRole('current', { ID: 'beside', CreatedAt: '2' });
  engine.on('POST /services/create', (response) => {
    engine.reply('GET /services', 200, [beside]);
    engine.reply('GET /tasks', 200, [{ ...TASK, ID: 't2', ServiceID: 'beside' }]);
    json(response, 201, { ID: 'beside' });
  });
  const started = driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith());
  await eventually('it is looked for', () => clock.pending > 0);
  await driver.remove('t1', 0);
  const ticking = setInterval(() => clock.advance(100), 5);
  t.after(() => clearInterval(ticking));
  assert.equal((await started).instanceId, 't2');
});

it('claims also the service that was put in the place meanwhile', async (t) => {
  const { engine, driver } = await afterAnother(t);
  const newest = inRole('current', { ID: 'beside', CreatedAt: '2' });
  engine.reply('GET /services', 200, [inRole('replaced')]);
  engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('replaced'));
  engine.reply('GET /services/beside', 200, newest);
  engine.on(UPDATE, (response) => {
    engine.reply('GET /services', 200, [inRole('removed'), newest]);
    json(response, 200, {});
  });
  engine.reply('POST /services/beside/update', 200, {});
  await driver.claimRemoval!('S4');
  assert.ok(engine.requests.includes('POST /services/beside/update'));
});

it('keeps a claim where the service that was put in the place is gone again', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  const newest = inRole('current', { ID: 'beside', CreatedAt: '2' });
  engine.reply('GET /services', 200, [inRole('replaced')]);
  engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('replaced'));
  engine.reply('GET /services/beside', 200, newest);
  engine.on(UPDATE, (response) => {
    engine.reply('GET /services', 200, [inRole('removed'), newest]);
    json(response, 200, {});
  });
  engine.on('POST /services/beside/update', (response) => {
    engine.reply('GET /services', 200, [inRole('removed')]);
    json(response, 404, { message: 'service beside not found' });
  });
  assert.equal(await driver.claimRemoval!('S4'), 't1');
});

/** A name without a service, whose service is created and cannot be looked at. */
async function startWithoutManagers(engine: FakeEngine): Promise<void> {
  engine.reply('GET /services', 200, []);
  engine.on('POST /services/create', (response) => {
    engine.reply('GET /services', 500, { message: 'The swarm does not have a leader' });
    json(response, 201, { ID: SERVICE.ID });
  });
}

it('takes over on the next attempt what it started while managers did not respond', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await startWithoutManagers(engine);
  const start = () => driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith());
  await assert.rejects(start(), { code: 'engine-unreachable' });
  engine.reply('GET /services', 200, [SERVICE]);
  assert.equal((await start()).instanceId, 't1');
});

it('removes what was added while managers did not respond once they do', async (t) => {
  const { engine, driver, clock } = await afterAnother(t);
  await startWithoutManagers(engine);
  engine.reply('GET /tasks', 200, []);
  engine.reply(`DELETE /services/${SERVICE.ID}`, 500, { message: 'The swarm does not have a leader' });
  await assert.rejects(driver.start({ name: 'S4', id: 4 }, specWith()), { code: 'engine-unreachable' });
  const { promise, resolve } = Promise.withResolvers<void>();
  engine.on(`DELETE /services/${SERVICE.ID}`, (response) => {
    json(response, 200);
    resolve();
  });
  clock.advance(1000);
  await promise;
});

/** What was created in the place of the service while it drained. */
const HEALING = {
  ...SERVICE,
  ID: 'beside',
  CreatedAt: '2',
  Spec: { ...SERVICE.Spec, Labels: { ...SERVICE.Spec.Labels, 'ringlb.heals': SERVICE.ID } },
};

it('says on what it puts in the place which service that was', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  await driver.retire('t1', 'replaced');
  engine.reply('GET /services', 200, [inRole('replaced')]);
  let body: Promise<unknown> | undefined;
  engine.on('POST /services/create', (response, request) => {
    body ??= jsonOf(request);
    engine.reply(`GET /services/${SERVICE.ID}`, 200, inRole('removed'));
    engine.reply('GET /tasks', 200, []);
    json(response, 201, { ID: 'beside' });
  });
  engine.reply('DELETE /services/beside', 200);
  await assert.rejects(driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith()));
  const { Labels: labels } = (await body) as typeof HEALING.Spec;
  assert.equal(labels['ringlb.heals'], SERVICE.ID);
});

/** A pool where HEALING is in the place of the service, which drains in `role`; gives the updates of both in their order. */
async function whileHealing(t: TestContext, role: string) {
  const { engine, driver } = await afterAnother(t);
  const services = new Map([inRole(role), HEALING].map((service) => [service.ID, service as typeof SERVICE]));
  const roles: string[] = [];
  for (const id of services.keys()) {
    engine.on(`GET /services/${id}`, (response) => json(response, 200, services.get(id)));
    engine.on(`POST /services/${id}/update`, async (response, request) => {
      const Spec = (await jsonOf(request)) as typeof SERVICE.Spec;
      services.set(id, { ...services.get(id)!, Spec });
      roles.push(`${id} ${(Spec.Labels as Record<string, string>)['ringlb.role']}`);
      json(response, 200, {});
    });
  }
  engine.on('GET /services', (response) => json(response, 200, [...services.values()]));
  return { driver, services, roles };
}

it('leaves a removal to the balancer that claimed what is being healed here', async (t) => {
  const { driver, roles } = await whileHealing(t, 'removed');
  assert.equal(await driver.claimRemoval!('S4'), undefined);
  assert.deepEqual(roles, []);
});

it('claims what drains before what was put in its place', async (t) => {
  const { driver, roles } = await whileHealing(t, 'replaced');
  assert.notEqual(await driver.claimRemoval!('S4'), undefined);
  assert.deepEqual(roles, [`${SERVICE.ID} removed`, 'beside removed']);
});

it('claims once what drains where what was put in its place goes meanwhile', async (t) => {
  const { driver, services, roles } = await whileHealing(t, 'replaced');
  const other = await whileHealing(t, 'replaced');
  assert.notEqual(await driver.claimRemoval!('S4'), undefined);
  services.delete('beside');
  other.services.clear();
  other.services.set(SERVICE.ID, services.get(SERVICE.ID)!);
  assert.equal(await other.driver.claimRemoval!('S4'), undefined);
  assert.deepEqual([roles.length, other.roles.length], [2, 0]);
});

it('gives both services the role of before where a removal is taken back', async (t) => {
  const { driver, roles } = await whileHealing(t, 'replaced');
  const claimed = await driver.claimRemoval!('S4');
  await driver.undoRemoval!(claimed!);
  assert.deepEqual(roles.slice(2).toSorted(), ['beside current', `${SERVICE.ID} replaced`]);
});

it('leaves a removal to the balancer that claimed the newest service of the name', async (t) => {
  const { engine, driver } = await afterAnother(t);
  const newest = inRole('removed', { ID: 'beside', CreatedAt: '2' });
  engine.reply('GET /services', 200, [inRole('replaced'), newest]);
  engine.reply('GET /services/beside', 200, newest);
  assert.equal(await driver.claimRemoval!('S4'), undefined);
  assert.ok(!engine.requests.includes(UPDATE));
});

it('waits for the next task in the place of one that ended, also before it was told of the end', async (t) => {
  const { engine, driver } = await afterAnother(t);
  await driver.list();
  engine.reply('GET /tasks', 200, [
    { ...TASK, DesiredState: 'shutdown', Status: { State: 'failed', ContainerStatus: { ExitCode: 137 } } },
  ]);
  assert.equal(await updated(engine, () => driver.retire('t1', 'replaced')), undefined);
  engine.reply('GET /tasks', 200, [{ ...TASK, ID: 't2', CreatedAt: '2' }]);
  const { instanceId } = await driver.start({ name: 'S4', id: 4, mayAdopt: true }, specWith());
  assert.equal(instanceId, 't2');
});
