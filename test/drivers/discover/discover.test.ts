import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DiscoverDriver } from '../../../lib/drivers/discover/discover.ts';
import type { Server, Source } from '../../../lib/drivers/discover/source.ts';
import type { Hint } from '../../../lib/drivers/driver.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

/** A source that lists these, or fails. */
const sourceOf = (text: string, servers: readonly Server[] | Error): Source => ({
  text,
  look: async () => {
    if (servers instanceof Error) throw servers;
    return { servers };
  },
  close: () => {},
});

const server = (name: string, port: number, instance?: string): Server => ({
  name,
  endpoint: { host: '10.0.0.1', port },
  ...(instance !== undefined && { instance }),
});

async function driverOver(...sources: readonly Source[]): Promise<DiscoverDriver> {
  const options = { clock: new FakeClock(), discoverIntervalMs: 5000, discoverGraceMs: 30_000 };
  const driver = new DiscoverDriver(options, sources);
  await driver.open();
  return driver;
}

const listed = async (driver: DiscoverDriver) =>
  (await driver.list()).map(({ name, instanceId }) => [name, instanceId]);

describe('the discover driver', () => {
  it('lists the servers of all its sources, in their order', async () => {
    const driver = await driverOver(sourceOf('b', [server('b', 2)]), sourceOf('a', [server('a', 1)]));
    assert.deepEqual(await listed(driver), [
      ['b', 'b@10.0.0.1:2'],
      ['a', 'a@10.0.0.1:1'],
    ]);
  });

  it('lists running instances that it does not own', async () => {
    const driver = await driverOver(sourceOf('a', [server('10.0.0.1:1', 1)]));
    assert.deepEqual(await driver.list(), [
      {
        name: '10.0.0.1:1',
        id: 1,
        instanceId: '10.0.0.1:1',
        status: 'running',
        endpoint: { host: '10.0.0.1', port: 1 },
        role: 'current',
        ending: undefined,
      },
    ]);
    assert.equal(driver.ownsInstances, false);
  });

  it('takes another instance at the same endpoint for another', async () => {
    const [one, two] = [server('a', 1, 'f00'), server('a', 1, 'ba4')];
    assert.deepEqual(await listed(await driverOver(sourceOf('a', [one]))), [['a', 'f00@10.0.0.1:1']]);
    assert.deepEqual(await listed(await driverOver(sourceOf('a', [two]))), [['a', 'ba4@10.0.0.1:1']]);
  });

  it('takes a server that is reached over TLS now for another', async () => {
    const overTls = (name: string): Server => ({
      name,
      endpoint: { host: '10.0.0.1', port: 1, tls: true },
    });
    for (const [name, plainId, tlsId] of [
      ['10.0.0.1:1', '10.0.0.1:1', 'https://10.0.0.1:1'],
      ['a', 'a@10.0.0.1:1', 'a@https://10.0.0.1:1'],
    ] as const) {
      assert.deepEqual(await listed(await driverOver(sourceOf('f', [server(name, 1)]))), [[name, plainId]]);
      assert.deepEqual(await listed(await driverOver(sourceOf('f', [overTls(name)]))), [[name, tlsId]]);
    }
  });

  it('lists an endpoint once, under the name of its first source', async () => {
    const driver = await driverOver(sourceOf('a', [server('a', 1)]), sourceOf('b', [server('b', 1)]));
    assert.deepEqual(await listed(driver), [['a', 'a@10.0.0.1:1']]);
  });

  it('calls a server by its endpoint where another has its name', async () => {
    const driver = await driverOver(sourceOf('a', [server('a', 1)]), sourceOf('b', [server('a', 2)]));
    assert.deepEqual(await listed(driver), [
      ['a', 'a@10.0.0.1:1'],
      ['10.0.0.1:2', '10.0.0.1:2'],
    ]);
  });

  it('tells a new watcher of the sources lost before', async () => {
    const driver = await driverOver(sourceOf('a', new Error('refused')));
    const hints: Hint[] = [];
    driver.watch((hint) => hints.push(hint));
    assert.deepEqual(hints, [{ kind: 'source-lost', source: 'a', cause: 'refused' }]);
  });

  it('starts no server, and leaves one that left its list running', async () => {
    const driver = await driverOver();
    await assert.rejects(driver.start(), { code: 'bad-request' });
    await driver.retire();
    await driver.remove();
  });
});
