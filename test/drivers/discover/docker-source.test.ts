import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { createDockerSource } from '../../../lib/drivers/discover/docker-source.ts';
import type { Source } from '../../../lib/drivers/discover/source.ts';
import { DockerApi } from '../../../lib/drivers/docker/api.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import {
  cleanUp,
  docker,
  EngineDoor,
  freshPool,
  makeStrangeNetwork,
  runStranger,
  skipDocker,
} from '../../helpers/docker/docker.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';
import { testSource } from './source-suite.ts';

const sourceOf = (label: string, network: string, socketPath?: string): Source =>
  createDockerSource(
    { kind: 'docker', text: `docker:${label}`, label },
    {
      network,
      clock: systemClock,
      log: silentLogger,
      ...(socketPath !== undefined && { api: new DockerApi({ clock: systemClock, socketPath }) }),
    },
  );

const addressOf = (id: string) =>
  docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id);

after(async () => {
  if (skipDocker === undefined) await cleanUp();
});

testSource({
  title: 'a label of containers',
  skip: skipDocker,
  open: async () => {
    const join = freshPool();
    const door = await EngineDoor.open();
    const ids = new Map<number, string>();
    return {
      source: sourceOf(`ringlb.join=${join}`, 'bridge', door.socketPath),
      list: async (numbers) => {
        for (const [number, id] of ids) if (!numbers.includes(number)) await docker('rm', '--force', id);
        const labels = ['--label', `ringlb.join=${join}`, '--label', 'ringlb.port=80'];
        return Promise.all(
          numbers.map(async (number) => {
            const name = `${join}-${number}`;
            const id = ids.get(number) ?? (await runStranger(name, ...labels));
            ids.set(number, id);
            return { name, endpoint: { host: await addressOf(id), port: 80 }, instance: id.slice(0, 12) };
          }),
        );
      },
      lose: async () => door.refuse(),
      restore: async () => door.restore(),
      close: async () => {
        for (const id of ids.values()) await docker('rm', '--force', id).catch(() => {});
        await door.close();
      },
    };
  },
});

describe('containers with a label', { skip: skipDocker ?? false }, () => {
  let join: string;
  let source: Source;
  const ids: string[] = [];
  before(() => {
    join = freshPool();
  });
  beforeEach(() => {
    source = sourceOf(`ringlb.join=${join}`, 'bridge');
  });
  afterEach(async () => {
    source.close();
    if (ids.length > 0) await docker('rm', '--force', ...ids.splice(0));
  });
  const run = async (name: string, ...more: string[]): Promise<string> => {
    const id = await runStranger(`${join}-${name}`, '--label', `ringlb.join=${join}`, ...more);
    ids.push(id);
    return id;
  };
  const look = async () => (await source.look()).servers;

  it('are reached on the only port that they expose', async () => {
    await run('a', '--expose', '8080');
    assert.equal((await look())[0]?.endpoint.port, 8080);
  });

  it('are left out without one exposed port or a port label', async () => {
    await run('a');
    await run('b', '--expose', '80', '--expose', '81');
    await run('c', '--label', 'ringlb.port=x');
    assert.deepEqual(await look(), []);
  });

  it('are called by their label ringlb.name where they have one', async () => {
    await run('a', '--expose', '80', '--label', 'ringlb.name=web1');
    assert.equal((await look())[0]?.name, 'web1');
  });

  it('are reached on the network that the option names, of several', async () => {
    await makeStrangeNetwork(`${join}-net`);
    const id = await run('a', '--expose', '80');
    await docker('network', 'connect', `${join}-net`, id);
    source.close();
    source = sourceOf(`ringlb.join=${join}`, `${join}-net`);
    const format = `{{(index .NetworkSettings.Networks "${join}-net").IPAddress}}`;
    assert.equal((await look())[0]?.endpoint.host, await docker('inspect', '--format', format, id));
  });

  it('are none of those that a balancer started', async () => {
    await run('a', '--expose', '80', '--label', 'ringlb.pool=other');
    assert.deepEqual(await look(), []);
  });

  it('are none of those that have ended', async () => {
    await docker('kill', await run('a', '--expose', '80'));
    assert.deepEqual(await look(), []);
  });
});
