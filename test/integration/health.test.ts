/** Replicas that are not ready, hang or have too much to do, with real processes: nothing that works is lost. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { get } from '../helpers/proxy/message.ts';
import { Peer } from '../helpers/proxy/peer.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

const REPLICA = fileURLToPath(new URL('./moody-replica.ts', import.meta.url));
const OPTIONS = '--hash-key header:x-user --probe-interval 100ms';

interface Event {
  readonly kind: string;
  readonly replica: string | null;
  readonly cause: string | null;
}

describe('a balancer whose replicas are not always well', () => {
  let directory: string;
  let balancer: Balancer;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ringlb-health-'));
  });
  afterEach(async () => {
    await balancer?.stop();
    rmSync(directory, { recursive: true });
  });

  const say = (file: string): void => writeFileSync(join(directory, file), '');
  const unsay = (file: string): void => rmSync(join(directory, file), { force: true });
  const serve = async (options: string, workMs = ''): Promise<void> => {
    const command = `exec ${process.execPath} ${REPLICA} ${directory} ${workMs}`;
    balancer = await Balancer.ready(`${OPTIONS} ${options}`, ['--command', command]);
  };
  const events = async (): Promise<readonly Event[]> => {
    const { body } = await balancer.askAdmin('GET', '/events');
    return (JSON.parse(body) as { message: { events: readonly Event[] } }).message.events;
  };
  const instances = async (): Promise<readonly (string | null)[]> =>
    (await balancer.replicas()).map(({ instance }) => instance);
  const untilState = (name: string, wanted: string): Promise<true> =>
    eventually(`${name} ${wanted}`, async () => (await balancer.replica(name)).state === wanted);
  /** A user whose requests go to the replica. */
  const userOf = async (name: string): Promise<string> => {
    for (let number = 0; ; number++) {
      const { body } = await balancer.ask('GET', '/', { headers: { 'x-user': `u${number}` } });
      if (body === name) return `u${number}`;
    }
  };

  /** Four POSTs, a stream and a tunnel that the replica is in the middle of. */
  async function busyWith(name: string) {
    const headers = { 'x-user': await userOf(name) };
    const posts = Array.from({ length: 4 }, () => balancer.ask('POST', '/slow', { headers }));
    const stream = await Peer.connect(balancer.publicPort);
    stream.send(get('/stream', `X-User: ${headers['x-user']}\r\n`));
    await stream.take(`data: ${name}`);
    const tunnel = await Peer.connect(balancer.publicPort);
    tunnel.send(
      `GET /t HTTP/1.1\r\nHost: a\r\nX-User: ${headers['x-user']}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`,
    );
    await tunnel.take('\r\n\r\n');
    await eventually('all of it in flight', async () => (await balancer.replica(name)).inFlight === 6);
    let said = 0;
    return {
      async goOn(): Promise<void> {
        await stream.take(`data: ${name}`);
        tunnel.send(`still here ${++said}`);
        await tunnel.take(`still here ${said}`);
      },
      async end(): Promise<void> {
        say('go');
        for (const { status, body } of await Promise.all(posts))
          assert.deepEqual([status, body], [200, name]);
        stream.close();
        tunnel.close();
      },
    };
  }

  it('lets POSTs, streams and tunnels of one not ready go on', async () => {
    await serve('');
    const before = await instances();
    const work = await busyWith('S1');
    say('not-ready-S1');
    await untilState('S1', 'unhealthy');
    assert.equal((await balancer.replica('S1')).cause, 'not ready: 503');
    const load = new SteadyLoad(balancer.publicPort, { path: '/' });
    await load.more(50);
    await work.goOn();
    unsay('not-ready-S1');
    await untilState('S1', 'healthy');
    await work.goOn();
    await work.end();
    await load.end();
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await instances(), before);
  });

  it('replaces one that stays not ready and lets its requests finish', async () => {
    await serve('--replace-after 300ms');
    const { instance } = await balancer.replica('S1');
    const work = await busyWith('S1');
    say('not-ready-S1');
    await untilState('S1', 'unhealthy');
    const load = new SteadyLoad(balancer.publicPort, { path: '/' });
    await eventually('another instance', async () =>
      (await balancer.replicas()).some(({ name, instance: now, state }) => {
        return name === 'S1' && state !== 'draining' && now !== null && now !== instance;
      }),
    );
    unsay('not-ready-S1');
    await eventually('a new S1 beside the old', async () => {
      const states = (await balancer.replicas())
        .filter(({ name }) => name === 'S1')
        .map(({ state }) => state);
      return states.includes('healthy') && states.includes('draining');
    });
    await work.goOn();
    assert.equal(existsSync(join(directory, 'stopped-S1')), false);
    await work.end();
    await eventually('the old one to be asked to stop', () => existsSync(join(directory, 'stopped-S1')));
    await balancer.untilHealthy(3);
    await load.end();
    assert.deepEqual(load.failures, []);
  });

  it('serves with all and replaces none while their backend is down', async () => {
    await serve('--replace-after 300ms');
    const before = await instances();
    const load = new SteadyLoad(balancer.publicPort, { path: '/' });
    say('not-ready');
    const kinds = async (): Promise<readonly string[]> => (await events()).map(({ kind }) => kind);
    await eventually('panic', async () => (await kinds()).includes('panic'));
    await eventually('all of them not ready', async () =>
      (await balancer.replicas()).every(({ state }) => state === 'unhealthy'),
    );
    const { status, body } = await balancer.askAdmin('GET', '/readyz');
    assert.deepEqual([status, body.includes('panic')], [200, true]);
    assert.match((await balancer.askAdmin('GET', '/metrics')).body, /^ringlb_panic 1$/m);
    const probes = async (): Promise<number> => (await balancer.replica('S1')).probes.failed;
    const failed = await probes();
    await eventually('many more probes', async () => (await probes()) > failed + 10);
    unsay('not-ready');
    await balancer.untilHealthy(3);
    await eventually('the end of the panic', async () => (await kinds()).includes('panic-over'));
    await load.more(20);
    await load.end();
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await instances(), before);
  });

  it('replaces no overloaded replica that serves one request at a time', async () => {
    await serve('--probe-timeout 500ms', '30');
    const before = await instances();
    // far more than a probe waits for is in line at each
    const load = new SteadyLoad(balancer.publicPort, { path: '/', clients: 90, pauseMs: 0 });
    await load.more(500);
    const probed = (await balancer.replicas()).map(({ probes }) => probes.last ?? '');
    await load.end();
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await instances(), before);
    assert.ok(
      probed.some((last) => last.includes('but it responds to requests')),
      `${probed}`,
    );
  });

  it('kills and replaces one that gives no sign of life', async () => {
    await serve('--probe-timeout 500ms');
    const { instance } = await balancer.replica('S2');
    process.kill(Number.parseInt(instance!, 10), 'SIGSTOP');
    await eventually('another instance', async () => {
      const { state, instance: now } = await balancer.replica('S2');
      return state === 'healthy' && now !== instance;
    });
    assert.ok((await events()).some(({ cause }) => cause === 'probes failed: no response in 500 ms'));
  });

  it('probes with the configured host, headers, port and statuses', async () => {
    await serve('--probe-expect 200-299,503 --probe-host app.example --probe-header X-Probe:1');
    say('not-ready');
    await eventually('probes that find 503', async () =>
      (await balancer.replicas()).every(({ probes }) => probes.last === '503'),
    );
    await balancer.untilHealthy(3);
  });
});
