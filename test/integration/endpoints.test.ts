import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { groupOf } from '../helpers/processes.ts';

const list = (...replicas: readonly string[]): string =>
  JSON.stringify({ message: { N: replicas.length, replicas }, status: 'successful' });
const failure = (message: string): string =>
  JSON.stringify({ message: `<Error> ${message}`, status: 'failure' });

describe('a balancer over its own three replicas', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready();
  });
  after(() => balancer.stop());

  /** One of the three requests, on both ports; both answers must be the same. */
  async function onBoth(method: string, path: string, body?: unknown) {
    const [first, second] = [
      await balancer.ask(method, path, { body }),
      await balancer.askAdmin(method, path, { body }),
    ];
    assert.deepEqual([second.status, second.body], [first.status, first.body]);
    return first;
  }

  it('answers through every replica', async () => {
    const seen = new Set<string>();
    await eventually('an answer of each', async () => {
      seen.add(await balancer.home());
      return seen.size === 3;
    });
    assert.deepEqual([...seen].sort(), ['S1', 'S2', 'S3']);
  });

  it('passes on responses of replicas, errors included', async () => {
    const { status, body, headers } = await balancer.ask('GET', '/other');
    assert.equal(status, 404);
    assert.match(body, /only \/home and \/heartbeat are here/);
    assert.equal(headers['content-type'], 'application/json');
  });

  it('lists its replicas on both ports', async () => {
    const { status, body } = await onBoth('GET', '/rep');
    assert.deepEqual([status, body], [200, list('S1', 'S2', 'S3')]);
  });

  it('adds and removes replicas on either port', async () => {
    const added = await balancer.ask('POST', '/add', { body: { n: 2, hostnames: ['web_a'] } });
    assert.deepEqual([added.status, added.body], [200, list('S1', 'S2', 'S3', 'web_a', 'S4')]);
    assert.deepEqual(
      (await balancer.replicas()).map(({ name, state }) => `${name} ${state}`),
      ['S1 healthy', 'S2 healthy', 'S3 healthy', 'web_a healthy', 'S4 healthy'],
    );
    const pids = [await balancer.pidOf('web_a'), await balancer.pidOf('S4')];
    const named = await balancer.askAdmin('DELETE', '/rm', { body: { n: 1, hostnames: ['web_a'] } });
    assert.deepEqual([named.status, named.body], [200, list('S1', 'S2', 'S3', 'S4')]);
    const chosen = await balancer.ask('POST', '/rm', { body: { n: 1 } });
    assert.deepEqual([chosen.status, chosen.body], [200, list('S1', 'S2', 'S3')]);
    for (const pid of pids) await eventually('the end of a removed one', () => groupOf(pid).length === 0);
  });

  for (const [method, path, body, status, message] of [
    [
      'POST',
      '/add',
      { n: 1, hostnames: ['a', 'b'] },
      400,
      'Length of hostname list is more than newly added instances',
    ],
    [
      'DELETE',
      '/rm',
      { n: 1, hostnames: ['S1', 'S2'] },
      400,
      'Length of hostname list is more than removable instances',
    ],
    ['POST', '/add', { n: 1, hostnames: ['S2'] }, 400, 'there is a replica called S2 already'],
    ['POST', '/rm', { n: 1, hostnames: ['S9'] }, 400, 'there is no replica called S9'],
    ['POST', '/rm', { n: 4 }, 400, 'n is 4, but there are only 3 replicas'],
    ['POST', '/add', { n: 0 }, 400, 'n must be a whole number from 1 to 10000, not 0'],
  ] as const) {
    it(`answers ${method} ${path} ${JSON.stringify(body)} with ${status} on both ports`, async () => {
      const answer = await onBoth(method, path, body);
      assert.deepEqual([answer.status, answer.body], [status, failure(message)]);
      assert.equal((await balancer.ask('GET', '/rep')).body, list('S1', 'S2', 'S3'));
    });
  }

  for (const [method, path, allowed] of [
    ['POST', '/rep', 'GET, HEAD'],
    ['GET', '/add', 'POST'],
    ['PUT', '/rm', 'DELETE, POST'],
  ] as const) {
    it(`answers ${method} ${path} with 405 and Allow on both ports`, async () => {
      const { status, headers } = await onBoth(method, path);
      assert.deepEqual([status, headers.allow], [405, allowed]);
    });
  }

  it('tells its health command that it can serve', async () => {
    const health = Balancer.spawn(`health --admin-port ${balancer.adminPort}`);
    assert.deepEqual(await health.exited, { code: 0, signal: null });
    assert.match(health.stdout, /3 of 3 replicas are eligible/);
  });

  it('scales to the number given, once, on either port', async () => {
    // names that still drain are not chosen again
    await eventually('none drains', async () => (await balancer.replicas()).length === 3);
    const five = await onBoth('PUT', '/scale', { n: 5 });
    assert.equal(five.body, list('S1', 'S2', 'S3', 'S4', 'S5'));
    assert.equal((await balancer.ask('PUT', '/scale', { body: { n: 5 } })).body, five.body);
    const preview = await onBoth('PUT', '/scale?dry-run', { n: 3 });
    assert.match(preview.body, /"N":3,"replicas":\["S1","S2","S3"\],"added":\[\],"removed":\["S5","S4"\]/);
    const { status, body } = await balancer.ask('PUT', '/scale', { body: { n: 3 } });
    assert.deepEqual([status, body], [200, list('S1', 'S2', 'S3')]);
    for (const n of [0, 65]) assert.equal((await onBoth('PUT', '/scale', { n })).status, 400);
    const wrong = await onBoth('POST', '/scale');
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, HEAD, PUT']);
    const shown = await onBoth('GET', '/scale');
    assert.match(shown.body, /"n":3,"ready":3,"desired":3,"state":"off"/);
    assert.equal((await onBoth('GET', '/rep')).body, list('S1', 'S2', 'S3'));
  });
});
