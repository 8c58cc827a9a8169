/** Replicas that die, hang or never come up, on child processes. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultCase, Found } from './fault-case.ts';
import { REPLICAS, type Stage } from './stage.ts';
import { ask, Traffic } from './traffic.ts';

/** Kills so many replicas at once under traffic, and waits until all are back. */
async function killSome(stage: Stage, count: number): Promise<Found> {
  const balancer = await stage.balancer();
  const traffic = new Traffic(balancer.port);
  await stage.run(2000);
  const pids = [...(await balancer.pids()).values()];
  for (const pid of pids.slice(0, count)) process.kill(pid, 'SIGKILL');
  await balancer.untilEvent('died');
  const wholeMs = await balancer.untilWhole(REPLICAS);
  await stage.run(2000);
  await traffic.end();
  return { traffic, note: `whole after ${wholeMs} ms` };
}

/** The loss of all replicas at once is seen by what is in flight, and by what finds nobody until the first is back. */
const ALL_DEAD = 60;

const f1: FaultCase = { id: 'F1', title: 'one of three replicas killed', run: (stage) => killSome(stage, 1) };
const f2: FaultCase = { id: 'F2', title: 'two of three killed', run: (stage) => killSome(stage, 2) };
const f3: FaultCase = {
  id: 'F3',
  title: 'all three killed',
  mayLose: { gets: ALL_DEAD, why: 'what every replica was working on when it died has nobody left to try' },
  run: (stage) => killSome(stage, 3),
};

const f4: FaultCase = {
  id: 'F4',
  title: 'one replica exits 0.4 s after each start',
  async run(stage) {
    const balancer = await stage.balancer([], { env: { FAULT_CRASHES: 'S2' } });
    await balancer.untilEvent('healthy');
    const traffic = new Traffic(balancer.port);
    await stage.run(12_000);
    await traffic.end();
    const { restarts } = await balancer.replica('S2');
    const problems = restarts > 6 ? [`${restarts} restarts in 12 s: it is not slowed down`] : [];
    return { traffic, note: `${restarts} restarts`, problems };
  },
};

const f7: FaultCase = {
  id: 'F7',
  title: 'one replica stopped (SIGSTOP) for 8 s',
  async run(stage) {
    const balancer = await stage.balancer();
    const traffic = new Traffic(balancer.port);
    await stage.run(1000);
    const pid = (await balancer.pids()).get('S2')!;
    process.kill(pid, 'SIGSTOP');
    await delay(8000);
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // it has been replaced
    }
    await balancer.untilWhole(REPLICAS);
    await traffic.end();
    const { restarts } = await balancer.replica('S2');
    return { traffic, note: `replaced ${restarts} time${restarts === 1 ? '' : 's'}` };
  },
};

/** An `/add` that fails in this way: it must say so, and leave nothing. */
async function failStart(stage: Stage, fault: string, said: RegExp): Promise<string | undefined> {
  const balancer = await stage.balancer(['--start-timeout', '4s']);
  const file = join(stage.dir, 'start-fault');
  writeFileSync(file, fault);
  const told = await ask(balancer.port, 'POST', '/add', { body: '{"n":2}' }).then(
    () => 'it was added',
    (error: Error) => error.message,
  );
  rmSync(file);
  await balancer.untilWhole(REPLICAS);
  const names = await ask(balancer.port, 'GET', '/rep');
  await balancer.stop();
  if (!said.test(told)) return `${fault}: /add says ${told}`;
  return names.includes('"N":3') ? undefined : `${fault}: ${names}`;
}

const f16: FaultCase = {
  id: 'F16',
  title: 'a start that fails: exits with a reason, port taken, killed for memory',
  async run(stage) {
    const problems = [
      await failStart(stage, 'cannot find the database', /cannot find the database/),
      await failStart(stage, 'listen EADDRINUSE: address already in use 127.0.0.1', /EADDRINUSE/),
      await failStart(stage, 'memory', /SIGKILL|memory/),
    ].filter((problem) => problem !== undefined);
    return { sent: 3, lost: 0, note: '/add responds with the reason, three replicas stay', problems };
  },
};

export const DEATHS: readonly FaultCase[] = [f1, f2, f3, f4, f7, f16];
