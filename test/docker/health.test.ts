/** A container that is not ready any more: replaced beside its work, which goes on. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { buildImage, docker, skipDocker } from '../helpers/docker/docker.ts';
import { Stage, until } from '../helpers/docker/stage.ts';
import { get } from '../helpers/drivers/replica-client.ts';

const IMAGE = 'ringlb-test-moody';
/** `/mood/503` is what probes find from then on; `POST /slow` is answered once `/go` was asked. */
const SERVER = `
import { createServer } from 'node:http';
let mood = 200;
const slow = [];
createServer((request, response) => {
  if (request.url === '/slow') return slow.push(response);
  if (request.url === '/heartbeat') response.statusCode = mood;
  if (request.url.startsWith('/mood/')) mood = Number(request.url.slice(6));
  if (request.url === '/go') for (const one of slow.splice(0)) one.end('done');
  response.end(String(slow.length));
}).listen(5000);
process.once('SIGTERM', () => process.exit(0));
`;

describe('a balancer over containers', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(() => {
    const source = Buffer.from(SERVER).toString('base64');
    return buildImage(IMAGE, [`RUN echo ${source} | base64 -d > /server.mjs`, 'CMD ["node", "/server.mjs"]']);
  });
  after(() => docker('rmi', '--force', IMAGE));

  it('replaces an unready replica, and stops it after its request', async (t) => {
    const stage = new Stage(t);
    const args = '--hash-key header:x-user --probe-interval 200ms --replace-after 1s';
    const balancer = await stage.serve({ image: IMAGE, args });
    const headers = { 'x-user': 'anna' };
    const slow = balancer.ask('POST', '/slow', { headers });
    const old = await until('the request on its replica', async () =>
      (await balancer.replicas()).find(({ inFlight }) => inFlight === 1),
    );
    const [host = '', port] = old.endpoint!.split(':');
    const endpoint = { host, port: Number(port) };
    await get(endpoint, '/mood/503');
    await until('another container in its place', async () => {
      const now = (await balancer.replicas()).find(
        ({ name, state }) => name === old.name && state === 'healthy',
      );
      return now !== undefined && now.instance !== old.instance;
    });
    const running = (await stage.containers()).map(({ id }) => id);
    assert.ok(running.includes(old.instance!), 'the old one still works');
    await get(endpoint, '/go');
    const { status, body } = await slow;
    assert.deepEqual([status, body], [200, 'done']);
    await stage.settled(balancer);
  });
});
