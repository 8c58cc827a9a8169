/** The balancer as the first process of a container: what it leaves there, and how it stops. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ReplicaView } from '../../lib/api/types.ts';
import {
  buildImage,
  cleanUp,
  docker,
  dockerLog,
  freshPool,
  makeDriver,
  runBalancer,
  SOCKET,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { until } from '../helpers/docker/stage.ts';
import { get } from '../helpers/drivers/replica-client.ts';

const KILLS = 12;
/** Answers `/slow` only when `/release` is asked for. */
const SLOW = `
  const held = [];
  process.on('SIGTERM', () => process.exit(0));
  require('http').createServer((request, response) => {
    if (request.url === '/slow') return held.push(response);
    if (request.url === '/release') for (const one of held.splice(0)) one.end('at last');
    response.end();
  }).listen(process.env.PORT)`;
const SLOW_IMAGE = `${freshPool()}-slow`;

/** What `/replicas` of the balancer in the container says. */
async function replicasIn(id: string): Promise<readonly ReplicaView[]> {
  const ask = "fetch('http://127.0.0.1:5001/replicas').then(async (r) => console.log(await r.text()))";
  const reply = await docker('exec', id, 'node', '-e', ask).catch(async (cause: unknown) => {
    throw new Error(`no reply from the container; its log: ${await dockerLog(id)}`, { cause });
  });
  const { message } = JSON.parse(reply) as { message: { readonly replicas: readonly ReplicaView[] } };
  return message.replicas;
}

const healthyIn = (id: string, count: number): Promise<readonly ReplicaView[]> =>
  until(`${count} healthy replicas`, async () => {
    const replicas = await replicasIn(id);
    return replicas.length === count && replicas.every(({ state }) => state === 'healthy') && replicas;
  });

const exitOf = (id: string): Promise<string> => docker('inspect', '--format', '{{.State.ExitCode}}', id);

describe('a balancer over processes in a container', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  afterEach(cleanUp);

  it('leaves no zombie, and shuts down in order', async () => {
    const id = await runBalancer([], ['--driver', 'process', '--replicas', '1']);
    for (let kill = 0; kill < KILLS; kill++) {
      const [victim] = await healthyIn(id, 1);
      await docker('exec', id, 'sh', '-c', `kill -9 ${victim?.instance?.split('-')[0]}`);
      await until('another instance', async () => (await replicasIn(id))[0]?.instance !== victim?.instance);
    }
    await healthyIn(id, 1);
    await until('the end of all that ended', async () => {
      const states = await docker('exec', id, 'sh', '-c', 'cat /proc/[0-9]*/stat 2>/dev/null; true');
      return !/\) Z /.test(states);
    });
    await docker('stop', '--time', '120', id);
    assert.equal(await exitOf(id), '0');
  });

  it('distinguishes running out of memory from a kill', async () => {
    const eat = 'const kept = []; setTimeout(() => { for (;;) kept.push(Buffer.alloc(20e6, 1)); }, 200)';
    const limits = ['--memory', '400m', '--memory-swap', '400m'];
    const id = await runBalancer(limits, [
      ...['--driver', 'process', '--replicas', '1', '--workers', '1'],
      ...['--command', `exec node -e '${eat}'`],
    ]);
    const ending = await until('an end for want of memory', async () => {
      const [replica] = await replicasIn(id);
      return replica?.ending?.kind === 'out-of-memory' && replica.ending;
    });
    assert.deepEqual([ending.signal, ending.text], ['SIGKILL', 'out of memory']);
    await docker('stop', '--time', '120', id);
  });
});

describe('a balancer over containers in a container', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(() => buildImage(SLOW_IMAGE, [`CMD ${JSON.stringify(['node', '-e', SLOW])}`]));
  after(() => docker('rmi', '--force', SLOW_IMAGE));
  afterEach(cleanUp);

  async function run(pool: string, ...docked: string[]): Promise<string> {
    // so that whatever is left of the pool is taken away
    makeDriver({ pool });
    const options = ['--driver', 'docker', '--image', SLOW_IMAGE, '--pool', pool, '--network', pool];
    const id = await runBalancer(
      ['--volume', `${SOCKET}:/var/run/docker.sock`, ...docked],
      [...options, '--replicas', '2'],
    );
    await healthyIn(id, 2);
    return id;
  }

  it('finishes requests in flight at docker stop, and leaves nothing', async () => {
    const pool = freshPool();
    const id = await run(pool, '--stop-timeout', '120');
    const format = `{{(index .NetworkSettings.Networks "${pool}").IPAddress}}`;
    const host = await docker('inspect', '--format', format, id);
    const slow = answerOf(host, 5000, '/slow');
    const busy = await until('a request in flight', async () =>
      (await replicasIn(id)).find(({ inFlight }) => inFlight === 1),
    );
    const stopped = docker('stop', id);
    await until('the balancer drains', async () => (await dockerLog(id)).includes('draining'));
    const [address, port] = busy.endpoint!.split(':');
    await get({ host: address!, port: Number(port) }, '/release');
    assert.equal(await slow, 'at last');
    await stopped;
    assert.equal(await exitOf(id), '0');
    assert.equal(await docker('ps', '--all', '--quiet', '--filter', `label=ringlb.pool=${pool}`), '');
    assert.equal(await docker('network', 'ls', '--quiet', '--filter', `name=^${pool}$`), '');
    assert.doesNotMatch(await dockerLog(id), /kills this container/);
  });

  it('warns if docker stop would kill it too early', async () => {
    const id = await run(freshPool());
    assert.match(await dockerLog(id), /kills this container after 10 s.*--stop-timeout 45/);
    await docker('stop', '--time', '120', id);
  });
});

/** The body of the answer, however long it takes. */
function answerOf(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path, agent: false }, (response) =>
      text(response).then(resolve, reject),
    );
    asked.once('error', reject).end();
  });
}
