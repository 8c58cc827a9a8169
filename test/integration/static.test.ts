import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

/** A server that answers everything with its name. */
async function serverOf(name: string, port = 0): Promise<Server> {
  const server = createServer((_request, response) => response.end(name));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('a balancer over two fixed servers that it does not probe', () => {
  let balancer: Balancer;
  let first: Server;
  let second: Server;
  before(async () => {
    [first, second] = [await serverOf('first'), await serverOf('second')];
    const upstreams = [first, second].map((server) => `http://127.0.0.1:${portOf(server)}`).join();
    balancer = await Balancer.ready(
      `--driver static --probe-interval 0 --upstreams ${upstreams} --connect-timeout 1s`,
    );
  });
  after(async () => {
    await balancer.stop();
    for (const server of [first, second]) server.close();
  });

  /** Who answers so many requests, each once. */
  async function answers(count: number): Promise<readonly string[]> {
    const seen = new Set<string>();
    for (let request = 0; request < count; request++) {
      const { status, body } = await balancer.ask('GET', '/');
      assert.equal(status, 200, body);
      seen.add(body);
    }
    return [...seen].sort();
  }

  it('takes them as healthy, named by address, and uses both', async () => {
    assert.deepEqual(await answers(30), ['first', 'second']);
    assert.deepEqual(
      (await balancer.replicas()).map(({ name, state, probes }) => [name, state, probes.passed]),
      [first, second].map((server) => [`127.0.0.1:${portOf(server)}`, 'healthy', 0]),
    );
  });

  for (const path of ['/add', '/rm']) {
    it(`answers ${path} with 400 and says why`, async () => {
      for (const answer of [
        await balancer.ask('POST', path, { body: { n: 1 } }),
        await balancer.askAdmin('POST', path, { body: { n: 1 } }),
      ]) {
        assert.equal(answer.status, 400);
        assert.deepEqual(JSON.parse(answer.body), {
          message: '<Error> the servers are a fixed list (driver static); change --upstreams and start again',
          status: 'failure',
        });
      }
    });
  }

  it('drains a server by its name and puts it back', async () => {
    const name = `127.0.0.1:${portOf(second)}`;
    const drained = await balancer.askAdmin('POST', '/drain', { body: { hostnames: [name] } });
    assert.deepEqual([drained.status, JSON.parse(drained.body).message.draining], [200, [name]]);
    assert.deepEqual(await answers(30), ['first']);
    await balancer.askAdmin('POST', '/undrain', { body: { hostnames: [name] } });
    assert.deepEqual(await answers(30), ['first', 'second']);
  });

  it('leaves out a server that refuses until it listens again', async () => {
    const name = `127.0.0.1:${portOf(second)}`;
    const port = portOf(second);
    second.close();
    second.closeAllConnections();
    assert.deepEqual(await answers(30), ['first']);
    const { state, cause } = await balancer.replica(name);
    assert.equal(state, 'unhealthy');
    assert.match(cause ?? '', /^traffic: connect refused/);
    second = await serverOf('second again', port);
    await eventually('its return', async () => (await balancer.replica(name)).state === 'healthy');
    assert.deepEqual(await answers(30), ['first', 'second again']);
  });
});

describe('a balancer over fixed servers that it probes', () => {
  it('serves through those that respond and adds late ones', async () => {
    const [first, late] = [await serverOf('first'), await serverOf('late')];
    const port = portOf(late);
    late.close();
    const upstreams = `http://127.0.0.1:${portOf(first)},http://127.0.0.1:${port}`;
    const balancer = await Balancer.serving(
      `--driver static --probe-interval 100ms --upstreams ${upstreams}`,
    );
    let again: Server | undefined;
    try {
      await eventually('the judgement of the probes', async () => {
        const states = (await balancer.replicas()).map(({ state }) => state);
        return states.join() === 'healthy,unhealthy';
      });
      assert.equal((await balancer.ask('GET', '/')).body, 'first');
      again = await serverOf('late', port);
      await balancer.untilHealthy(2);
    } finally {
      await balancer.stop();
      first.close();
      again?.close();
    }
  });
});
