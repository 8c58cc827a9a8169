import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { ask, Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless } from '../helpers/skip.ts';
import type { TakeOvers } from './take-over-run.ts';

const RUN = fileURLToPath(new URL('./take-over-run.ts', import.meta.url));
const SET_UP = 'ip link set lo up && echo 1 > /proc/sys/net/ipv4/tcp_migrate_req';
const skipWithoutNamespace = skipUnless(
  spawnSync('unshare', ['-n', 'sh', '-c', SET_UP]).status === 0,
  'no network namespace in which connections may be migrated',
);

it('no request is lost while balancers take over from each other', {
  skip: skipWithoutNamespace,
}, async () => {
  const command = `${SET_UP} && exec "$0" "$1" 3`;
  const { stdout } = await promisify(execFile)('unshare', ['-n', 'sh', '-c', command, process.execPath, RUN]);
  const { answered, failures, ends } = JSON.parse(stdout) as TakeOvers;
  assert.deepEqual(failures, []);
  assert.ok(answered > 100);
  assert.deepEqual(ends, Array(4).fill({ code: 0, signal: null }));
});

/** Ports that nobody has, as options. */
async function freePorts() {
  const port = (await findFreePort(new Set()))!;
  const adminPort = (await findFreePort(new Set([port])))!;
  return { port, adminPort, options: `--port ${port} --admin-port ${adminPort}` };
}

it('a balancer whose fleet does not start spares the running one', async (t) => {
  const balancer = await Balancer.ready('--replicas 1');
  t.after(() => balancer.stop());
  const ports = `--port ${balancer.publicPort} --admin-port ${balancer.adminPort}`;
  const next = Balancer.spawn(`${ports} --replicas 1 --take-over --start-timeout 1s --command false`);
  assert.deepEqual(await next.exited, { code: 1, signal: null });
  assert.match(
    next.stderr,
    /the fleet of the new balancer was not healthy in 1 s; the one that runs goes on/,
  );
  assert.equal((await balancer.ask('GET', '/home')).status, 200);
  assert.equal((await balancer.askAdmin('GET', '/readyz')).status, 200);
});

it('a balancer starts as usual with none to take over', async (t) => {
  const { port, adminPort, options } = await freePorts();
  const next = Balancer.spawn(`${options} --replicas 1 --take-over`);
  next.publicPort = port;
  next.adminPort = adminPort;
  t.after(() => next.stop());
  await untilReady(next);
  assert.match(next.stderr, /no balancer runs on these ports/);
});

it('an admin port of something else is not taken over', async (t) => {
  const stranger = createServer((_request, response) => response.end('{}')).listen(0, '127.0.0.1');
  await new Promise((resolve) => stranger.once('listening', resolve));
  t.after(() => stranger.close());
  const { port } = await freePorts();
  const taken = (stranger.address() as AddressInfo).port;
  const next = Balancer.spawn(`--port ${port} --admin-port ${taken} --take-over`);
  assert.deepEqual(await next.exited, { code: 1, signal: null });
  assert.match(next.stderr, /is in use, but not by a balancer that can be taken over/);
});

it('two balancers do not share an admin port without a take-over', async (t) => {
  const balancer = await Balancer.ready('--replicas 1');
  t.after(() => balancer.stop());
  const other = Balancer.spawn(`--port 0 --admin-port ${balancer.adminPort}`);
  assert.deepEqual(await other.exited, { code: 1, signal: null });
  assert.match(other.stderr, /is in use; .*--admin-port/);
  assert.equal((await ask(balancer.adminPort, 'GET', '/healthz')).status, 200);
});

async function untilReady(balancer: Balancer): Promise<void> {
  await eventually('a balancer that is ready', async () => {
    const { status } = await balancer.askAdmin('GET', '/readyz').catch(() => ({ status: 0 }));
    return status === 200;
  });
}
