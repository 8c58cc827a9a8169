/** The whole balancer over real containers, and another one that is given the same pool. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { docker, ensureReplicaImage, skipDocker } from '../helpers/docker/docker.ts';
import { healthy, instances, kill, noneLost, placement, Stage, until } from '../helpers/docker/stage.ts';

describe('a pool on an engine', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(ensureReplicaImage);

  it("is refused to a second balancer with the first's name", async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const load = stage.load(first);
    const [ring, ran, containers] = [
      await placement(first),
      await instances(first),
      await stage.containers(),
    ];
    const second = stage.spawn({});
    assert.deepEqual(await second.exited, { code: 1, signal: null });
    const sentence = `^ringlb: The pool ${stage.pool} belongs to another balancer \\(process ${first.pid} on .*, since .*\\): stop that one, or give this one a pool of its own with --pool NAME$`;
    assert.match(second.stderr, new RegExp(sentence, 'm'));
    assert.deepEqual(await placement(first), ring);
    assert.deepEqual(await instances(first), ran);
    assert.deepEqual(await stage.containers(), containers);
    assert.notEqual(await stage.network(), '');
    await noneLost(load);
  });

  it('is adopted at once after its balancer was killed', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const [ring, ran] = [await placement(first), await instances(first)];
    await kill(first);
    const second = await stage.start();
    await healthy(second, 3);
    assert.deepEqual([await placement(second), await instances(second)], [ring, ran]);
    assert.doesNotMatch(second.stderr, /looking whether it lives/);
    await oneClaim(stage);
  });

  it('passes to another balancer when its own hung for ten seconds', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const [ring, ran] = [await placement(first), await instances(first)];
    first.signal('SIGSTOP');
    const second = await stage.start();
    await healthy(second, 3);
    first.signal('SIGCONT');
    assert.deepEqual(await first.exited, { code: 1, signal: null });
    assert.match(
      first.stderr,
      new RegExp(`The pool ${stage.pool} belongs to another balancer \\(process ${second.pid} `),
    );
    await healthy(second, 3);
    assert.deepEqual([await placement(second), await instances(second)], [ring, ran]);
    await stage.settled(second);
    await oneClaim(stage);
  });

  for (const args of ['', '--on-exit keep']) {
    it(`is released at a clean shutdown${args === '' ? '' : ` with ${args}`}`, async (t) => {
      const stage = new Stage(t);
      const balancer = await stage.serve({ args });
      assert.notDeepEqual(await stage.claims(), []);
      await balancer.stop();
      assert.deepEqual(await stage.claims(), []);
      assert.equal((await stage.containers()).length, args === '' ? 0 : 3);
    });
  }

  it('is released by a balancer that fails to start', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const other = new Stage(t);
    const second = other.spawn({ args: `--port ${first.publicPort}` });
    assert.deepEqual(await second.exited, { code: 1, signal: null });
    assert.deepEqual([await other.claims(), await other.network()], [[], '']);
  });

  it('stays with its balancer when unused volumes are pruned', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const [claim] = await stage.claims();
    await docker('volume', 'rm', claim!).catch(() => {});
    await until('another claim', async () => {
      const now = await stage.claims();
      return now.length === 1 && now[0] !== claim;
    });
    await healthy(balancer, 3);
  });
});

/** Waits until there is one claim on the pool; in the moment of a renewal there are two. */
async function oneClaim(stage: Stage): Promise<void> {
  await until('one claim', async () => (await stage.claims()).length === 1);
}
