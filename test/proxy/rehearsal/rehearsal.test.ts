/** The rehearsal of a data thread, run in the test's own thread, and when the threads of a pool hold one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { queryObjects } from 'node:v8';
import { RouteTableWriter } from '../../../lib/core/routing/route-table.ts';
import { createMetricsMemory } from '../../../lib/metrics/layout.ts';
import { DEFAULT_UPSTREAM_TLS } from '../../../lib/platform/upstream-tls.ts';
import { NO_DESCRIPTORS } from '../../../lib/proxy/bind.ts';
import { WorkerContext } from '../../../lib/proxy/exchange/worker-context.ts';
import { rehearse } from '../../../lib/proxy/rehearsal/rehearsal.ts';
import type { WorkerStart } from '../../../lib/proxy/worker-protocol.ts';
import { eventually } from '../../helpers/eventually.ts';
import { load } from '../../helpers/options.ts';
import { WorkerPoolRig } from '../worker-pool-rig.ts';

/** However long that takes on this machine. */
const ONE_WAVE = { ms: 60_000, waves: 1 };
const REHEARSED = 'data thread rehearsed';

function startWith(options: string): WorkerStart {
  const config = load(`--slots 251 ${options}`);
  const table = new RouteTableWriter({ slots: config.slots, ordinals: 4, workers: 1 });
  return {
    worker: 0,
    table: table.buffer,
    shape: table.shape,
    metrics: createMetricsMemory(table.shape),
    options: {
      ...config,
      reusePort: true,
      admin: { host: '127.0.0.1', port: 1, secret: 'of-this-start' },
      debugFor: 'private',
      upstreamTls: DEFAULT_UPSTREAM_TLS,
      ownsInstances: true,
    },
    limits: { rates: undefined, connections: undefined },
    tls: undefined,
    descriptors: NO_DESCRIPTORS,
    upstreams: [],
    isRehearsed: true,
  };
}

// the first, so that no other leaves anything while it looks
test('a rehearsal leaves no socket and no timer', async () => {
  // what modules have tried out when they were loaded is closed at the end of a round
  for (let round = 0; round < 2; round++) await new Promise(setImmediate);
  const before = process.getActiveResourcesInfo().toSorted();
  await rehearse(startWith(''), ONE_WAVE);
  await eventually('nothing is left', () => {
    const after = process.getActiveResourcesInfo().toSorted();
    return after.join() === before.join();
  });
});

test('a rehearsal leaves nothing of its worker in memory', async () => {
  const left = (): number => queryObjects(WorkerContext, { format: 'count' });
  const before = left();
  await rehearse(startWith(''), ONE_WAVE);
  await eventually('nothing is left', () => left() === before);
});

test('a rehearsal does without the port and the address of its worker', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { requests, cause } = await rehearse(startWith(`--host 192.0.2.1 --port ${port}`), ONE_WAVE);
  assert.deepEqual([requests, cause], [240, '']);
});

const CONFIGURATIONS = [
  '',
  '--parser node',
  '--classic on --slots 512',
  '--balance p2c --sticky lb --access-log json',
  '--hash-key client-ip --max-in-flight 1 --queue-depth 0 --max-body-bytes 1 --rate-limit 1/s',
  '--proxy-protocol on --trusted-proxies 127.0.0.0/8 --max-connections 1',
  '--upstream-protocol h2',
  '--max-in-flight 1 --queue-depth 1 --max-connections-per-client 1 --public-admin off',
  '--tls-port 5443 --tls-dir d --tls-redirect',
];
for (const options of CONFIGURATIONS) {
  test(`a rehearsal serves all its requests with ${options || 'the defaults'}`, async () => {
    const { requests, cause } = await rehearse(startWith(options), ONE_WAVE);
    assert.equal(cause, '');
    // forty clients, or an eighth of the connections that there may be, with six requests each
    assert.equal(requests, options.includes('--max-connections 1') ? 6 : 240);
  });
}

test('a rehearsal writes nothing to the memory of its worker', async () => {
  const start = startWith('');
  const bytesOf = (memory: SharedArrayBuffer): Buffer => Buffer.from(new Uint8Array(memory));
  const [table, metrics] = [bytesOf(start.table), bytesOf(start.metrics)];
  const options = structuredClone(start.options);
  await rehearse(start, ONE_WAVE);
  assert.ok(bytesOf(start.table).equals(table));
  assert.ok(bytesOf(start.metrics).equals(metrics));
  assert.deepEqual(start.options, options);
});

test('a rehearsal that cannot be held says why', async () => {
  const start = startWith('');
  const { requests, cause } = await rehearse({ ...start, shape: { ...start.shape, slots: -1 } });
  assert.equal(requests, 0);
  assert.match(cause, /length/i);
});

test('a thread rehearses before it listens, and not when it is restarted', async (t) => {
  const rig = await WorkerPoolRig.open(t, { rehearsal: true });
  assert.deepEqual(rig.debugs, [REHEARSED]);
  await rig.workers[0]!.terminate();
  await eventually('a restart', () => rig.infos.includes('data thread restarted'));
  assert.deepEqual(rig.debugs, [REHEARSED]);
});

test('without rehearsal a thread listens at once', async (t) => {
  const rig = await WorkerPoolRig.open(t, { rehearsal: false });
  assert.deepEqual(rig.debugs, []);
});
