/** Autoscaling of real processes under real load. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ScaleView } from '../../lib/api/scale.ts';
import type { ExplainView } from '../../lib/api/types.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

/** Starts within 0.3 s, and takes so long for a request. */
function replica(ms: number): string {
  const server = `http.createServer((q, s) => (q.url === '/heartbeat' ? s.end() : setTimeout(() => s.end('done'), ${ms})))`;
  return `exec node -e "setTimeout(() => ${server}.listen(process.env.PORT), 300)"`;
}

async function balancerOf(t: TestContext, command: string, options: string): Promise<Balancer> {
  const balancer = await Balancer.ready(options, [], { env: { LB_COMMAND: command } });
  t.after(() => balancer.stop());
  return balancer;
}

async function scaleOf(balancer: Balancer): Promise<ScaleView> {
  const { body } = await balancer.askAdmin('GET', '/scale');
  return (JSON.parse(body) as { message: ScaleView }).message;
}

function loadOn(t: TestContext, balancer: Balancer, clients: number): SteadyLoad {
  const load = new SteadyLoad(balancer.publicPort, { clients, pauseMs: 0 });
  t.after(() => load.end());
  return load;
}

/** Until the size is as it is to be, and all are ready. */
async function untilSize(balancer: Balancer, isRight: (size: number) => boolean): Promise<void> {
  await eventually('the right size', async () => {
    const { n, ready } = await scaleOf(balancer);
    return isRight(n) && n === ready;
  });
}

describe('autoscaling of processes', () => {
  it('follows a step up and down without losing a request', async (t) => {
    const scale = '--scale-max 8 --scale-target 40 --scale-down-window 3s --scale-down-step 4';
    const balancer = await balancerOf(t, replica(1000), `--replicas 1 --scale-window 6s ${scale}`);
    const few = loadOn(t, balancer, 10);
    await few.more(10);
    const many = loadOn(t, balancer, 190);
    // clients of a busy machine may have a few less than 200 in flight
    await untilSize(balancer, (size) => size === 4 || size === 5);
    await many.end();
    await untilSize(balancer, (size) => size === 1);
    await few.everyone();
    assert.deepEqual([few.failures, many.failures], [[], []]);
    const { body } = await balancer.askAdmin('GET', '/events');
    const kinds = body.match(/"kind":"scaled"/g) ?? [];
    assert.ok(kinds.length >= 2, body);
  });

  it('goes to zero, and holds requests for the first replica', async (t) => {
    const zero = '--scale-max 2 --scale-min 0 --scale-idle 1s --start-timeout 20s --queue-timeout 25s';
    const balancer = await balancerOf(t, replica(1), `--replicas 1 ${zero}`);
    await untilSize(balancer, (size) => size === 0);
    assert.equal((await balancer.askAdmin('GET', '/readyz')).status, 200);
    const requests = Array.from({ length: 20 }, () => balancer.ask('GET', '/'));
    const statuses = (await Promise.all(requests)).map(({ status }) => status);
    assert.deepEqual(new Set(statuses), new Set([200]));
  });

  it('keeps its size through kills', async (t) => {
    const balancer = await balancerOf(t, replica(5), '--replicas 2 --scale-max 6');
    const load = loadOn(t, balancer, 10);
    for (let kill = 0; kill < 6; kill++) {
      await load.more(100);
      process.kill(await balancer.pidOf(kill % 2 === 0 ? 'S1' : 'S2'), 'SIGKILL');
      await load.more(100);
      await balancer.untilHealthy(2);
    }
    const { n, changed } = await scaleOf(balancer);
    assert.deepEqual([n, changed, load.failures], [2, null, []]);
  });

  it('names the key that one replica is hot of', async (t) => {
    const key = '--hash-key path --load-factor 0 --scale-max 2 --scale-target 4';
    const balancer = await balancerOf(t, replica(100), `--replicas 2 ${key}`);
    loadOn(t, balancer, 20);
    const explained = (await balancer.askAdmin('GET', '/explain?path=/home')).body;
    const { message } = JSON.parse(explained) as { message: ExplainView };
    const hash = message.hashHex?.replace('0x', '');
    let events = '';
    await eventually('a hot key', async () => {
      events = (await balancer.askAdmin('GET', '/events')).body;
      return events.includes('"kind":"hot-key"');
    });
    assert.ok(
      events.includes(`is on ${message.owner}, most of it of the key with the hash ${hash};`),
      events,
    );
  });

  it('refuses bad values in words, and changes nothing', async (t) => {
    const balancer = await balancerOf(t, replica(1), '--replicas 2 --scale-max 6');
    const before = await scaleOf(balancer);
    for (const [body, words] of [
      [{ min: 7 }, /min must be at most max/],
      [{ target: 0 }, /target must be a whole number from 1/],
      [{ min: -1 }, /min must be a whole number from 0/],
      [{ n: 7 }, /above the maximum of 6/],
      [{ n: 1 }, /below the minimum of 2/],
    ] as const) {
      const answer = await balancer.ask('PUT', '/scale', { body });
      assert.equal(answer.status, 400);
      assert.match(answer.body, words);
    }
    const { n, min, max, target } = await scaleOf(balancer);
    assert.deepEqual([n, min, max, target], [before.n, before.min, before.max, before.target]);
  });
});
