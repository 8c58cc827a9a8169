/** Autoscaling of two balancers that share a pool on a real engine. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ScaleView } from '../../lib/api/scale.ts';
import type { Balancer } from '../helpers/balancer.ts';
import { BASE_IMAGE, skipDocker } from '../helpers/docker/docker.ts';
import { healthy, kill, Stage, until } from '../helpers/docker/stage.ts';

/** Takes so long for a request that a few clients are a load. */
const SLOW = `node -e "require('http').createServer((q, s) => (q.url === '/heartbeat' ? s.end() : setTimeout(() => s.end('done'), 300))).listen(process.env.PORT)"`;
const SCALE = '--replicas 1 --scale-max 2 --scale-target 2 --scale-window 6s --scale-down-window 10m';

async function scaleOf(balancer: Balancer): Promise<ScaleView> {
  const { body } = await balancer.askAdmin('GET', '/scale');
  return (JSON.parse(body) as { message: ScaleView }).message;
}

/** Two balancers of one pool, the one that acts first. */
async function actingFirst(t: TestContext) {
  const stage = new Stage(t, { ownNames: true });
  const start = () =>
    stage.start({
      image: BASE_IMAGE,
      args: `--pool-members many ${SCALE}`,
      env: { LB_REPLICA_COMMAND: SLOW },
    });
  const one = await start();
  await healthy(one, 1);
  const other = await start();
  await healthy(other, 1);
  const selves = await until('both agree on who acts', async () => {
    const views = [await scaleOf(one), await scaleOf(other)].map(({ acting }) => acting);
    const isAgreed = views[0]?.id === views[1]?.id && views[0]?.isSelf !== views[1]?.isSelf;
    return isAgreed && views.map((acting) => acting?.isSelf);
  });
  return selves[0] === true
    ? { stage, acting: one, following: other }
    : { stage, acting: other, following: one };
}

async function scaledEvents(balancer: Balancer): Promise<number> {
  const { body } = await balancer.askAdmin('GET', '/events');
  return body.match(/"kind":"scaled"/g)?.length ?? 0;
}

describe('autoscaling of two balancers on one engine', { skip: skipDocker }, () => {
  it('is done by one, for the load of the other', async (t) => {
    const { stage, acting, following } = await actingFirst(t);
    stage.load(following);
    await healthy(acting, 2);
    await healthy(following, 2);
    assert.deepEqual([await scaledEvents(acting), await scaledEvents(following)], [1, 0]);
  });

  it('keeps what either was told, and passes to the other at a kill', async (t) => {
    const { stage, acting, following } = await actingFirst(t);
    await following.askAdmin('PUT', '/scale', { body: { paused: true, max: 3 } });
    await until('the other pauses too', async () => {
      const { state, max } = await scaleOf(acting);
      return state === 'paused' && max === 3;
    });
    await kill(acting);
    await until('the one that is left acts', async () => (await scaleOf(following)).acting?.isSelf === true);
    stage.load(following);
    await following.askAdmin('PUT', '/scale', { body: { paused: false } });
    await until('replicas for the load', async () => (await following.replicas()).length > 1);
  });
});
