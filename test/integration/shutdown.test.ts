import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { RawClient } from '../helpers/raw-http.ts';

/** Serves `/hold`, which it answers once its own port is asked for `/go`. */
const HELD = [
  '--command',
  `exec ${process.execPath} ${fileURLToPath(new URL('./held-replica.ts', import.meta.url))}`,
];

/** Signals closer together than this, with a margin, are one. */
const ECHO_MS = 350;

describe('a balancer that is told to stop', () => {
  let balancer: Balancer;
  afterEach(() => balancer.stop());

  /** A client whose request is held by the only replica. */
  async function heldClient(): Promise<RawClient> {
    const client = await RawClient.connect(balancer.publicPort);
    client.send('GET /hold HTTP/1.1\r\nHost: test\r\n\r\n');
    await eventually('the request in flight', async () => (await balancer.replicas())[0]!.inFlight === 1);
    return client;
  }

  /** Lets the replica answer what it holds. */
  async function letGo(): Promise<void> {
    const { endpoint } = (await balancer.replicas())[0]!;
    await ask(Number(endpoint!.split(':')[1]), 'GET', '/go');
  }

  const draining = () =>
    eventually('not ready any more', async () => {
      const { status, body } = await balancer.askAdmin('GET', '/readyz');
      return status === 503 && body.includes('The balancer is shutting down');
    });

  it('finishes requests in flight and exits 0 without children', async () => {
    balancer = await Balancer.ready('--replicas 1', HELD);
    const client = await heldClient();
    balancer.signal('SIGTERM');
    await draining();
    await eventually('no new connections', () =>
      balancer.ask('GET', '/').then(
        () => false,
        () => true,
      ),
    );
    await letGo();
    const { status, headers, body } = await client.response();
    assert.deepEqual([status, body, headers.connection], [200, 'held', 'close']);
    client.close();
    assert.deepEqual(await balancer.exited, { code: 0, signal: null });
    assert.deepEqual(balancer.commandsLeft, []);
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
    assert.deepEqual(
      balancer.lines.map(({ msg }) => msg).filter((msg) => msg === 'draining' || msg === 'stopped'),
      ['draining', 'stopped'],
    );
  });

  it('refuses changes while it finishes', async () => {
    balancer = await Balancer.ready('--replicas 1', HELD);
    const client = await heldClient();
    balancer.signal('SIGTERM');
    await draining();
    const { status, body } = await balancer.askAdmin('POST', '/add', { body: { n: 1 } });
    assert.deepEqual([status, JSON.parse(body).message], [503, '<Error> The balancer is shutting down']);
    client.close();
  });

  it('waits for drain-timeout at most and logs the cut requests', async () => {
    balancer = await Balancer.ready('--replicas 1 --drain-timeout 300ms', HELD);
    const client = await heldClient();
    balancer.signal('SIGTERM');
    assert.equal(await client.end(), '');
    client.close();
    assert.deepEqual(await balancer.exited, { code: 0, signal: null });
    assert.ok(balancer.lines.some(({ level, msg }) => level === 'warn' && msg.startsWith('drain timed out')));
    assert.deepEqual(balancer.commandsLeft, []);
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
  });

  it('exits 130 at a second signal and leaves no child', async () => {
    balancer = await Balancer.ready('--replicas 1', HELD);
    const client = await heldClient();
    balancer.signal('SIGINT');
    await draining();
    await delay(ECHO_MS);
    balancer.signal('SIGINT');
    assert.deepEqual(await balancer.exited, { code: 130, signal: null });
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
    client.close();
  });

  it('takes a signal that npm passes on as well for one', async () => {
    balancer = await Balancer.ready('--replicas 1', HELD);
    const client = await heldClient();
    balancer.signal('SIGINT');
    balancer.signal('SIGINT');
    await draining();
    await letGo();
    assert.equal((await client.response()).body, 'held');
    client.close();
    assert.deepEqual(await balancer.exited, { code: 0, signal: null });
  });

  it('shuts down cleanly while replicas are starting', async () => {
    balancer = await Balancer.serving();
    await eventually('instances', async () => (await balancer.replicas()).some(({ instance }) => instance));
    balancer.signal('SIGINT');
    assert.deepEqual(await balancer.exited, { code: 0, signal: null });
    assert.deepEqual(balancer.commandsLeft, []);
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
    assert.doesNotMatch(balancer.stderr, /crash loop|did not become healthy/);
  });

  it('leaves no child where it is killed', async () => {
    balancer = await Balancer.ready('--replicas 2');
    assert.notEqual(balancer.remains.length, 0);
    balancer.signal('SIGKILL');
    await balancer.exited;
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
  });
});
