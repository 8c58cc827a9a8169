import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { NameServer, skipWithoutDnsmasq } from '../helpers/drivers/name-server.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

/** A server on an address of loopback; 404 for its probes where it is not `ready`. */
async function serverAt(host: string, port: number, ready = true): Promise<Server> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/heartbeat' && !ready ? 404 : 200;
    response.end(host);
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

const namesOf = async (balancer: Balancer): Promise<readonly string[]> => {
  const { body } = await balancer.ask('GET', '/rep');
  return (JSON.parse(body) as { message: { replicas: string[] } }).message.replicas.toSorted();
};

const HOSTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
const recordsOf = (hosts: readonly string[]) => hosts.map((host) => `host-record=web.test,${host}`);

describe('a balancer over servers that DNS names', { skip: skipWithoutDnsmasq ?? false }, () => {
  const servers: Server[] = [];
  let names: NameServer;
  let port: number;
  let balancer: Balancer;
  before(async () => {
    servers.push(await serverAt(HOSTS[0]!, 0));
    port = (servers[0]!.address() as AddressInfo).port;
    for (const host of HOSTS.slice(1)) servers.push(await serverAt(host, port));
    names = await NameServer.open(recordsOf(HOSTS));
  });
  after(async () => {
    await names.close();
    for (const server of servers) await close(server);
  });
  afterEach(async () => {
    await balancer.stop();
    await names.serve(recordsOf(HOSTS));
  });
  const start = async (options = '') => {
    const source = `dns:web.test:${port}`;
    const more = '--discover-interval 1s --probe-interval 200ms';
    balancer = await Balancer.ready(
      `--driver discover --source ${source} --resolver ${names.address} ${more} ${options}`,
    );
  };
  const listed = (hosts: readonly string[]) => hosts.map((host) => `${host}:${port}`);
  const become = (hosts: readonly string[]) =>
    eventually(`the servers ${hosts}`, async () => {
      return (await namesOf(balancer)).join() === listed(hosts).join();
    });

  it('serves through all of them', async () => {
    await start();
    assert.deepEqual(await namesOf(balancer), listed(HOSTS));
    const seen = new Set<string>();
    await eventually('a response of each', async () => {
      seen.add((await balancer.ask('GET', '/')).body);
      return seen.size === 3;
    });
  });

  it('follows them as they come and go, and loses no request', async () => {
    await names.serve(recordsOf(HOSTS.slice(0, 2)));
    await start();
    const load = new SteadyLoad(balancer.publicPort);
    await names.serve(recordsOf(HOSTS));
    await become(HOSTS);
    await names.serve(recordsOf(HOSTS.slice(1)));
    await become(HOSTS.slice(1));
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
  });

  it('loses no request while DNS is gone, names none, then all', async () => {
    await start('--discover-grace 60s');
    const load = new SteadyLoad(balancer.publicPort);
    await names.kill();
    await eventually('its loss', async () => /source .* lost /.test(balancer.stderr));
    await load.everyone();
    await names.serve([]);
    await eventually('its return', async () => /source .* back/.test(balancer.stderr));
    await load.everyone();
    assert.deepEqual(await namesOf(balancer), listed(HOSTS));
    await names.serve(recordsOf(HOSTS));
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
  });

  it('loses no request while its addresses change a hundred times', async () => {
    await start();
    const load = new SteadyLoad(balancer.publicPort);
    const [a, b] = [HOSTS.slice(0, 1), HOSTS.slice(1, 2)];
    for (let round = 0; round < 25; round++)
      for (const hosts of [a, b, [...a, ...b], []]) await names.serve(recordsOf(hosts));
    await names.serve(recordsOf(HOSTS));
    await become(HOSTS);
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
  });

  it('believes there are none after the grace, and responds 503', async () => {
    await start('--discover-grace 1s --queue-timeout 100ms');
    await names.serve([]);
    await become([]);
    assert.equal((await balancer.ask('GET', '/')).status, 503);
    await names.serve(recordsOf(HOSTS));
    await become(HOSTS);
    await eventually('a response', async () => (await balancer.ask('GET', '/')).status === 200);
  });

  it('gives no request to another service at a server’s address', async (t) => {
    const stranger = await serverAt('127.0.0.4', port, false);
    t.after(() => close(stranger));
    await start();
    const load = new SteadyLoad(balancer.publicPort);
    await names.serve(recordsOf([...HOSTS, '127.0.0.4']));
    await become([...HOSTS, '127.0.0.4']);
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
    const { state } = await balancer.replica(`127.0.0.4:${port}`);
    assert.notEqual(state, 'healthy');
  });

  for (const path of ['/add', '/rm'])
    it(`refuses ${path}, and says where servers are changed`, async () => {
      await start();
      const { status, body } = await balancer.ask('POST', path, { body: { n: 1 } });
      assert.equal(status, 400);
      assert.match(
        body,
        /the servers are those that the sources list \(driver discover\); change them there/,
      );
    });

  it('drains a server at an operator’s word', async () => {
    await start();
    const name = `${HOSTS[0]}:${port}`;
    const { status } = await balancer.askAdmin('POST', '/drain', { body: { hostnames: [name] } });
    assert.equal(status, 200);
    for (let request = 0; request < 20; request++)
      assert.notEqual((await balancer.ask('GET', '/')).body, HOSTS[0]);
  });

  it('starts without its name server, and serves once that responds', async () => {
    await names.kill();
    balancer = await Balancer.serving(
      `--driver discover --source dns:web.test:${port} --resolver ${names.address} --discover-interval 1s`,
    );
    assert.deepEqual(await namesOf(balancer), []);
    await names.serve();
    await balancer.untilHealthy(3);
  });
});

describe('a balancer over servers that a file and another one list', () => {
  it('merges them, and keeps a list while its file is half-written', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'ringlb-discover-'));
    t.after(() => rm(directory, { recursive: true }));
    const [one, two] = [join(directory, 'one'), join(directory, 'two')];
    const server = await serverAt('127.0.0.1', 0);
    t.after(() => close(server));
    const { port } = server.address() as AddressInfo;
    const other = await serverAt('127.0.0.2', port);
    t.after(() => close(other));
    const url = `http://127.0.0.1:${port}`;
    await writeFile(one, `${url} web1\n`);
    await writeFile(two, `${url} again\nhttp://127.0.0.2:${port} web2\n`);
    const balancer = await Balancer.ready(
      `--driver discover --source file:${one},file:${two} --probe-interval 200ms`,
    );
    t.after(() => balancer.stop());
    assert.deepEqual(await namesOf(balancer), ['web1', 'web2']);
    await writeFile(two, 'http://127.0.0.2');
    await eventually('its loss', () => balancer.stderr.includes('the file may be half-written'));
    assert.deepEqual(await namesOf(balancer), ['web1', 'web2']);
    await writeFile(`${two}.new`, `http://127.0.0.2:${port} web2\nhttp://127.0.0.3:${port} web3\n`);
    await rename(`${two}.new`, two);
    await eventually('the third', async () => (await namesOf(balancer)).join() === 'web1,web2,web3');
  });
});
