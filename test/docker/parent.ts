/**
 * A program to be run in a container: starts one replica with the docker driver, asks it, and removes it again.
 * Prints, as JSON, the status of the answer and the networks its own container was on, or why it failed.
 */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { DockerApi } from '../../lib/drivers/docker/api.ts';
import { createDockerDriver } from '../../lib/drivers/docker/docker.ts';
import { DockerEngine } from '../../lib/drivers/docker/engine.ts';
import { containerIdIn } from '../../lib/drivers/docker/network.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import { isBalancerError, messageOf } from '../../lib/platform/errors.ts';
import { get } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import { specWith } from '../helpers/replica-spec.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

interface Asked {
  readonly pool: string;
  readonly network: string;
  readonly image: string;
  readonly name: string;
}

const { name, image, ...asked } = JSON.parse(process.argv[2] ?? '{}') as Asked;
const self = containerIdIn(readFileSync('/proc/self/mountinfo', 'utf8')) ?? hostname();
const engine = new DockerEngine(new DockerApi({ clock: systemClock }));
const spec = specWith({ image });
const driver = createDockerDriver({
  ...asked,
  spec,
  containerPrefix: '',
  adminHost: '',
  adminPort: 0,
  drainTimeoutMs: 30_000,
  stopTimeoutMs: 10_000,
  log: silentLogger,
});

async function ownNetworks(): Promise<string[]> {
  return Object.keys((await engine.container(self))?.NetworkSettings.Networks ?? {}).sort();
}

function tell(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

try {
  await driver.open();
  const { instanceId, endpoint } = await driver.start({ name, id: 1 }, spec);
  const { status: answer } = await eventually('an answer', () => get(endpoint!, '/heartbeat'));
  const networks = await ownNetworks();
  await driver.remove(instanceId, 0);
  await driver.close(false);
  tell({ answer, networks, networksAfter: await ownNetworks() });
} catch (error) {
  tell({ failure: `${isBalancerError(error) ? error.code : ''}: ${messageOf(error)}` });
}
