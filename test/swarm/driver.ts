import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { formatEndpoint } from '../../lib/core/replica.ts';
import type { Hint } from '../../lib/drivers/driver.ts';
import { ensureReplicaImage } from '../helpers/docker/docker.ts';
import { answering } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';
import {
  cleanUp,
  containerOf,
  dockerOn,
  engineOf,
  ensureImageOnNodes,
  freshPool,
  joinBridge,
  makeSwarmDriver,
  NODES,
  onInstance,
  skipSwarm,
} from '../helpers/swarm/swarm.ts';

let names = 0;
const freshName = () => `d${process.pid}-S${++names}`;

describe('the swarm driver', { skip: skipSwarm ?? false }, () => {
  let driver: SpecDriver;
  let hints: Hint[];
  let pool: string;
  before(async () => {
    await joinBridge();
    await ensureReplicaImage();
    await ensureImageOnNodes();
  });
  after(cleanUp);
  beforeEach(async () => {
    hints = [];
    pool = freshPool();
    driver = makeSwarmDriver({ pool });
    await driver.open();
    driver.watch((hint) => hints.push(hint));
  });
  afterEach(async () => {
    await driver.close(true);
    await cleanUp();
  });
  const died = (id: string) =>
    eventually('its death', () => hints.some((hint) => hint.kind === 'died' && hint.instanceId === id));

  it("puts Swarm's new task in the place of a killed one", async () => {
    const old = await driver.start({ name: freshName(), id: 1 });
    await onInstance(old, 'kill', '--signal', 'KILL');
    await died(old.instanceId);
    const next = await driver.replace!(old, { avoidNode: undefined });
    assert.notEqual(next.instanceId, old.instanceId);
    assert.deepEqual(
      (await driver.list()).map(({ instanceId, status }) => [instanceId, status]),
      [[next.instanceId, 'running']],
    );
    await answering(next);
  });

  it('forces another task for one that hangs, on another node', async () => {
    const old = await driver.start({ name: freshName(), id: 1 });
    await onInstance(old, 'pause');
    const next = await driver.replace!(old, { avoidNode: old.node });
    assert.notEqual(next.node, old.node);
    await answering(next);
    const { node, id } = await containerOf(old.instanceId).catch(() => ({ node: 0, id: '' }));
    if (node > 0) await dockerOn(node, 'unpause', id).catch(() => {});
  });

  it('names who has the name of a service not ours', async () => {
    const name = freshName();
    await dockerOn(
      1,
      'service',
      'create',
      '--detach',
      '--label',
      `ringlb.pool=${freshPool()}`,
      '--name',
      name,
      'ringlb-replica:test',
    );
    await assert.rejects(driver.start({ name, id: 1 }), {
      code: 'name-held',
      message: `The name ${name} is held by a service that is not ours: choose another name, or remove it`,
    });
    assert.ok((await driver.heldNames()).includes(name));
    assert.deepEqual(await driver.list(), []);
  });

  it('refuses a name with a dot', async () => {
    await assert.rejects(driver.start({ name: 'a.b', id: 1 }), {
      code: 'bad-request',
      message: 'Swarm takes no service name such as a.b: use letters, digits, - and _, and no dots',
    });
  });

  it('says that no node has the image, and leaves no service', async () => {
    const other = makeSwarmDriver({ pool, image: 'ringlb-no-such-image' });
    await other.open();
    await assert.rejects(other.start({ name: freshName(), id: 1 }), {
      code: 'image-missing',
      message: /^No node could start .*: No such image/,
    });
    assert.deepEqual(await driver.list(), []);
  });

  it('says that no node fits the constraints, and leaves no service', async () => {
    const other = makeSwarmDriver({ pool, constraints: ['node.labels.none==1'] });
    await other.open();
    await assert.rejects(other.start({ name: freshName(), id: 1 }), {
      code: 'start-failed',
      message: /^No node fits .*: no suitable node .*; see --constraints$/,
    });
    assert.deepEqual(await driver.list(), []);
  });

  it('lets one of two balancers have a name', async () => {
    const other = makeSwarmDriver({ pool });
    await other.open();
    const name = freshName();
    const results = await Promise.allSettled([driver.start({ name, id: 1 }), other.start({ name, id: 1 })]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    assert.equal((await driver.list()).length, 1);
  });

  it('takes what another balancer started where that will do', async () => {
    const other = makeSwarmDriver({ pool });
    await other.open();
    const name = freshName();
    const first = await driver.start({ name, id: 1 });
    const second = await other.start({ name, id: 1, mayAdopt: true });
    assert.equal(second.instanceId, first.instanceId);
  });

  it('shows another balancer which replica was removed, before its task ends', async () => {
    const other = makeSwarmDriver({ pool });
    await other.open();
    const instance = await driver.start({ name: freshName(), id: 1 });
    await driver.retire(instance.instanceId, 'removed');
    assert.deepEqual(
      (await other.list()).map(({ role, status }) => [role, status]),
      [['removed', 'running']],
    );
  });

  it('adopts a pool as another balancer left it', async () => {
    const instance = await driver.start({ name: freshName(), id: 4 });
    const other = makeSwarmDriver({ pool });
    await other.open();
    assert.deepEqual(await other.list(), [instance]);
  });

  it('publishes each replica on its node', async () => {
    const [a, b] = await Promise.all([
      driver.start({ name: freshName(), id: 1 }),
      driver.start({ name: freshName(), id: 2 }),
    ]);
    assert.notEqual(formatEndpoint(a!.endpoint!), formatEndpoint(b!.endpoint!));
    for (const { endpoint } of [a!, b!]) assert.match(endpoint!.host, /^10\.99\.0\.[1-3]$/);
  });

  it('says that an engine is no manager of a Swarm', async () => {
    const usual = makeSwarmDriver({ pool, engines: [] });
    await assert.rejects(usual.open(), {
      code: 'engine-unreachable',
      message: /^The engine is no manager of a Swarm: give --engines/,
    });
  });

  /** Makes a worker of the node for the time of a test. */
  async function demote(t: { after(run: () => Promise<unknown>): void }, node: number): Promise<void> {
    const id = await dockerOn(node, 'info', '--format', '{{.Swarm.NodeID}}');
    const isManager = async (wanted: boolean) =>
      eventually(`node ${node} is ${wanted ? 'a manager' : 'a worker'}`, async () => {
        const control = await dockerOn(node, 'info', '--format', '{{.Swarm.ControlAvailable}}');
        return control === String(wanted);
      });
    t.after(async () => {
      await dockerOn(1, 'node', 'promote', id);
      await isManager(true);
    });
    await dockerOn(1, 'node', 'demote', id);
    await isManager(false);
  }

  it('says that a worker is no manager of its Swarm, and leaves nothing behind', async (t) => {
    await demote(t, 3);
    const [own, network] = [freshPool(), freshName()];
    const other = makeSwarmDriver({ pool: own, network, engines: [engineOf(3)] });
    await assert.rejects(other.open(), {
      code: 'engine-unreachable',
      message: /^The engine is no manager of a Swarm: give --engines/,
    });
    const label = ['--filter', `label=ringlb.pool=${own}`];
    assert.equal(await dockerOn(1, 'service', 'ls', '--quiet', ...label), '');
    assert.equal(await dockerOn(1, 'config', 'ls', '--quiet', ...label), '');
    assert.equal(await dockerOn(1, 'network', 'ls', '--quiet', '--filter', `name=${network}`), '');
  });

  it('passes over a worker beside a manager', async (t) => {
    await demote(t, 3);
    const other = makeSwarmDriver({ pool, engines: [engineOf(3), engineOf(1)] });
    await other.open();
    const instance = await other.start({ name: freshName(), id: 1 });
    assert.deepEqual(await driver.list(), [instance]);
  });

  it('says that no manager can be reached', async () => {
    const other = makeSwarmDriver({ pool, engines: ['unix:///nowhere.sock', 'unix:///no/where.sock'] });
    await assert.rejects(other.open(), {
      code: 'engine-unreachable',
      message: /^No Docker engine responds at unix:\/\/\/nowhere\.sock: /,
    });
  });

  it('says that an overlay is not attachable', async (t) => {
    const network = freshName();
    await dockerOn(1, 'network', 'create', '--driver', 'overlay', network);
    t.after(() => dockerOn(1, 'network', 'rm', network));
    const other = makeSwarmDriver({ pool, network, swarmPublish: 'overlay' });
    await assert.rejects(other.open(), {
      code: 'bad-request',
      message: `The overlay ${network} is not attachable: run the balancer as a service on it, make the overlay with --attachable, or use --swarm-publish host`,
    });
  });

  it('makes no overlay where the balancer cannot join it', async () => {
    const network = freshName();
    const other = makeSwarmDriver({ pool, network, swarmPublish: 'overlay' });
    await assert.rejects(other.open(), { code: 'bad-request', message: /is in no container/ });
    assert.equal(await dockerOn(1, 'network', 'ls', '-q', '--filter', `name=${network}`), '');
  });

  it('asks the next manager where one does not respond', async () => {
    const engines = ['unix:///nowhere.sock', `unix:///tmp/ringlb-swarm/n${NODES[1]}/docker.sock`];
    const other = makeSwarmDriver({ pool, engines });
    await other.open();
    assert.deepEqual(await other.list(), []);
  });
});
