/** The balancer killed and started again over containers, and two of them at one pool. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Balancer, ROOT } from './balancer.ts';
import type { FaultCase } from './fault-case.ts';
import { REPLICAS, type Stage } from './stage.ts';
import { ask, Traffic } from './traffic.ts';

const run = promisify(execFile);
const IMAGE = 'ringlb-replica:test';
const POINTS = 20;

async function docker(...args: readonly string[]): Promise<string> {
  return (await run('docker', args)).stdout.trim();
}

let isBuilt = false;

/** A pool of its own, and the options of a balancer for it. */
function pool(stage: Stage): { readonly name: string; readonly options: readonly string[] } {
  if (!isBuilt) {
    const build = ['build', '--quiet', '--force-rm', '--tag', IMAGE, '--target', 'replica', ROOT];
    execFileSync('docker', build, { stdio: 'ignore' });
    isBuilt = true;
  }
  const name = `ringlb-test-faults-${randomBytes(4).toString('hex')}`;
  stage.after(async () => {
    for (const [list, remove] of [
      [
        ['ps', '--all'],
        ['rm', '--force', '--volumes'],
      ],
      [
        ['network', 'ls'],
        ['network', 'rm'],
      ],
      [
        ['volume', 'ls'],
        ['volume', 'rm', '--force'],
      ],
    ] as const) {
      const ids = await docker(...list, '--quiet', '--filter', `label=ringlb.pool=${name}`);
      if (ids !== '') await docker(...remove, ...ids.split('\n'));
    }
  });
  const names = ['--container-prefix', `${name}-`, '--network', name, '--pool', name];
  const options = ['--driver', 'docker', '--image', IMAGE, ...names, '--probe-interval', '500ms'];
  return { name, options: ['--port', '0', '--admin-port', '0', '--workers', '1', ...options] };
}

/** Names of the containers of the pool that stand in a replica's place, running or not. */
async function containers(name: string): Promise<readonly string[]> {
  const format = '{{.Label "ringlb.name"}} {{.Names}}';
  const listed = await docker('ps', '--all', '--filter', `label=ringlb.pool=${name}`, '--format', format);
  return listed.split('\n').filter(Boolean).sort();
}

/** What is wrong with the containers of the pool once all has settled; undefined where each replica has one. */
async function leftOver(balancer: Balancer, name: string): Promise<string | undefined> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const names = (await balancer.replicas()).map((replica) => replica.name).sort();
    const found = (await containers(name)).map((line) => line.split(' ')[0]!);
    if (names.join() === found.join()) return undefined;
    if (performance.now() > deadline) return `replicas ${names.join(' ')}, containers ${found.join(' ')}`;
    await delay(200);
  }
}

const f5: FaultCase = {
  id: 'F5',
  title: 'the balancer killed (-9) and started again, over containers',
  needsDocker: true,
  async run(stage) {
    const { name, options } = pool(stage);
    const first = await Balancer.start({ options });
    await first.untilWhole(REPLICAS, 60_000);
    const before = await containers(name);
    const port = first.port;
    const traffic = new Traffic(port, { getsPerSecond: 100, postsPerSecond: 0 });
    await stage.run(2000);
    // what is in flight in the moment of its death is lost with any process, so nothing is
    traffic.isHeld = true;
    await delay(300);
    await first.kill();
    const sinceMs = performance.now();
    const second = await Balancer.start({ options: [...options, '--port', String(port)] });
    stage.after(() => second.stop());
    const backMs = Math.round(performance.now() - sinceMs);
    traffic.isHeld = false;
    await stage.run(2000);
    await second.untilWhole(REPLICAS);
    await traffic.end();
    const isSame = (await containers(name)).join() === before.join();
    const problems = isSame ? [] : ['containers were not adopted as they were'];
    return { traffic, note: `ready again after ${backMs} ms, same containers`, problems };
  },
};

const f6: FaultCase = {
  id: 'F6',
  title: `the same in the middle of /add and /rm, at ${POINTS} points`,
  needsDocker: true,
  async run(stage) {
    const { name, options } = pool(stage);
    const points = Math.max(2, Math.round(POINTS * stage.scale));
    const problems: string[] = [];
    let balancer = await Balancer.start({ options });
    stage.after(() => balancer.stop());
    await balancer.untilWhole(REPLICAS, 60_000);
    for (let point = 0; point < points; point++) {
      const isAdd = (await balancer.replicas()).length <= REPLICAS;
      const [method, path] = isAdd ? ['POST', '/add'] : ['DELETE', '/rm'];
      const changing = ask(balancer.port, method!, path!, { body: '{"n":2}' }).catch(() => {});
      await delay(40 + point * 60);
      await balancer.kill();
      await changing;
      balancer = await Balancer.start({ options });
      const wrong = await leftOver(balancer, name);
      if (wrong !== undefined) problems.push(`point ${point} (${path}): ${wrong}`);
      await balancer.untilWhole((await balancer.replicas()).length);
      await ask(balancer.port, 'GET', '/home');
    }
    return { sent: points, lost: 0, note: 'containers and replicas agree each time', problems };
  },
};

const f34: FaultCase = {
  id: 'F34',
  title: 'a second balancer at the same pool',
  needsDocker: true,
  async run(stage) {
    const { name, options } = pool(stage);
    const first = await Balancer.start({ options });
    stage.after(() => first.stop());
    await first.untilWhole(REPLICAS, 60_000);
    const before = await containers(name);
    const traffic = new Traffic(first.port, { getsPerSecond: 100, postsPerSecond: 0 });
    const refusal = await Balancer.start({ options }).then(
      async (second) => {
        await second.kill();
        return 'it was not refused';
      },
      (error: Error) => error.message,
    );
    await stage.run(2000);
    await traffic.end();
    const problems = [
      ...(/pool/.test(refusal) && !refusal.includes('not refused') ? [] : [refusal]),
      ...((await containers(name)).join() === before.join() ? [] : ['the first lost containers']),
    ];
    return { traffic, note: 'refused, the first goes on', problems };
  },
};

export const RESTARTS: readonly FaultCase[] = [f5, f6, f34];
