import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Balancer } from '../helpers/balancer.ts';
import { ensureReplicaImage } from '../helpers/docker/docker.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';
import {
  cleanUp,
  containerOf,
  dockerOn,
  engineOf,
  ensureImageOnNodes,
  freshPool,
  joinBridge,
  NODES,
  skipSwarm,
} from '../helpers/swarm/swarm.ts';

const run = promisify(execFile);
const link = (node: number, state: 'up' | 'down') =>
  run('ip', ['-n', 'rlbsw', 'link', 'set', `p${node}`, state]);

describe('balancers over a Swarm', { skip: skipSwarm ?? false }, () => {
  const balancers: Balancer[] = [];
  const loads: SteadyLoad[] = [];
  before(async () => {
    await joinBridge();
    await ensureReplicaImage();
    await ensureImageOnNodes();
  });
  afterEach(async () => {
    // one that a failed test has left would go on for ever
    for (const load of loads.splice(0)) await load.end();
    for (const node of NODES) await link(node, 'up');
    for (const balancer of balancers.splice(0)) await balancer.stop();
    await cleanUp();
  });
  after(cleanUp);

  const start = async (pool: string, options = ''): Promise<Balancer> => {
    const engines = NODES.map(engineOf).join();
    const balancer = await Balancer.serving(
      `--driver swarm --engines ${engines} --pool ${pool} --image ringlb-replica:test --swarm-publish host ${options}`,
    );
    balancers.push(balancer);
    return balancer;
  };
  const loadOn = (...given: ConstructorParameters<typeof SteadyLoad>): SteadyLoad => {
    const load = new SteadyLoad(...given);
    loads.push(load);
    return load;
  };
  const servicesOf = async (pool: string): Promise<readonly string[]> => {
    const listed = await dockerOn(
      1,
      'service',
      'ls',
      '--filter',
      `label=ringlb.pool=${pool}`,
      '--format',
      '{{.Name}}',
    );
    return listed.split('\n').filter(Boolean).sort();
  };
  const namesOf = async (balancer: Balancer): Promise<readonly string[]> => {
    const { body } = await balancer.ask('GET', '/rep');
    return (JSON.parse(body) as { message: { replicas: string[] } }).message.replicas.toSorted();
  };

  it('loses no request to a killed task, and soon has another', async () => {
    const balancer = await start(freshPool());
    await balancer.untilHealthy(3);
    const load = loadOn(balancer.publicPort);
    const { instance } = await balancer.replica('S2');
    const { node, id } = await containerOf(instance!);
    await dockerOn(node, 'kill', id);
    await eventually('another instance', async () => {
      const replica = await balancer.replica('S2');
      return replica.state === 'healthy' && replica.instance !== instance;
    });
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
  });

  it('loses no request to a node that is cut off, and heals away from it', async () => {
    const balancer = await start(freshPool());
    await balancer.untilHealthy(3);
    const { instance, endpoint } = await balancer.replica('S2');
    const node = Number(/^10\.99\.0\.(\d)/.exec(endpoint!)![1]);
    const load = loadOn(balancer.publicPort);
    await link(node, 'down');
    await eventually('another instance elsewhere', async () => {
      const replica = await balancer.replica('S2');
      return replica.state === 'healthy' && replica.instance !== instance;
    });
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
    const { endpoint: elsewhere } = await balancer.replica('S2');
    assert.notEqual(elsewhere!.split(':')[0], endpoint!.split(':')[0]);
  });

  it('takes over from another one, whose tasks serve on', async () => {
    const pool = freshPool();
    const first = await start(pool);
    await first.untilHealthy(3);
    const instancesOf = async (balancer: Balancer) =>
      (await balancer.replicas()).map(({ name, instance }) => `${name} ${instance}`).sort();
    const ran = await instancesOf(first);
    const load = loadOn(first.publicPort);
    const ports = `--port ${first.publicPort} --admin-port ${first.adminPort}`;
    const second = await start(pool, `${ports} --take-over`);
    assert.deepEqual(await first.exited, { code: 0, signal: null });
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
    await second.untilHealthy(3);
    assert.deepEqual(await instancesOf(second), ran);
  });

  it('serve on when one of them is killed, and it shares the fleet again', async () => {
    const pool = freshPool();
    const [a, b] = await Promise.all([start(pool), start(pool)]);
    await a.untilHealthy(3);
    await b.untilHealthy(3);
    const load = loadOn(a.publicPort);
    b.signal('SIGKILL');
    await b.exited;
    const { status, body } = await a.ask('POST', '/add', { body: { n: 1 } });
    assert.equal(status, 200, body);
    const again = await start(pool);
    await again.untilHealthy(4);
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await namesOf(again), await namesOf(a));
  });

  it('agree on a new fleet, additions, removals and one table', async () => {
    const pool = freshPool();
    const [a, b] = await Promise.all([start(pool), start(pool)]);
    const agree = (count: number) =>
      eventually(`${count} replicas on both`, async () => {
        const [left, right] = [await namesOf(a), await namesOf(b)];
        return left.length === count && left.join() === right.join();
      });
    await agree(3);
    const added = await a.ask('POST', '/add', { body: { n: 1, hostnames: ['web'] } });
    assert.equal(added.status, 200, added.body);
    await agree(4);
    const removed = await b.ask('DELETE', '/rm', { body: { n: 1, hostnames: ['web'] } });
    assert.equal(removed.status, 200, removed.body);
    await agree(3);
    const [one, two] = await Promise.all([
      a.ask('POST', '/add', { body: { n: 1 } }),
      b.ask('POST', '/add', { body: { n: 1 } }),
    ]);
    assert.deepEqual([one.status, two.status], [200, 200], one.body + two.body);
    await agree(5);
    await eventually('services that are as many', async () => (await servicesOf(pool)).length === 5);
  });
});
