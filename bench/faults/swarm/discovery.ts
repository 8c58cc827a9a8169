/** Two balancers over servers that a name server lists, which is killed and lies. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NameServer } from '../../../test/helpers/drivers/name-server.ts';
import { Balancer } from '../balancer.ts';
import type { FaultCase } from '../fault-case.ts';
import type { Stage } from '../stage.ts';
import { Traffic } from '../traffic.ts';
import { STEADY, until } from './nodes.ts';

const HOSTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
const RIGHT = HOSTS.map((host) => `host-record=web.test,${host}`);
/** The name exists, and has no address. */
const EMPTY = ['txt-record=web.test,nothing'];

async function servers(stage: Stage): Promise<number> {
  const server = createServer((_request, response) => response.end('ok\n'));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  stage.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const w7: FaultCase = {
  id: 'W7',
  title: 'dnsmasq killed, then an empty list, then the right one',
  needsSwarm: true,
  async run(stage) {
    const port = await servers(stage);
    const names = await NameServer.open(RIGHT);
    stage.after(() => names.close());
    const options = [
      ...['--port', '0', '--admin-port', '0', '--workers', '1', '--driver', 'discover'],
      ...['--source', `dns:web.test:${port}`, '--resolver', names.address],
      ...['--discover-interval', '1s', '--discover-grace', '10s', '--probe-interval', '500ms'],
    ];
    const start = async () => stage.adopt(await Balancer.start({ options }));
    const balancers = [await start(), await start()];
    for (const balancer of balancers) await balancer.untilWhole(HOSTS.length);
    const addresses = balancers.map(({ host, port: at }) => ({ host, port: at }));
    const traffic = new Traffic(addresses, STEADY);
    await stage.run(1000);
    await names.kill();
    await Promise.all(balancers.map((balancer) => balancer.untilEvent('source-lost')));
    await stage.run(3000);
    await names.serve(EMPTY);
    await stage.run(5000);
    await names.serve(RIGHT);
    await Promise.all(balancers.map((balancer) => balancer.untilEvent('source-back')));
    await stage.run(3000);
    await until('three servers', 10_000, async () =>
      (await Promise.all(balancers.map((balancer) => balancer.replicas()))).every(
        (replicas) => replicas.length === HOSTS.length,
      ),
    );
    await traffic.end();
    return { traffic, note: 'the last good list stays' };
  },
};

export const DISCOVERY: readonly FaultCase[] = [w7];
