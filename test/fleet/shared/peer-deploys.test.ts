/** Deploys in a pool that several balancers share: as the one that acts sees them, and as the others do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeployState } from '../../../lib/api/deploy.ts';
import type { Instance, Members, StartedWith } from '../../../lib/drivers/driver.ts';
import { CHANGE as ONE_CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FakePool } from '../../helpers/fleet/fake-pool.ts';
import { DRAIN_TIMEOUT_MS, FleetRig, NOT_READY, PASSED, STOP_TIMEOUT_MS } from '../../helpers/fleet/rig.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const CHANGE = { ...ONE_CHANGE, watchMs: 1000 };
const OVERRIDES = { env: [['VERSION', '2']] } as const;
const DEPLOY = { id: 'b-1', generation: 2, title: 'v2' };
/** Longer than anything retired is left alone where nobody deploys. */
const LONG_MS = 2 * (DRAIN_TIMEOUT_MS + STOP_TIMEOUT_MS + 60_000);

interface Scene {
  readonly rig: FleetRig;
  readonly pool: FakePool;
  /** The other balancer. */
  readonly other: Members;
}

/** A balancer with replicas S1 and S2, and another that shares the pool. */
async function scene(): Promise<Scene> {
  const driver = new FakeDriver();
  driver.isShared = true;
  const pool = new FakePool();
  driver.members = pool.join('a');
  const other = pool.join('b');
  const rig = await FleetRig.of(2, { driver });
  for (const { instanceId } of driver.instances.values())
    driver.started.set(instanceId, { spec: specWith(), overrides: {}, title: 'v1' });
  return { rig, pool, other };
}

const look = async (rig: FleetRig, ms = 200): Promise<void> => {
  rig.driver.hint({ kind: 'changed', cause: 'renamed' });
  await rig.advance(ms);
};

/** The other balancer switches a replica to an instance of the next release. */
function switched({ rig }: Scene, name: string, started: Partial<StartedWith> = {}): Instance {
  const { driver } = rig;
  const old = driver.instances.get(rig.instanceOf(name))!;
  old.role = 'replaced';
  const next = driver.leave(name, old.id, { generation: 2 });
  driver.started.set(next.instanceId, {
    spec: specWith(),
    overrides: OVERRIDES,
    title: 'v2',
    ...started,
  });
  return next;
}

/** The other balancer has switched S1 away from `old`, and has ended in the middle of its deploy. */
async function leftByOther(): Promise<{ readonly rig: FleetRig; readonly old: string }> {
  const at = await scene();
  const { rig, pool, other } = at;
  other.announceDeploy(DEPLOY, () => {});
  const old = rig.instanceOf('S1');
  switched(at, 'S1');
  await look(rig);
  pool.leave('b');
  return { rig, old };
}

async function added(rig: FleetRig, name: string): Promise<void> {
  const adding = rig.scaling.add(1, [name]);
  await rig.advance(200);
  await adding;
}

/** What the replica's instance was started with of a deploy. */
const versionOf = (rig: FleetRig, name: string): string | undefined => {
  const { overrides } = rig.driver.started.get(rig.instanceOf(name)) ?? {};
  return overrides?.env?.map(([, value]) => value).join() || undefined;
};
/** Every replica has a new instance, and the last is still watched. */
async function untilLastWatched(rig: FleetRig): Promise<void> {
  while (['S1', 'S2'].some((name) => versionOf(rig, name) !== '2')) await rig.advance(20);
  await rig.advance(CHANGE.watchMs / 2);
}

const state = (rig: FleetRig): DeployState | undefined => rig.deploys.status().deploy?.state;

describe('a deploy of another balancer', () => {
  it('is what a replica is healed with that was added in it, and never was healthy here', async () => {
    const { rig } = await scene();
    const { instanceId, endpoint } = rig.driver.leave('web', 3, { generation: 2 });
    rig.driver.started.set(instanceId, { spec: specWith(), overrides: OVERRIDES, title: 'v2' });
    rig.found.set(endpoint!.port, NOT_READY);
    await look(rig);
    rig.driver.die(instanceId, 'SIGKILL');
    await rig.advance(2000);
    assert.equal(versionOf(rig, 'web'), '2');
  });

  it('gets the requests of a replica once its new instance is healthy', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    const old = rig.instanceOf('S1');
    const next = switched(at, 'S1');
    rig.found.set(next.endpoint!.port, NOT_READY);
    await look(rig);
    assert.deepEqual([rig.instanceOf('S1'), rig.states], [old, ['S1=healthy', 'S2=healthy']]);
    rig.found.set(next.endpoint!.port, PASSED);
    await rig.advance(200);
    assert.deepEqual([rig.instanceOf('S1'), rig.states], [next.instanceId, ['S1=healthy', 'S2=healthy']]);
    // the place was never empty
    assert.deepEqual(rig.transitions, ['S1 draining→gone: drained']);
    assert.deepEqual(rig.driver.released, [old]);
  });

  it('leaves what is in flight on the old instance to finish', async () => {
    const at = await scene();
    const { rig } = at;
    const old = rig.instanceOf('S1');
    const { ordinal } = rig.replica('S1');
    rig.load('S1', 1);
    switched(at, 'S1');
    await look(rig);
    assert.deepEqual(rig.driver.released, []);
    rig.threadTable.release(ordinal);
    await rig.advance(100);
    assert.deepEqual(rig.driver.released, [old]);
  });

  it('says what a replica is healed with', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    const old = rig.driver.instances.get(rig.instanceOf('S1'))!;
    switched(at, 'S1');
    // an engine lists instances in any order
    rig.driver.instances.delete(old.instanceId);
    rig.driver.instances.set(old.instanceId, old);
    await look(rig);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(200);
    assert.deepEqual([versionOf(rig, 'S1'), versionOf(rig, 'S2')], ['2', undefined]);
  });

  it('is what new replicas get once one has passed its gate', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    const old = rig.instanceOf('S1');
    switched(at, 'S1');
    await look(rig);
    await added(rig, 'S3');
    rig.driver.instances.delete(old);
    await look(rig);
    await added(rig, 'S4');
    assert.deepEqual([versionOf(rig, 'S3'), versionOf(rig, 'S4')], [undefined, '2']);
  });

  it('is what new replicas get at once when it is over', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    switched(at, 'S1');
    switched(at, 'S2');
    await look(rig);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    await added(rig, 'S3');
    assert.equal(versionOf(rig, 'S3'), '2');
  });

  it('keeps what it has replaced for as long as it may be taken back', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    switched(at, 'S1');
    await rig.advance(LONG_MS, 1000);
    assert.deepEqual(rig.driver.of('remove'), []);
  });

  it('is followed back', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    const old = rig.driver.instances.get(rig.instanceOf('S1'))!;
    const next = rig.driver.instances.get(switched(at, 'S1').instanceId)!;
    await look(rig);
    next.role = 'replaced';
    old.role = 'current';
    await look(rig);
    assert.equal(rig.instanceOf('S1'), old.instanceId);
    rig.driver.instances.delete(next.instanceId);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    assert.deepEqual([state(rig), rig.deploys.status().current.generation], ['rolled-back', 1]);
    assert.match(rig.deploys.status().deploy!.reason!, /see the balancer that carried it out: balancer b$/);
  });

  it('is followed back where all have passed the gate, to what was before that', async () => {
    const at = await scene();
    const { rig, other } = at;
    /** Every replica runs the generation, and nothing else is left of it. */
    const moved = async (generation: number, value: string): Promise<void> => {
      for (const { name, id, instanceId } of [...rig.driver.instances.values()]) {
        rig.driver.instances.get(instanceId)!.role = 'replaced';
        const next = rig.driver.leave(name, id, { generation });
        const overrides = { env: [['VERSION', value]] } as const;
        rig.driver.started.set(next.instanceId, { spec: specWith(), overrides, title: `v${value}` });
      }
      await look(rig);
      for (const { role, instanceId } of [...rig.driver.instances.values()])
        if (role === 'replaced') rig.driver.instances.delete(instanceId);
      await look(rig);
      await look(rig);
    };
    const versions = (): readonly (number | undefined)[] => {
      const { current, before } = rig.deploys.status();
      return [current.generation, before?.generation];
    };
    other.announceDeploy(DEPLOY, () => {});
    await moved(2, '2');
    other.announceDeploy(undefined, () => {});
    await look(rig);
    assert.deepEqual(versions(), [2, 1]);
    other.announceDeploy({ id: 'b-2', generation: 3, title: 'v3' }, () => {});
    await moved(3, '3');
    assert.deepEqual(versions(), [3, 2]);
    await moved(2, '2');
    other.announceDeploy(undefined, () => {});
    await look(rig);
    assert.deepEqual([state(rig), ...versions()], ['rolled-back', 2, 1]);
  });

  it('took the time that passed until its end', async () => {
    const at = await scene();
    const { rig, other } = at;
    const ms = (): number | undefined => rig.deploys.status().deploy?.ms;
    other.announceDeploy(DEPLOY, () => {});
    await look(rig);
    await look(rig, 1000);
    assert.equal(ms(), 1200);
    for (const name of ['S1', 'S2']) switched(at, name);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    const took = ms();
    await look(rig, 1000);
    assert.deepEqual([ms(), rig.deploys.status().deploy?.reason], [took, null]);
  });

  it('is read once from each instance', async () => {
    const at = await scene();
    const { rig, other } = at;
    const read: string[] = [];
    const startedWith = rig.driver.startedWith.bind(rig.driver);
    rig.driver.startedWith = (instanceId) => {
      read.push(instanceId);
      return startedWith(instanceId);
    };
    other.announceDeploy(DEPLOY, () => {});
    rig.driver.leave('web', 3, { role: 'removed', generation: 7 });
    rig.driver.leave('S2', 2, { role: 'next', generation: 2 });
    const { instanceId } = switched(at, 'S1');
    for (let looks = 0; looks < 3; looks++) await look(rig);
    assert.deepEqual(read, [instanceId]);
  });

  it('keeps using an instance that is back before its requests are over', async () => {
    const at = await scene();
    const { rig } = at;
    const old = rig.driver.instances.get(rig.instanceOf('S1'))!;
    const { ordinal } = rig.replica('S1');
    rig.load('S1', 1);
    const next = rig.driver.instances.get(switched(at, 'S1').instanceId)!;
    await look(rig);
    next.role = 'replaced';
    old.role = 'current';
    await look(rig);
    assert.equal(rig.instanceOf('S1'), old.instanceId);
    rig.threadTable.release(ordinal);
    await rig.advance(200);
    assert.deepEqual(rig.driver.released, [next.instanceId]);
  });

  it('is shown, and can be rolled back to where it was here', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    const olds = [rig.instanceOf('S1'), rig.instanceOf('S2')];
    switched(at, 'S1');
    await look(rig);
    const { deploy } = rig.deploys.status();
    const phases = deploy?.replicas.map(({ name, phase }) => `${name} ${phase}`);
    assert.deepEqual([deploy?.id, deploy?.state, phases], ['b-1', 'running', ['S1 done', 'S2 waiting']]);
    switched(at, 'S2');
    for (const old of olds) rig.driver.instances.delete(old);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    assert.deepEqual([state(rig), rig.deploys.status().before?.generation], ['done', 1]);
    await rig.deploys.start({ ...CHANGE, kind: 'rollback' });
    await rig.advance(10_000);
    assert.deepEqual([versionOf(rig, 'S1'), versionOf(rig, 'S2')], [undefined, undefined]);
  });

  it('that only restarts is no version to go back from', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    for (const name of ['S1', 'S2']) switched(at, name, { overrides: {}, title: 'v1' });
    await look(rig);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    const { current, before } = rig.deploys.status();
    assert.deepEqual([current.generation, before], [2, null]);
  });

  it('refuses one here meanwhile', async () => {
    const { rig, other } = await scene();
    const turn = await other.takeDeployTurn();
    await assert.rejects(rig.deploys.start(CHANGE), { code: 'deploy-running' });
    other.announceDeploy(DEPLOY, () => {});
    await assert.rejects(rig.deploys.preview(CHANGE), {
      code: 'deploy-running',
      message: /^another balancer of the pool deploys \(balancer b\)/,
    });
    other.announceDeploy(undefined, () => {});
    await turn.end();
    await rig.deploys.start(CHANGE);
  });

  it('goes on after its balancer was taken for ended', async () => {
    const at = await scene();
    const { rig, other } = at;
    other.announceDeploy(DEPLOY, () => {});
    await look(rig);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    assert.equal(state(rig), 'rolled-back');
    other.announceDeploy(DEPLOY, () => {});
    await look(rig);
    assert.equal(state(rig), 'running');
    for (const name of ['S1', 'S2']) switched(at, name);
    other.announceDeploy(undefined, () => {});
    await look(rig);
    assert.equal(state(rig), 'done');
  });

  it('is looked for before it is taken back, since it may have begun a moment ago', async () => {
    const { rig, other } = await scene();
    const { members } = rig.driver;
    let hasLooked = false;
    let undone = 0;
    rig.driver.members = Object.defineProperties(Object.create(members!), {
      deploying: { get: () => (hasLooked ? members!.deploying : undefined) },
      look: {
        value: async () => {
          hasLooked = true;
        },
      },
    });
    other.announceDeploy(DEPLOY, () => undone++);
    assert.deepEqual([await rig.deploys.rollBack(), undone], ['b-1', 1]);
  });

  it('is taken back by an operator here', async () => {
    const { rig, other } = await scene();
    let by = '';
    other.announceDeploy(DEPLOY, ({ title }) => {
      by = title;
    });
    assert.equal(await rig.deploys.rollBack(), 'b-1');
    assert.equal(by, 'balancer a');
  });

  it('that ends before its first gate leaves new replicas what they got', async () => {
    const { rig } = await leftByOther();
    await look(rig);
    assert.deepEqual([state(rig), rig.deploys.status().current.generation], ['interrupted', 1]);
  });

  it('that ends in the middle is resumed here', async () => {
    const { rig, old } = await leftByOther();
    rig.driver.instances.delete(old);
    await look(rig);
    assert.equal(state(rig), 'interrupted');
    await rig.deploys.start({ ...CHANGE, kind: 'resume' });
    await rig.advance(10_000);
    assert.deepEqual([state(rig), versionOf(rig, 'S2')], ['done', '2']);
  });

  it('that ends between two renames gives the old instance its name back', async () => {
    const { rig, pool, other } = await scene();
    other.announceDeploy(DEPLOY, () => {});
    const old = rig.driver.instances.get(rig.instanceOf('S1'))!;
    old.role = 'replaced';
    rig.driver.leave('S1', 1, { role: 'next', generation: 2 });
    await look(rig);
    pool.leave('b');
    await look(rig);
    await rig.advance(30_000, 1000);
    assert.deepEqual([old.role, rig.instanceOf('S1')], ['current', old.instanceId]);
    assert.deepEqual(rig.driver.of('start'), []);
  });
});

describe('a deploy in a shared pool', () => {
  it('says what it deploys for as long as it does', async () => {
    const { rig, other } = await scene();
    await rig.deploys.start(CHANGE);
    assert.deepEqual(other.deploying?.deploy.generation, 2);
    await rig.advance(10_000);
    assert.deepEqual([state(rig), other.deploying], ['done', undefined]);
    await (await other.takeDeployTurn()).end();
  });

  it('gives new replicas its release once the gate has passed, whatever all run', async () => {
    const { rig } = await scene();
    await rig.deploys.start({ ...CHANGE, batch: 2 });
    await untilLastWatched(rig);
    await look(rig);
    assert.equal(rig.deploys.status().current.generation, 1);
    await rig.advance(CHANGE.watchMs);
    assert.equal(rig.deploys.status().current.generation, 2);
  });

  it('gives its turn back where the engine is lost at its beginning', async () => {
    const { rig, other } = await scene();
    rig.driver.failNext('list', 'engine-unreachable');
    await assert.rejects(rig.deploys.start(CHANGE), { code: 'engine-unreachable' });
    await (await other.takeDeployTurn()).end();
  });

  it('gives its turn back where what is asked for is refused', async () => {
    const { rig, other } = await scene();
    await assert.rejects(rig.deploys.start({ ...CHANGE, kind: 'resume' }), { code: 'bad-request' });
    await (await other.takeDeployTurn()).end();
  });

  it('begins with what another balancer has deployed since the last look', async () => {
    const at = await scene();
    const { rig } = at;
    for (const name of ['S1', 'S2']) switched(at, name);
    await rig.deploys.start({ ...CHANGE, kind: 'restart' });
    await rig.advance(20_000);
    const generations = ['S1', 'S2'].map((name) => rig.replica(name).instance?.generation);
    assert.deepEqual(
      [state(rig), generations, versionOf(rig, 'S1'), versionOf(rig, 'S2')],
      ['done', [3, 3], '2', '2'],
    );
  });

  it('gives an instance its name back that an earlier one took out of its place, and stops it not', async () => {
    const { rig } = await scene();
    const instanceId = rig.instanceOf('S1');
    rig.driver.instances.get(instanceId)!.role = 'replaced';
    await rig.deploys.start({ ...CHANGE, watchMs: 60_000 });
    assert.deepEqual(rig.driver.of('promote'), [instanceId]);
    await rig.advance(5000);
    assert.equal(rig.driver.instances.get(instanceId)?.status, 'running');
  });

  it('is left to the balancer that has taken over from this one meanwhile', async () => {
    const at = await scene();
    const { rig, pool, other } = at;
    const olds = [rig.instanceOf('S1'), rig.instanceOf('S2')];
    await rig.deploys.start({ ...CHANGE, watchMs: 60_000 });
    while (rig.registry.members.every(({ instance }) => olds.includes(instance!.instanceId)))
      await rig.advance(20);
    const [name] = ['S1', 'S2'].filter((one) => !olds.includes(rig.instanceOf(one)));
    pool.lose('a');
    const turn = await other.takeDeployTurn();
    // it has taken the deploy back
    const taken = rig.driver.instances.get(rig.instanceOf(name!))!;
    taken.role = 'replaced';
    const back = rig.driver.leave(name!, taken.id, { generation: 1 });
    rig.driver.started.set(back.instanceId, { spec: specWith(), overrides: {}, title: 'v1' });
    const before = rig.driver.calls.length;
    await rig.advance(70_000, 100);
    assert.deepEqual([state(rig), rig.instanceOf(name!)], ['interrupted', back.instanceId]);
    const changes = rig.driver.calls.slice(before).filter((call) => !call.startsWith('list'));
    assert.deepEqual(changes, []);
    assert.equal(await turn.isHeld(), true);
    // nothing is kept of what it had begun
    const [old] = olds.filter((one) => one.startsWith(`${name}#`));
    assert.ok(rig.driver.released.includes(old!));
    assert.deepEqual([rig.registry.leaving, [...rig.launcher.instances.beingRemoved]], [[], []]);
  });

  it('removes what an earlier one left beside the replicas', async () => {
    const { rig } = await scene();
    const { instanceId } = rig.driver.leave('S1', 1, { role: 'next', generation: 2 });
    await rig.deploys.start(CHANGE);
    assert.deepEqual(rig.driver.of('remove'), [`${instanceId} 0`]);
    await rig.advance(10_000);
    assert.deepEqual([state(rig), rig.deploys.status().current.generation], ['done', 3]);
  });

  it('stops what an earlier one replaced and nobody serves from', async () => {
    const { rig, old } = await leftByOther();
    await look(rig);
    await rig.deploys.start({ ...CHANGE, kind: 'resume' });
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('remove'), [`${old} ${STOP_TIMEOUT_MS}`]);
  });

  it('goes back where the others cannot be shown the new instance', async () => {
    const { rig } = await scene();
    const before = [rig.instanceOf('S1'), rig.instanceOf('S2')];
    rig.driver.failNext('promote', 'name-held');
    await rig.deploys.start(CHANGE);
    await rig.advance(10_000);
    assert.equal(state(rig), 'rolled-back');
    assert.deepEqual([rig.instanceOf('S1'), rig.instanceOf('S2')], before);
  });

  it('lets go a replica that another balancer removes in the moment of its switch', async () => {
    const { rig } = await scene();
    rig.driver.failNext('retire', 'not-found', 'S1');
    await rig.deploys.start(CHANGE);
    await rig.advance(10_000);
    assert.deepEqual([state(rig), rig.states], ['done', ['S2=healthy']]);
  });

  it('brings a replica along that another balancer adds in the old version', async () => {
    const { rig } = await scene();
    await rig.deploys.start(CHANGE);
    const { instanceId } = rig.driver.leave('S3', 3);
    rig.driver.started.set(instanceId, { spec: specWith(), overrides: {}, title: 'v1' });
    await look(rig);
    await rig.advance(10_000);
    assert.deepEqual([state(rig), versionOf(rig, 'S3')], ['done', '2']);
  });

  it('brings along what another balancer has added and was not seen before its end', async () => {
    const { rig } = await scene();
    await rig.deploys.start(CHANGE);
    await untilLastWatched(rig);
    const { instanceId } = rig.driver.leave('S3', 3);
    rig.driver.started.set(instanceId, { spec: specWith(), overrides: {}, title: 'v1' });
    await rig.advance(6000);
    assert.deepEqual([state(rig), versionOf(rig, 'S3')], ['done', '2']);
  });

  it('is done although the engine is away at its end', async () => {
    const { rig } = await scene();
    await rig.deploys.start(CHANGE);
    await untilLastWatched(rig);
    rig.driver.failNext('list', 'engine-unreachable');
    await rig.advance(CHANGE.watchMs);
    assert.equal(state(rig), 'done');
  });
});
