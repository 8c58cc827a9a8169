/** The whole balancer over real containers, when it or the engine goes away for a while. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Balancer } from '../helpers/balancer.ts';
import { docker, EngineDoor, ensureReplicaImage, freshName, skipDocker } from '../helpers/docker/docker.ts';
import {
  add,
  healthy,
  instances,
  kill,
  noneLost,
  placement,
  replaced,
  Stage,
  until,
} from '../helpers/docker/stage.ts';

describe('a balancer over containers that starts again', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(ensureReplicaImage);

  it('adopts its replicas after a kill, and replaces a dead one', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const added = freshName();
    assert.equal((await add(first, added)).status, 200);
    const [before, ran] = [await placement(first), await instances(first)];
    await kill(first);
    const [victim] = Object.keys(ran);
    await docker('kill', victim!);
    const second = await stage.start();
    await healthy(second, 4);
    assert.deepEqual(await placement(second), before);
    const { [victim!]: old, ...others } = ran;
    const { [victim!]: successor, ...kept } = await instances(second);
    assert.deepEqual(kept, others);
    assert.notEqual(successor, old);
    await stage.settled(second);
  });

  it("keeps a hash key's replica through a death, healing and restart", async (t) => {
    const stage = new Stage(t);
    const args = '--hash-key header:x-user';
    const first = await stage.serve({ args });
    const before = await routes(first);
    assert.ok(new Set(before).size === 3, 'the keys are spread');
    const victim = (await first.replicas())[0]!;
    await docker('kill', victim.name);
    await replaced(first, victim);
    assert.deepEqual(await routes(first), before);
    await kill(first);
    const second = await stage.start({ args });
    await healthy(second, 3);
    assert.deepEqual(await routes(second), before);
  });
});

describe('a balancer over containers that is told to end', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(ensureReplicaImage);

  it('removes its containers and the network that it created', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    assert.notEqual(await stage.network(), '');
    assert.deepEqual(await balancer.stop(), { code: 0, signal: null });
    assert.deepEqual(await stage.containers(), []);
    assert.equal(await stage.network(), '');
  });

  it('leaves them to the next start with --on-exit keep', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve({ args: '--on-exit keep' });
    const [before, ran, containers] = [
      await placement(first),
      await instances(first),
      await stage.containers(),
    ];
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    assert.deepEqual(await stage.containers(), containers);
    const second = await stage.start({ args: '--on-exit keep' });
    await healthy(second, 3);
    assert.deepEqual([await placement(second), await instances(second)], [before, ran]);
    await stage.settled(second);
  });
});

describe('a balancer over containers whose engine goes away', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(ensureReplicaImage);

  it('keeps serving, and heals when the engine is back', async (t) => {
    const stage = new Stage(t);
    const door = await EngineDoor.open();
    t.after(() => door.close());
    const balancer = await stage.serve({ env: { DOCKER_HOST: `unix://${door.socketPath}` } });
    const load = stage.load(balancer);
    const [before, ran] = [await placement(balancer), await instances(balancer)];
    const [first, second] = await balancer.replicas();

    door.refuse();
    await until('five attempts to come back', () => door.refused >= 5);
    const answered = load.answered;
    await until('200 more answers', () => load.answered >= answered + 200);
    assert.deepEqual(await instances(balancer), ran);
    assert.ok((await balancer.replicas()).every(({ state }) => state === 'healthy'));
    const { status, body } = await add(balancer);
    assert.equal(status, 503);
    assert.match(body, /No Docker engine responds/);
    await docker('kill', first!.name);
    await until('one that is out', async () => (await balancer.replica(first!.name)).state !== 'healthy');

    door.restore();
    await replaced(balancer, first!);
    await docker('kill', second!.name);
    await replaced(balancer, second!);
    await noneLost(load);
    assert.deepEqual(await placement(balancer), before);
    const { [first!.name]: _, [second!.name]: __, ...others } = ran;
    const { [first!.name]: ___, [second!.name]: ____, ...kept } = await instances(balancer);
    assert.deepEqual(kept, others);
    const [lost = '', back = '', ...more] = told(balancer);
    assert.match(lost, /^warn engine lost \(.+\); running replicas go on$/);
    assert.deepEqual([back, ...more], ['info engine back']);
    await stage.settled(balancer);
  });
});

/** What the log says of the engine. */
function told(balancer: Balancer): readonly string[] {
  return balancer.lines.filter(({ msg }) => /^engine/.test(msg)).map(({ level, msg }) => `${level} ${msg}`);
}

/** Which replica answers each of forty users, asked one after the other: none is too busy for its own. */
async function routes(balancer: Balancer): Promise<readonly string[]> {
  const replicas: string[] = [];
  for (let user = 0; user < 40; user++) replicas.push(await balancer.home({ 'x-user': `user ${user}` }));
  return replicas;
}
