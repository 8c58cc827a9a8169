/** A balancer that is killed in the middle of a deploy, at a step after the other, and the next one; on a real engine. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { DeployPhase } from '../../lib/api/deploy.ts';
import type { Balancer } from '../helpers/balancer.ts';
import { docker, skipDocker } from '../helpers/docker/docker.ts';
import { healthy, kill, noneLost, Stage, until } from '../helpers/docker/stage.ts';
import { endOf, running, statusOf, Versions } from '../helpers/docker/versions.ts';

/** Resolves when the engine tells of an event of a container of the pool. */
async function engineEvent(pool: string, event: string): Promise<void> {
  const filters = ['--filter', `label=ringlb.pool=${pool}`, '--filter', `event=${event}`];
  const child = spawn('docker', ['events', '--since', '0s', ...filters], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(child.stdout, 'data');
  } finally {
    child.kill();
  }
}

describe('a deploy whose balancer is killed', { skip: skipDocker ?? false, timeout: 600_000 }, () => {
  const versions = new Versions();
  before(() => versions.buildAll());
  after(() => versions.removeAll());
  const ONE = { image: versions.image('one') };

  const isIn = async (balancer: Balancer, phase: DeployPhase, count: number): Promise<boolean> =>
    ((await statusOf(balancer)).deploy?.replicas ?? []).filter((step) => step.phase === phase).length >=
    count;

  interface Scene {
    readonly version?: string;
    readonly watch?: string;
    /** Resolves in the moment in which the balancer is to be killed. */
    readonly moment: (balancer: Balancer, stage: Stage) => Promise<unknown>;
  }

  /** Kills the balancer at the moment, with GETs under way, and starts the next one. */
  async function killed(
    stage: Stage,
    { version = 'two', watch = '300ms', moment }: Scene,
  ): Promise<Balancer> {
    const first = await stage.serve(ONE);
    const load = stage.load(first);
    const reached = moment(first, stage);
    const body = { image: versions.image(version), watch };
    assert.equal((await first.askAdmin('POST', '/deploy', { body })).status, 202);
    await reached;
    const ended = kill(first);
    const { failures } = await load.stop();
    await ended;
    // what was in flight on it, and nothing before
    if (version === 'two')
      for (const failure of failures.keys()) assert.match(failure, /ECONNRE|socket hang up|aborted/);
    return stage.start(ONE);
  }

  const MOMENTS: readonly (readonly [string, Scene])[] = [
    [
      'while the first new container starts',
      {
        moment: (_, stage) =>
          until('a next container', async () =>
            (await stage.containers()).some((container) => container.name.endsWith('.next')),
          ),
      },
    ],
    ['at the first rename', { moment: (_, { pool }) => engineEvent(pool, 'rename') }],
    [
      'while the first is watched',
      { watch: '60s', moment: (balancer) => until('watching', () => isIn(balancer, 'watching', 1)) },
    ],
    ['as the first old container ends', { moment: (_, { pool }) => engineEvent(pool, 'die') }],
    [
      'while the second is exchanged',
      { moment: (balancer) => until('one done', () => isIn(balancer, 'done', 1)) },
    ],
    [
      'while the last is exchanged',
      { moment: (balancer) => until('two done', () => isIn(balancer, 'done', 2)) },
    ],
    [
      'while it is taken back',
      {
        version: 'bad',
        watch: '60s',
        moment: (balancer) =>
          until('rolling back', async () =>
            ['rolling-back', 'rolled-back'].includes((await statusOf(balancer)).deploy?.state ?? ''),
          ),
      },
    ],
  ];

  for (const [index, [when, scene]] of MOMENTS.entries()) {
    const isResumed = index % 2 === 0 && scene.version !== 'bad';
    it(`${when} can be ${isResumed ? 'resumed' : 'rolled back'} without losing a request`, async (t) => {
      const stage = new Stage(t, { ownNames: true });
      const second = await killed(stage, scene);
      const load = stage.load(second);
      await healthy(second, 3);
      await stage.settled(second);
      const { deploy } = await statusOf(second);
      // where the rollback was complete there is nothing left to be told of
      if (scene.version !== 'bad') assert.equal(deploy?.state, 'interrupted');
      if (deploy !== null) {
        const [method, body] = isResumed ? ['POST', { resume: true, watch: '200ms' }] : ['DELETE', undefined];
        const answer = await second.askAdmin(method as string, '/deploy', { body });
        const { state, reason } = await endOf(second, answer);
        assert.equal(state, isResumed ? 'done' : 'rolled-back', reason ?? '');
      }
      if (scene.version !== 'bad') await noneLost(load);
      await stage.settled(second);
      const names = (await second.replicas()).map((replica) => replica.name).sort();
      const wanted = isResumed ? '2 two' : '1 one';
      assert.deepEqual(
        await running(stage),
        names.map((replica) => `${replica} ${wanted}`),
      );
    });
  }

  it('puts the old container back where the new one has ended meanwhile', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    const first = await stage.serve(ONE);
    const before = (await stage.containers()).map(({ id }) => id);
    const body = { image: versions.image('two'), watch: '60s' };
    assert.equal((await first.askAdmin('POST', '/deploy', { body })).status, 202);
    await until('watching', () => isIn(first, 'watching', 1));
    await until('renamed', async () =>
      (await stage.containers()).every((container) => !container.name.endsWith('.next')),
    );
    await kill(first);
    const fresh = (await stage.containers()).find(({ id }) => !before.includes(id))!;
    await docker('kill', fresh.id);
    const second = await stage.start(ONE);
    await healthy(second, 3);
    await stage.settled(second);
    assert.deepEqual((await stage.containers()).map(({ id }) => id).sort(), before.sort());
  });

  it('heals each replica to what it ran', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    const second = await killed(stage, {
      moment: (balancer) => until('one done', () => isIn(balancer, 'done', 1)),
    });
    await healthy(second, 3);
    await stage.settled(second);
    const ran = await running(stage);
    await docker('kill', ...(await stage.containers()).map(({ id }) => id));
    await healthy(second, 3);
    await stage.settled(second);
    assert.deepEqual(await running(stage), ran);
  });
});
