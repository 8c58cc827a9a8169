/** The whole balancer over real containers: what it starts, and how it heals while clients go on asking. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { messageOf } from '../../lib/platform/errors.ts';
import { docker, ensureReplicaImage, freshName, pause, skipDocker } from '../helpers/docker/docker.ts';
import {
  add,
  healthy,
  instances,
  names,
  noneLost,
  placement,
  replaced,
  Stage,
  until,
} from '../helpers/docker/stage.ts';

describe('a balancer over containers', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(ensureReplicaImage);

  it('runs each replica as an unprivileged container of its name', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    assert.equal((await names(balancer)).length, 3);
    await stage.settled(balancer);
    for (const { name, id, instance } of await balancer.replicas()) {
      const { Config, HostConfig, NetworkSettings } = await inspect(name);
      assert.equal(Config.Hostname, name);
      assert.ok(Config.Env.includes(`SERVER_ID=${name}`), `${name} is told its id`);
      assert.ok(NetworkSettings.Networks[stage.pool]?.Aliases.includes(name), `${name} is an alias`);
      assert.deepEqual(
        Object.entries(Config.Labels).filter(([label]) => /^ringlb\.(pool|name|id)$/.test(label)),
        Object.entries({ 'ringlb.id': String(id), 'ringlb.name': name, 'ringlb.pool': stage.pool }),
      );
      const { CapDrop, SecurityOpt, ReadonlyRootfs, Privileged } = HostConfig;
      assert.deepEqual({ CapDrop, SecurityOpt, ReadonlyRootfs, Privileged }, BARE);
      assert.deepEqual(
        { ...HostConfig.PortBindings, ...HostConfig.Binds },
        {},
        'nothing is published or mounted',
      );
      assert.ok(HostConfig.Memory > 0 && HostConfig.PidsLimit > 0, `${name} has limits`);
      assert.doesNotMatch(Config.User, /^(root|0)?(:|$)/);
      assert.equal((await inspect(instance ?? '')).Id, instance);
    }
  });

  it('serves through all of its replicas', async (t) => {
    const balancer = await new Stage(t).serve();
    const expected = (await names(balancer)).map((name) => `Hello from Server: ${name}`);
    const heard = new Set<string>();
    await until('an answer from each', async () => {
      const { status, body } = await balancer.ask('GET', '/home');
      assert.equal(status, 200);
      heard.add((JSON.parse(body) as { message: string }).message);
      return heard.size === expected.length;
    });
    assert.deepEqual([...heard].sort(), expected.sort());
  });

  it('replaces a killed replica, whatever its history, without losing a request', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const load = stage.load(balancer);
    const added = freshName();
    assert.equal((await add(balancer, added)).status, 200);
    const all = await names(balancer);
    const before = await placement(balancer);
    for (const name of [all[0]!, added, all[0]!]) {
      const victim = await balancer.replica(name);
      await docker('kill', name);
      const { id, restarts } = await replaced(balancer, victim, 4);
      assert.deepEqual([id, restarts], [victim.id, victim.restarts + 1]);
      assert.deepEqual(await placement(balancer), before);
    }
    await noneLost(load);
    assert.deepEqual(await names(balancer), all);
    await stage.settled(balancer);
  });

  it('renames a killed replica in the classic profile', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve({ args: '--classic' });
    const load = stage.load(balancer);
    for (let kill = 0; kill < 3; kill++) {
      const [victim = ''] = await names(balancer);
      const { id } = await balancer.replica(victim);
      await docker('kill', victim);
      await until('its name has gone', async () => !(await names(balancer)).includes(victim));
      assert.equal((await names(balancer)).length, 3);
      const [substitute] = (await healthy(balancer, 3)).slice(-1);
      assert.match(substitute!.name, /^S\d{6}$/);
      assert.equal(substitute!.id, id);
    }
    await noneLost(load);
    await stage.settled(balancer);
  });

  it('refuses fleet changes from its own containers alone', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const [name = ''] = await names(balancer);
    const { Gateway } = (await inspect(name)).NetworkSettings.Networks[stage.pool]!;
    const ask = (method: string, path: string) =>
      docker('exec', name, 'node', '-e', asking(method, `http://${Gateway}:${balancer.publicPort}${path}`));
    assert.match(await ask('POST', '/add'), /^403 .*This is the address of a replica/);
    assert.match(await ask('DELETE', '/rm'), /^403 /);
    assert.match(await ask('PUT', '/scale'), /^403 /);
    assert.match(await ask('GET', '/rep'), /^200 .*"N":3,/);
    assert.equal((await names(balancer)).length, 3);
    assert.equal((await balancer.ask('PUT', '/scale', { body: { n: 2 } })).status, 200);
  });

  it('replaces all of them when all are killed at once', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const before = await placement(balancer);
    const victims = await balancer.replicas();
    await docker('kill', ...victims.map(({ name }) => name));
    for (const victim of victims) await replaced(balancer, victim);
    assert.deepEqual(await placement(balancer), before);
    assert.equal((await balancer.ask('GET', '/home')).status, 200);
    await stage.settled(balancer);
  });

  it('replaces a hanging replica without losing a request', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve({ args: '--probe-interval 200ms --probe-timeout 1s' });
    const load = stage.load(balancer);
    const victim = (await balancer.replicas())[1]!;
    await pause(victim.name);
    await replaced(balancer, victim);
    await noneLost(load);
    const causes = balancer.lines.filter(({ replica }) => replica === victim.name).map(({ cause }) => cause);
    assert.ok(causes.some((cause) => /^probes failed: no response in 1000 ms$/.test(cause ?? '')));
    await stage.settled(balancer);
  });

  it('replaces a container stopped or removed by hand, losing no request', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve();
    const load = stage.load(balancer);
    const before = await placement(balancer);
    const [removed, stopped, untouched] = await balancer.replicas();
    await removeByHand(removed!.instance!);
    await replaced(balancer, removed!);
    await docker('stop', stopped!.name);
    await replaced(balancer, stopped!);
    await noneLost(load);
    assert.deepEqual(await placement(balancer), before);
    assert.equal((await instances(balancer))[untouched!.name], untouched!.instance);
    await stage.settled(balancer);
  });
});

/** Removes it by force, once more where the engine trips over its own last notes on how it ended (moby issue 52161). */
async function removeByHand(id: string): Promise<void> {
  await docker('rm', '--force', id).catch(async (error: unknown) => {
    assert.match(messageOf(error), /unable to remove filesystem/i);
    // by then the balancer may have taken it away
    await docker('rm', '--force', id).catch((again) => assert.match(messageOf(again), /No such container/));
  });
}

/** What a container is given that has no more than it needs. */
const BARE = {
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  ReadonlyRootfs: true,
  Privileged: false,
};

/** The parts of an inspected container that are looked at here. */
interface Inspected {
  readonly Id: string;
  readonly Config: {
    readonly Hostname: string;
    readonly User: string;
    readonly Env: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly HostConfig: {
    readonly CapDrop: readonly string[];
    readonly SecurityOpt: readonly string[];
    readonly ReadonlyRootfs: boolean;
    readonly Privileged: boolean;
    readonly PortBindings: object | null;
    readonly Binds: readonly string[] | null;
    readonly Memory: number;
    readonly PidsLimit: number;
  };
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<string, { readonly Aliases: readonly string[]; readonly Gateway: string } | undefined>
    >;
  };
}

async function inspect(nameOrId: string): Promise<Inspected> {
  const [found] = JSON.parse(await docker('inspect', nameOrId)) as Inspected[];
  return found!;
}

/** A program that sends `{"n":1}` there, and prints the status and the answer. */
function asking(method: string, url: string): string {
  const options = JSON.stringify({ method, ...(method !== 'GET' && { body: '{"n":1}' }) });
  return `fetch('${url}', ${options}).then(async (r) => console.log(r.status, await r.text()))`;
}
