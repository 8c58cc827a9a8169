/** Balancers that end in the middle of a deploy, and what the next one makes of what they leave. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeployState } from '../../../lib/api/deploy.ts';
import { DEPLOY_DEFAULTS } from '../../../lib/core/policy/deploy-gate.ts';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import type { Instance, RetiredRole, Start } from '../../../lib/drivers/driver.ts';
import type { DeployRequest } from '../../../lib/fleet/deploy/deploys.ts';
import { CHANGE as ONE_CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig } from '../../helpers/fleet/rig.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const WATCH_MS = 1000;
const CHANGE = { ...ONE_CHANGE, watchMs: WATCH_MS };
const RESUME: DeployRequest = { ...DEPLOY_DEFAULTS, kind: 'resume', watchMs: WATCH_MS };
/** Longer than any deploy of three replicas takes here. */
const LONG_MS = 3 * WATCH_MS + 3000;

/** After so many calls that change something the engine does nothing more for its balancer: that was killed. */
class KilledDriver extends FakeDriver {
  callsLeft = Number.POSITIVE_INFINITY;

  override start(place: Start, spec?: ReplicaSpec): Promise<Instance> {
    return this.#unlessKilled(() => super.start(place, spec));
  }

  override retire(instanceId: string, role: RetiredRole): Promise<void> {
    return this.#unlessKilled(() => super.retire(instanceId, role));
  }

  override promote(instanceId: string): Promise<void> {
    return this.#unlessKilled(() => super.promote(instanceId));
  }

  override remove(instanceId: string, graceMs: number): Promise<void> {
    return this.#unlessKilled(() => super.remove(instanceId, graceMs));
  }

  #unlessKilled<T>(call: () => Promise<T>): Promise<T> {
    return this.callsLeft-- > 0 ? call() : new Promise(() => {});
  }

  /** The same instances, for another balancer. */
  heir(): FakeDriver {
    const heir = new FakeDriver();
    for (const { name, id, ...more } of this.instances.values()) {
      const { instanceId } = heir.leave(name, id);
      const started = this.started.get(more.instanceId);
      if (started !== undefined) heir.started.set(instanceId, started);
      const { endpoint, role, status, ending, generation } = more;
      Object.assign(heir.instances.get(instanceId)!, { endpoint, role, status, ending, generation });
    }
    return heir;
  }
}

/** A balancer that begins a deploy and is killed after so many calls of it, and the next one. */
async function killedAfter(calls: number, request = CHANGE): Promise<FleetRig> {
  const driver = new KilledDriver();
  const first = await FleetRig.of(3, { driver });
  driver.callsLeft = calls;
  await first.deploys.start(request);
  await first.advance(LONG_MS);
  return FleetRig.of(0, { driver: driver.heir() });
}

const state = (rig: FleetRig): DeployState | undefined => rig.deploys.status().deploy?.state;
/** Name, generation, role and status of each instance. */
const instances = (rig: FleetRig): readonly string[] =>
  [...rig.driver.instances.values()]
    .map(({ name, generation, role, status }) => `${name} ${generation} ${role} ${status}`)
    .sort();
const allOf = (generation: number): readonly string[] =>
  ['S1', 'S2', 'S3'].map((name) => `${name} ${generation} current running`);
const versionOf = (rig: FleetRig, name: string): string | undefined =>
  rig.driver.started.get(rig.instanceOf(name))?.spec.env.find(([variable]) => variable === 'VERSION')?.[1];

/** A deploy of three replicas makes fifteen: five of each, to start, rename twice, retire and remove. */
const KILLS = Array.from({ length: 15 }, (_, calls) => calls);

describe('a deploy whose balancer was killed', () => {
  for (const calls of KILLS) {
    describe(`after ${calls} calls to the engine`, () => {
      it('leaves one running instance of each replica', async () => {
        const rig = await killedAfter(calls);
        assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
        assert.deepEqual(
          instances(rig).map((one) => one.replace(/ \d /, ' ')),
          ['S1 current running', 'S2 current running', 'S3 current running'],
        );
      });

      it('is shown as interrupted where it had begun', async () => {
        const rig = await killedAfter(calls);
        assert.equal(state(rig), calls === 0 ? undefined : 'interrupted');
      });

      it('can be resumed where it had begun', async () => {
        const rig = await killedAfter(calls);
        if (calls === 0) return assert.rejects(rig.deploys.start(RESUME), /no deploy was interrupted/);
        await rig.deploys.start(RESUME);
        await rig.advance(LONG_MS);
        assert.equal(state(rig), 'done');
        assert.deepEqual(instances(rig), allOf(2));
        assert.equal(versionOf(rig, 'S2'), '2');
      });

      it('can be rolled back where it had begun', async () => {
        const rig = await killedAfter(calls);
        if (calls === 0) return assert.rejects(rig.deploys.rollBack(), /nothing was deployed before/);
        await rig.deploys.rollBack();
        await rig.advance(LONG_MS);
        assert.equal(state(rig), 'rolled-back');
        assert.deepEqual(instances(rig), allOf(1));
        assert.equal(versionOf(rig, 'S2'), undefined);
      });
    });
  }

  for (const [calls, when] of [
    [5, 'before its first gate'],
    [6, 'after its first gate'],
  ] as const) {
    it(`goes back as a whole where it ended ${when} and resuming it fails`, async () => {
      const rig = await killedAfter(calls);
      await rig.deploys.start(RESUME);
      rig.driver.failNext('start', 'image-missing');
      await rig.advance(LONG_MS);
      assert.equal(state(rig), 'rolled-back');
      assert.deepEqual(instances(rig), allOf(1));
      const { current, before } = rig.deploys.status();
      assert.deepEqual([current.generation, before], [1, null]);
    });
  }

  it('says what new replicas get also where another supersedes it and fails', async () => {
    const rig = await killedAfter(6);
    const { current, before } = rig.deploys.status();
    assert.deepEqual([current.generation, before?.generation], [2, 1]);
    rig.driver.failNext('start', 'image-missing');
    await rig.deploys.start({ ...CHANGE, env: [['VERSION', '3']] });
    await rig.advance(LONG_MS);
    assert.equal(rig.deploys.status().deploy?.state, 'rolled-back');
    assert.deepEqual([rig.deploys.status().current, rig.deploys.status().before], [current, before]);
  });

  it('shows what is taken back of it, and no more', async () => {
    const rig = await killedAfter(5);
    await rig.deploys.rollBack();
    await rig.advance(LONG_MS);
    const { state, replicas } = rig.deploys.status().deploy!;
    assert.deepEqual(
      [state, ...replicas.map(({ name, phase, from, to }) => [name, phase, from.generation, to.generation])],
      ['rolled-back', ['S1', 'rolled-back', 1, 2]],
    );
  });

  it('is forgotten once it has been brought to an end', async () => {
    const rig = await killedAfter(5);
    await rig.deploys.rollBack();
    await rig.advance(LONG_MS);
    await assert.rejects(rig.deploys.start(RESUME), /no deploy was interrupted/);
  });

  it('can be superseded by another', async () => {
    const rig = await killedAfter(5);
    await rig.deploys.start({ ...CHANGE, env: [['VERSION', '3']] });
    await rig.advance(LONG_MS);
    assert.deepEqual([state(rig), ...instances(rig)], ['done', ...allOf(3)]);
  });

  it('is shown with what each replica runs', async () => {
    const rig = await killedAfter(5);
    const { deploy } = rig.deploys.status();
    assert.deepEqual(
      deploy?.replicas.map(
        ({ name, phase, from, to }) => `${name} ${phase} ${from.generation}→${to.generation}`,
      ),
      ['S1 done 1→2', 'S2 waiting 1→2', 'S3 waiting 1→2'],
    );
  });

  it('shows in a dry run what resuming and rolling back would replace', async () => {
    const rig = await killedAfter(5);
    const resumed = await rig.deploys.preview(RESUME);
    const undone = await rig.deploys.preview({ ...RESUME, kind: 'rollback' });
    const shown = [resumed, undone].map(({ to, replicas }) => [
      to.generation,
      ...replicas.map(({ name }) => name),
    ]);
    assert.deepEqual(shown, [
      [2, 'S2', 'S3'],
      [1, 'S1'],
    ]);
  });

  for (const name of ['S1', 'S3']) {
    it(`heals ${name === 'S1' ? 'a new' : 'an old'} replica to its own release`, async () => {
      const rig = await killedAfter(5);
      rig.driver.die(rig.instanceOf(name), 'exit 1');
      await rig.advance(3000);
      assert.equal(rig.replica(name).instance?.generation, name === 'S1' ? 2 : 1);
      assert.equal(versionOf(rig, name), name === 'S1' ? '2' : undefined);
    });
  }

  it('gives added replicas the new release once one had passed its gate', async () => {
    for (const [calls, generation] of [
      [3, 1],
      [6, 2],
    ] as const) {
      const rig = await killedAfter(calls);
      const added = rig.scaling.add(1, ['S9']);
      await rig.advance(1000);
      await added;
      assert.equal(rig.replica('S9').instance?.generation, generation, `after ${calls} calls`);
    }
  });

  it('counts as ended where the balancer was killed after it', async () => {
    const rig = await killedAfter(Number.POSITIVE_INFINITY);
    assert.deepEqual([state(rig), ...instances(rig)], [undefined, ...allOf(2)]);
    assert.equal(rig.deploys.status().current.generation, 2);
  });
});

describe('an adopted replica', () => {
  /** Of version 1, with other options than the balancer that finds it has. */
  const left = (): FakeDriver => {
    const driver = new FakeDriver();
    const { instanceId } = driver.leave('S1', 1, { generation: 4 });
    const spec = specWith({ image: 'sha256:one', env: [['VERSION', '1']], cpus: 2 });
    driver.started.set(instanceId, { spec, overrides: { env: [['VERSION', '1']] }, title: 'app:1' });
    return driver;
  };
  const specOf = (rig: FleetRig): ReplicaSpec | undefined =>
    rig.driver.started.get(rig.instanceOf('S1'))?.spec;

  it('is healed with what it was started with', async () => {
    const rig = await FleetRig.of(0, { driver: left() });
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(3000);
    assert.deepEqual(
      [specOf(rig)?.image, specOf(rig)?.env, specOf(rig)?.cpus],
      ['sha256:one', [['VERSION', '1']], 2],
    );
    assert.equal(rig.replica('S1').instance?.generation, 4);
  });

  it('gives new replicas what it was started with', async () => {
    const rig = await FleetRig.of(0, { driver: left() });
    const added = rig.scaling.add(1, ['S2']);
    await rig.advance(1000);
    await added;
    assert.equal(versionOf(rig, 'S2'), '1');
  });

  it('gets the options with a restart, under what was deployed', async () => {
    const rig = await FleetRig.of(0, { driver: left() });
    await rig.deploys.start({ ...RESUME, kind: 'restart' });
    await rig.advance(LONG_MS);
    assert.equal(state(rig), 'done');
    assert.deepEqual(
      [specOf(rig)?.image, specOf(rig)?.env, specOf(rig)?.cpus],
      ['ringlb-replica', [['VERSION', '1']], 0],
    );
    assert.equal(rig.replica('S1').instance?.generation, 5);
  });

  it('follows options that are changed later, but keeps its image', async () => {
    const rig = await FleetRig.of(0, { driver: left() });
    rig.releases.reconfigure(specWith({ cpus: 3 }));
    const { image, cpus, env } = rig.releases.of('S1').spec;
    assert.deepEqual([image, cpus, env], ['sha256:one', 3, [['VERSION', '1']]]);
  });
});

describe('replicas of one generation whose options differ', () => {
  /** S1 and S2 of generation 2 and S3 of 1; the options were changed between the starts of the first two. */
  async function mixed(): Promise<FleetRig> {
    const driver = new FakeDriver();
    for (const [name, id, generation, cpus] of [
      ['S1', 1, 2, 1],
      ['S2', 2, 2, 2],
      ['S3', 3, 1, 3],
    ] as const) {
      const { instanceId } = driver.leave(name, id, { generation });
      driver.started.set(instanceId, { spec: specWith({ cpus }), overrides: {}, title: `v${generation}` });
    }
    return FleetRig.of(0, { driver });
  }
  const cpusOf = (rig: FleetRig): readonly (number | undefined)[] =>
    rig.registry.members.map(({ name }) => rig.driver.started.get(rig.instanceOf(name))?.spec.cpus);

  it('are not replaced where the deploy that began with them is resumed, as its dry run says', async () => {
    const rig = await mixed();
    const { replicas } = await rig.deploys.preview(RESUME);
    assert.deepEqual(
      replicas.map(({ name }) => name),
      ['S3'],
    );
    await rig.deploys.start(RESUME);
    await rig.advance(LONG_MS);
    assert.equal(state(rig), 'done');
    assert.deepEqual(rig.driver.of('start'), ['S3']);
  });

  it('are all taken back with that deploy', async () => {
    const rig = await mixed();
    await rig.deploys.rollBack();
    await rig.advance(LONG_MS);
    assert.deepEqual([state(rig), ...instances(rig)], ['rolled-back', ...allOf(1)]);
  });

  it('each get their own back where a deploy fails', async () => {
    const rig = await mixed();
    rig.driver.failNext('start', 'image-missing', 'S3');
    await rig.deploys.start({ ...CHANGE, env: [['VERSION', '3']] });
    await rig.advance(LONG_MS);
    assert.deepEqual(rig.driver.of('start'), ['S1', 'S2', 'S3', 'S1', 'S2']);
    assert.deepEqual([state(rig), cpusOf(rig)], ['rolled-back', [1, 2, 3]]);
  });
});

describe('a balancer that was started after a deploy had ended', () => {
  it('refuses to go back to what it does not know', async () => {
    const rig = await killedAfter(Number.POSITIVE_INFINITY);
    assert.equal(state(rig), undefined);
    await assert.rejects(rig.deploys.rollBack(), {
      code: 'bad-request',
      message: /started after fake \(generation 2\) was deployed, .* deploy that version by its name/,
    });
  });

  it('goes back to the version from which it deployed itself', async () => {
    const rig = await killedAfter(Number.POSITIVE_INFINITY);
    await rig.deploys.start({ ...CHANGE, env: [['VERSION', '3']] });
    await rig.advance(LONG_MS);
    await rig.deploys.rollBack();
    await rig.advance(LONG_MS);
    assert.deepEqual(rig.releases.current.spec.env, [['VERSION', '2']]);
  });
});
