/** The whole balancer over real containers, when names, images or requests stand in its way. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  buildImage,
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  freshPool,
  runStranger,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { add, healthy, kill, names, Stage, until } from '../helpers/docker/stage.ts';
import { get } from '../helpers/drivers/replica-client.ts';

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
const FAILING_IMAGE = `${freshPool()}-failing`;

describe('a balancer over containers, one of which drains', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(() => buildImage(SLOW_IMAGE, [`CMD ${JSON.stringify(['node', '-e', SLOW])}`]));
  after(() => docker('rmi', '--force', SLOW_IMAGE));

  /** A balancer that was told to remove the replica that has a request in flight. */
  async function draining(stage: Stage) {
    const balancer = await stage.serve({ image: SLOW_IMAGE });
    const slow = balancer.ask('GET', '/slow');
    slow.catch(() => {});
    const busy = await until('a request in flight', async () =>
      (await balancer.replicas()).find(({ inFlight }) => inFlight === 1),
    );
    const { status } = await balancer.ask('POST', '/rm', { body: { n: 1, hostnames: [busy.name] } });
    assert.equal(status, 200);
    return { balancer, slow, busy };
  }

  it('adds another of its name while the old one drains', async (t) => {
    const stage = new Stage(t);
    const { balancer, slow, busy } = await draining(stage);
    assert.equal((await add(balancer, busy.name)).status, 200);
    const both = (await balancer.replicas()).filter(({ name }) => name === busy.name);
    assert.deepEqual(both.map(({ state }) => state).sort(), ['draining', 'healthy']);
    assert.ok(
      (await stage.containers()).some(({ name }) => name === retiredName(busy)),
      'the old one is there',
    );
    const [host, port] = busy.endpoint!.split(':');
    await get({ host: host!, port: Number(port) }, '/release');
    const { status, body } = await slow;
    assert.deepEqual([status, body], [200, 'at last']);
    await healthy(balancer, 3);
    await stage.settled(balancer);
  });

  it('removes a draining container after a kill and a restart', async (t) => {
    const stage = new Stage(t);
    const { balancer: first, busy } = await draining(stage);
    await until('a container that drains', async () =>
      (await stage.containers()).some(({ name }) => name === retiredName(busy)),
    );
    await kill(first);
    const second = await stage.start({ image: SLOW_IMAGE });
    await healthy(second, 2);
    assert.ok(!(await names(second)).includes(busy.name));
    await stage.settled(second);
  });
});

describe('a balancer over containers, and one that is not ours', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(ensureReplicaImage);
  afterEach(cleanUp);

  it('refuses /add of a name that is taken', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const before = await names(balancer);
    const held = freshName();
    const stranger = await runStranger(held).then(() => lifeOf(held));
    const answer = await balancer.ask('POST', '/add', { body: { n: 2, hostnames: [freshName(), held] } });
    assert.equal(answer.status, 400);
    assert.match(answer.body, new RegExp(`The name ${held} is held by a container that is not ours`));
    assert.deepEqual(await names(balancer), before);
    await healthy(balancer, 3);
    await stage.settled(balancer);
    await balancer.stop();
    assert.equal(await lifeOf(held), stranger);
  });

  it('skips a taken name where none is given', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const before = await names(balancer);
    const { name: held, life } = await takeNextName();
    const { status } = await add(balancer);
    assert.equal(status, 200);
    const now = await names(balancer);
    assert.deepEqual([now.slice(0, 3), now.length], [before, 4]);
    assert.ok(!now.includes(held), `${held} is not ours`);
    await balancer.stop();
    assert.equal(await lifeOf(held), life);
  });

  it('starts with free names beside another balancer', async (t) => {
    const stages = Array.from({ length: 3 }, () => new Stage(t));
    const balancers = await Promise.all(stages.map((stage) => stage.serve()));
    for (const [index, balancer] of balancers.entries()) await stages[index]!.settled(balancer);
  });
});

describe('a balancer over containers that cannot run', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(() => buildImage(FAILING_IMAGE, ['CMD ["sh", "-c", "echo Error: no licence >&2; exit 3"]']));
  after(() => docker('rmi', '--force', FAILING_IMAGE));

  it('shows the backoff and its cause, and is not ready', async (t) => {
    const balancer = await new Stage(t).start({ image: FAILING_IMAGE });
    const replicas = await until('three that wait', async () => {
      const found = await balancer.replicas();
      return found.length === 3 && found.every(({ nextStartInMs }) => nextStartInMs !== null) && found;
    });
    for (const { state, cause } of replicas) {
      assert.equal(state, 'starting');
      assert.match(cause ?? '', /exit 3/);
    }
    assert.equal((await balancer.askAdmin('GET', '/readyz')).status, 503);
    assert.equal((await balancer.ask('GET', '/home')).status, 503);
  });

  it('explains a failed /add, and leaves no container', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.start({ image: FAILING_IMAGE });
    const name = freshName();
    const { status, body } = await add(balancer, name);
    assert.equal(status, 502);
    assert.match(body, new RegExp(`${name} did not start: .*exit 3`));
    assert.ok(!(await stage.containers()).some((container) => container.name.startsWith(name)));
    assert.ok(!(await names(balancer)).includes(name));
  });

  it('exits with a sentence if the image is missing', async (t) => {
    const stage = new Stage(t);
    const image = freshPool();
    const balancer = stage.spawn({ image });
    assert.deepEqual(await balancer.exited, { code: 1, signal: null });
    assert.match(balancer.stderr, new RegExp(`^ringlb: The engine has no image ${image}: run .*\\n$`));
    assert.deepEqual([await stage.containers(), await stage.network()], [[], '']);
  });

  it('exits with a sentence if there is no engine', async (t) => {
    const balancer = new Stage(t).spawn({ env: { DOCKER_HOST: 'unix:///no/such/docker.sock' } });
    assert.deepEqual(await balancer.exited, { code: 1, signal: null });
    assert.match(balancer.stderr, /^ringlb: No Docker engine responds at .*start it.*\n$/);
  });
});

/** What a container is called that a balancer has retired. */
function retiredName({
  name,
  instance,
}: {
  readonly name: string;
  readonly instance: string | null;
}): string {
  return `${name}.removed.${instance?.slice(0, 12)}`;
}

/** Which container has the name, since when it runs, and that it runs. */
function lifeOf(name: string): Promise<string> {
  return docker('inspect', '--format', '{{.Id}} {{.State.StartedAt}} {{.State.Status}}', name);
}

/** Runs a container that is not ours under the first name that a balancer would choose. */
async function takeNextName(): Promise<{ readonly name: string; readonly life: string }> {
  for (let number = 1; ; number++) {
    const name = `S${number}`;
    const isTaken = await runStranger(name).then(
      () => true,
      () => false,
    );
    if (isTaken) return { name, life: await lifeOf(name) };
  }
}
