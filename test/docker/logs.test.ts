/** What containers print, from a real engine to the logs of replicas. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Driver } from '../../lib/drivers/driver.ts';
import { ReplicaLogs } from '../../lib/fleet/logs/replica-logs.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import {
  buildImage,
  cleanUp,
  docker,
  freshName,
  freshPool,
  makeDriver,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { eventually } from '../helpers/eventually.ts';

const PROGRAM = `
  console.log('one');
  console.error('two €');
  process.on('SIGUSR2', () => { process.stdout.write('half a line', () => process.exit(3)); });
  setInterval(() => {}, 1000);`;
const IMAGE = `${freshPool()}-logs`;

describe('the logs of containers', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  const pool = freshPool();
  const drivers: Driver[] = [];
  before(() => buildImage(IMAGE, [`CMD ${JSON.stringify(['node', '-e', PROGRAM])}`]));
  after(async () => {
    await Promise.all(drivers.map((driver) => driver.close(false)));
    await cleanUp();
    await docker('rmi', '--force', IMAGE);
  });

  /** A driver over the pool, and what it passes on. */
  async function open() {
    const logs = new ReplicaLogs(systemClock);
    const openOutput = (replica: string, instanceId: string) => logs.open(replica, instanceId);
    const driver = makeDriver({ spec: { image: IMAGE }, pool, openOutput });
    drivers.push(driver);
    await driver.open();
    const texts = (count: number) =>
      eventually(`${count} lines`, () => {
        const lines = logs.last({ replicas: [], instance: undefined }, 10);
        return lines.length === count && lines.map(({ stream, text }) => `${stream} ${text}`).toSorted();
      });
    return { driver, texts };
  }

  it('are read live, with half lines, again by the next balancer', async () => {
    const first = await open();
    const { instanceId } = await first.driver.start({ name: freshName(), id: 1 });
    assert.deepEqual(await first.texts(2), ['stderr two €', 'stdout one']);
    await first.driver.close(true);
    const second = await open();
    await second.driver.list();
    assert.deepEqual(await second.texts(2), ['stderr two €', 'stdout one']);
    await docker('kill', '--signal', 'USR2', instanceId);
    assert.deepEqual(await second.texts(3), ['stderr two €', 'stdout half a line', 'stdout one']);
    await second.driver.remove(instanceId, 0);
  });
});
