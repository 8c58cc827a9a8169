import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { RawClient } from '../helpers/raw-http.ts';
import { endDataThread } from './thread-end.ts';

const REPLICA = fileURLToPath(new URL('./held-replica.ts', import.meta.url));

describe('a balancer whose data thread ends', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready(
      '--workers 1 --replicas 2',
      ['--command', `exec ${process.execPath} ${REPLICA}`],
      { node: ['--inspect=127.0.0.1:0'] },
    );
  });
  after(() => balancer.stop());

  const inFlight = async () =>
    (await balancer.replicas()).reduce((sum, replica) => sum + replica.inFlight, 0);

  it('releases what it held and starts another thread', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(balancer.publicPort)));
    for (const client of clients) client.send('GET /hold HTTP/1.1\r\nHost: test\r\n\r\n');
    await eventually('three requests in flight', async () => (await inFlight()) === 3);
    await endDataThread(() => balancer.stderr);
    for (const client of clients) assert.equal(await client.end(), '');
    assert.equal(await inFlight(), 0);
    const { status } = await eventually('a thread that listens', () => balancer.ask('GET', '/'));
    assert.equal(status, 200);
    for (const { state, restarts } of await balancer.replicas())
      assert.deepEqual([state, restarts], ['healthy', 0]);
    assert.deepEqual(
      balancer.lines
        .filter(({ component }) => component === 'data-plane')
        .map(({ level, msg }) => [level, msg]),
      [
        ['error', 'data thread died, restarting'],
        ['info', 'data thread restarted'],
      ],
    );
    for (const client of clients) client.close();
  });

  it('knows what changed since, in the thread that took its place', async () => {
    await balancer.askAdmin('POST', '/add', { body: { n: 1, hostnames: ['late'] } });
    await eventually(
      'an answer of the new one',
      async () => (await balancer.ask('GET', '/')).body === 'late',
    );
  });
});
