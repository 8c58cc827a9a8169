/** Two balancers on one host that share a pool of real containers. */
import assert from 'node:assert/strict';
import { before, describe, it, type TestContext } from 'node:test';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { ask, type Balancer } from '../helpers/balancer.ts';
import { EngineDoor, ensureReplicaImage, skipDocker } from '../helpers/docker/docker.ts';
import {
  add,
  type Container,
  healthy,
  instances,
  kill,
  names,
  Stage,
  until,
} from '../helpers/docker/stage.ts';

const MANY = '--pool-members many --probe-interval 200ms --drain-timeout 2s';

async function hashOf(balancer: Balancer): Promise<string> {
  const { body } = await balancer.askAdmin('GET', '/ring');
  return (JSON.parse(body) as { message: { hash: string } }).message.hash;
}

/** Waits until both have the same `count` replicas, all healthy, and the same table. */
function agreed(both: readonly Balancer[], count: number): Promise<unknown> {
  return until(`${count} replicas and one table on both`, async () => {
    for (const balancer of both) await healthy(balancer, count);
    const [first, ...others] = await Promise.all(
      both.map(async (balancer) => [await hashOf(balancer), await instances(balancer)]),
    );
    for (const other of others) assert.deepEqual(other, first);
    return true;
  });
}

describe('two balancers with one pool', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(ensureReplicaImage);

  async function pair(t: TestContext, more = '') {
    const stage = new Stage(t, { ownNames: true });
    const port = await findFreePort(new Set());
    const args = `${MANY} --port ${port} ${more}`;
    const [a, b] = [await stage.start({ args }), await stage.start({ args })];
    await agreed([a, b], 3);
    return { stage, a, b, port: port! };
  }

  for (const which of ['first', 'second'] as const)
    it(`share a port; what was in flight alone is lost with the ${which}`, async (t) => {
      const { a, b, port } = await pair(t);
      const victim = which === 'first' ? a : b;
      let isGone = false;
      let isOver = false;
      const failures: string[] = [];
      let answered = 0;
      const client = async (): Promise<void> => {
        while (!isOver) {
          const wasGone = isGone;
          try {
            const { status } = await ask(port, 'GET', '/home');
            if (status !== 200) failures.push(`status ${status}`);
            if (wasGone) answered++;
          } catch (error) {
            // at most one request of each client is in flight when it is killed
            if (wasGone) failures.push(`after the end: ${error}`);
          }
        }
      };
      const clients = Array.from({ length: 8 }, client);
      await kill(victim);
      isGone = true;
      await until('responses of the other', () => answered > 200 || failures.length > 0);
      isOver = true;
      await Promise.all(clients);
      assert.deepEqual(failures, []);
    });

  it('leave nothing behind where both are stopped at once', async (t) => {
    const { stage, a, b } = await pair(t);
    await Promise.all([a.stop(), b.stop()]);
    assert.deepEqual(await stage.containers(), []);
  });

  it('change the fleet by one for each call at either', async (t) => {
    const { stage, a, b } = await pair(t);
    const calls = [add(a), add(b), add(a), add(b)];
    for (const { status, body } of await Promise.all(calls)) assert.equal(status, 200, body);
    await agreed([a, b], 7);
    const removals = [a, b, a].map((balancer) => balancer.ask('DELETE', '/rm', { body: { n: 1 } }));
    for (const { status, body } of await Promise.all(removals)) assert.equal(status, 200, body);
    await agreed([a, b], 4);
    await stage.settled(a);
  });

  /** Two balancers; calls of the first to the engine are held until `release` is called. */
  async function heldPair(t: TestContext, call: 'starts' | 'lists of all containers') {
    const door = await EngineDoor.open();
    t.after(() => door.close());
    const release = door.hold(call);
    const stage = new Stage(t, { ownNames: true });
    const a = await stage.start({ args: MANY, env: { DOCKER_HOST: `unix://${door.socketPath}` } });
    return { stage, a, release, startOther: () => stage.start({ args: MANY }) };
  }

  /** Until it has looked at the pool a balancer changes nothing. */
  function open(balancer: Balancer): Promise<unknown> {
    const body = { n: 1, hostnames: ['none'] };
    return until('it opens', async () => (await balancer.ask('DELETE', '/rm', { body })).status === 400);
  }

  it('leave what the other is starting in its place', async (t) => {
    const { stage, a, release, startOther } = await heldPair(t, 'starts');
    const isCreated = ({ state }: Container): boolean => state === 'created';
    const created = await until('three containers that do not run yet', async () => {
      const containers = await stage.containers();
      return containers.length === 3 && containers.every(isCreated) && containers;
    });
    const b = await startOther();
    await open(b);
    release();
    await agreed([a, b], 3);
    const running = created.map(({ name, id }) => ({ name, id, state: 'running' }));
    assert.deepEqual(await stage.containers(), running);
  });

  it('begin one fleet where both find none', async (t) => {
    const { stage, a, release, startOther } = await heldPair(t, 'lists of all containers');
    const b = await startOther();
    // a has yet to be told which names are taken when it hears of what b has started
    await agreed([a, b], 3);
    const before = await stage.containers();
    release();
    await open(a);
    await agreed([a, b], 3);
    assert.deepEqual(await stage.containers(), before);
  });

  it('make the pool the size that each was told last', async (t) => {
    const { stage, a, b } = await pair(t);
    const calls = [a, b, a, b].map((balancer) => balancer.ask('PUT', '/scale', { body: { n: 5 } }));
    for (const { status, body } of await Promise.all(calls)) assert.equal(status, 200, body);
    await agreed([a, b], 5);
    await stage.settled(b);
    assert.deepEqual(
      (await stage.claims()).filter((name) => name.startsWith('ringlb-turn-')),
      [],
    );
  });

  it('do not bring back what the other removed while this one was suspended', async (t) => {
    const { stage, a, b } = await pair(t);
    t.after(() => a.signal('SIGCONT'));
    a.signal('SIGSTOP');
    // the public port is of both, and what the kernel gives the suspended one waits
    const removed = await b.askAdmin('DELETE', '/rm', { body: { n: 1, hostnames: ['S2'] } });
    assert.equal(removed.status, 200, removed.body);
    await until('its container is gone', async () => (await stage.containers()).length === 2);
    const { length } = a.stderr;
    a.signal('SIGCONT');
    await agreed([a, b], 2);
    await stage.settled(a);
    assert.doesNotMatch(a.stderr.slice(length), /S2 started/);
  });

  it('send a client to the replica in its sticky cookie', async (t) => {
    const { a, b } = await pair(t, '--sticky lb --sticky-secret of-both-balancers --max-replicas 8');
    const [first] = await names(a);
    let cookie = '';
    await until(`a cookie of ${first}`, async () => {
      const { headers, body } = await ask(a.publicPort, 'GET', '/home');
      cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
      return body.includes(`: ${first}"`) && cookie !== '';
    });
    // each connection is one of either balancer's
    for (let asked = 0; asked < 20; asked++) assert.equal(await b.home({ cookie }), first);
  });

  it('keep out one that would own the pool', async (t) => {
    const { stage, a, b } = await pair(t);
    const third = stage.spawn({});
    assert.deepEqual(await third.exited, { code: 1, signal: null });
    const sentence = `^ringlb: The pool ${stage.pool} is shared by several balancers \\(process (${a.pid}|${b.pid}) on .*\\): start this one with --pool-members many too, or give it a pool of its own with --pool NAME$`;
    assert.match(third.stderr, new RegExp(sentence, 'm'));
    await agreed([a, b], 3);
    assert.deepEqual(
      (await stage.claims()).filter((name) => name.startsWith('ringlb-claim-')),
      [],
    );
  });

  it('are kept out by one that owns the pool', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    const owner = await stage.serve();
    const other = stage.spawn({ args: MANY });
    assert.deepEqual(await other.exited, { code: 1, signal: null });
    const sentence = `^ringlb: The pool ${stage.pool} belongs to one balancer \\(process ${owner.pid} on .*\\): start that one with --pool-members many too$`;
    assert.match(other.stderr, new RegExp(sentence, 'm'));
    await healthy(owner, 3);
  });
});
