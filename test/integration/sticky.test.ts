/** Clients with the sticky cookie, over everything that happens to a fleet of processes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DeployStatus } from '../../lib/api/deploy.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

const CLIENTS = 60;
const OPTIONS =
  '--probe-interval 100ms --drain-timeout 2s --sticky lb --sticky-on-outage keep --sticky-secret of-the-fleet-12345';

/** A client as a browser is: it keeps its cookie, and sends it. */
interface Client {
  cookie: string;
  /** The replica that served it last. */
  at: string;
  /** How often a cookie was set. */
  set: number;
}

describe('clients with a sticky cookie', () => {
  const clients: readonly Client[] = Array.from({ length: CLIENTS }, () => ({ cookie: '', at: '', set: 0 }));
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready(OPTIONS);
  });
  after(() => balancer.stop());

  async function request(client: Client): Promise<void> {
    const headers = client.cookie === '' ? {} : { cookie: client.cookie };
    const { status, headers: got, body } = await balancer.ask('GET', '/home', { headers });
    assert.equal(status, 200, body);
    client.at = (JSON.parse(body) as { message: string }).message.split(' ').at(-1)!;
    const [line] = got['set-cookie'] ?? [];
    if (line === undefined) return;
    client.cookie = line.split(';', 1)[0]!;
    client.set++;
  }

  /** A request of each client; those that got to another replica than before. */
  async function moved(): Promise<readonly { readonly from: string; readonly to: string }[]> {
    const before = clients.map(({ at }) => at);
    await Promise.all(clients.map(request));
    return clients.flatMap(({ at }, index) =>
      at === before[index] ? [] : [{ from: before[index]!, to: at }],
    );
  }

  const cookiesSet = (): number => clients.reduce((sum, { set }) => sum + set, 0);

  it('are spread over the replicas, and then stay', async () => {
    await moved();
    assert.deepEqual([...new Set(clients.map(({ at }) => at))].sort(), ['S1', 'S2', 'S3']);
    for (let round = 0; round < 5; round++) assert.deepEqual(await moved(), []);
    assert.equal(cookiesSet(), CLIENTS);
  });

  it('stay when a replica is added', async () => {
    assert.equal((await balancer.askAdmin('POST', '/add', { body: { n: 1 } })).status, 200);
    assert.deepEqual(await moved(), []);
    assert.equal(cookiesSet(), CLIENTS);
  });

  it('come back to a replica that was killed', async () => {
    const pid = await balancer.pidOf('S2');
    process.kill(pid, 'SIGKILL');
    await eventually('another instance', async () => {
      // in this order: a state that was read before is that of the one that was killed
      const isAnother = (await balancer.pidOf('S2')) !== pid;
      return isAnother && (await balancer.replica('S2')).state === 'healthy';
    });
    assert.deepEqual(await moved(), []);
    assert.equal(cookiesSet(), CLIENTS);
  });

  it('stay during a deploy', async () => {
    const { status, body } = await balancer.askAdmin('POST', '/deploy', {
      body: { restart: true, watch: '100ms' },
    });
    assert.equal(status, 202, body);
    const ended = await eventually('the end of the deploy', async () => {
      // one after the other: the deploy compares latencies, and those of a crowd are long
      // where the process has only just started
      for (const client of clients) {
        const before = client.at;
        await request(client);
        assert.equal(client.at, before);
      }
      const asked = await balancer.askAdmin('GET', '/deploy');
      const { deploy } = (JSON.parse(asked.body) as { message: DeployStatus }).message;
      return deploy?.state !== 'running' && deploy?.state !== 'rolling-back' && deploy;
    });
    assert.equal(ended?.state, 'done', ended?.reason ?? '');
    assert.equal(cookiesSet(), CLIENTS);
  });

  it('stay on a drained replica until the drain times out', async () => {
    assert.equal((await balancer.askAdmin('POST', '/drain', { body: { hostnames: ['S3'] } })).status, 200);
    const own = clients.filter(({ at }) => at === 'S3');
    await Promise.all(own.slice(0, 1).map(request));
    assert.equal(own[0]!.at, 'S3');
    await eventually('clients that go elsewhere', async () => {
      await Promise.all(own.map(request));
      return own.every(({ at }) => at !== 'S3');
    });
    assert.equal((await balancer.askAdmin('POST', '/undrain', { body: { hostnames: ['S3'] } })).status, 200);
    assert.deepEqual(await moved(), []);
  });

  it('stay when the balancer is started again', async () => {
    const set = cookiesSet();
    await balancer.stop();
    balancer = await Balancer.ready(`${OPTIONS} --replicas 4`);
    assert.deepEqual(await moved(), []);
    assert.equal(cookiesSet(), set);
  });

  it('go elsewhere when their replica is removed, and only these', async () => {
    const { body } = await balancer.askAdmin('DELETE', '/rm', { body: { n: 1, hostnames: ['S1'] } });
    assert.match(body, /successful/);
    const own = clients.filter(({ at }) => at === 'S1').length;
    const changes = await moved();
    assert.equal(changes.length, own);
    assert.ok(changes.every(({ from, to }) => from === 'S1' && to !== 'S1'));
    assert.deepEqual(await moved(), []);
  });

  it('shows no secret anywhere', async () => {
    const { body } = await balancer.askAdmin('GET', '/config');
    assert.doesNotMatch(`${body}${balancer.stderr}`, /of-the-fleet/);
    assert.match(body, /"sticky-secret","value":"•••"/);
  });
});
