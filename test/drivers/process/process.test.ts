import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, describe, it } from 'node:test';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import type { Driver, Hint, Instance } from '../../../lib/drivers/driver.ts';
import { ChildCgroups } from '../../../lib/drivers/process/child-cgroups.ts';
import { createProcessDriver } from '../../../lib/drivers/process/process.ts';
import { specHash } from '../../../lib/drivers/spec-hash.ts';
import { get } from '../../helpers/drivers/replica-client.ts';
import { eventually } from '../../helpers/eventually.ts';
import { endingIn } from '../../helpers/fleet/endings.ts';
import { noOutput } from '../../helpers/no-output.ts';
import { groupOf, leaderOf, membersOf } from '../../helpers/processes.ts';
import { type SpecDriver, specWith, withSpec } from '../../helpers/replica-spec.ts';
import { skipUnless, skipWithoutProc, skipWithoutPython } from '../../helpers/skip.ts';

const PLACE = { name: 'S1', id: 1 };
/** The column of /proc/PID/stat with the scheduling policy; neither `sleep` nor `sh` has a blank in its name. */
const POLICY = 40;
const [SCHED_OTHER, SCHED_IDLE] = ['0', '5'];
const directory = mkdtempSync(join(tmpdir(), 'ringlb-test-'));
const drivers: Driver[] = [];
const parents: ChildProcess[] = [];
let files = 0;

after(() => rmSync(directory, { recursive: true }));
afterEach(async () => {
  for (const parent of parents.splice(0)) parent.kill('SIGKILL');
  await Promise.all(drivers.splice(0).map((driver) => driver.close(false)));
});

function driverOf(command: string, fields: Partial<ReplicaSpec> = {}): SpecDriver {
  const spec = specWith({ ...fields, command });
  const driver = withSpec(createProcessDriver({ spec, openOutput: noOutput }), spec);
  drivers.push(driver);
  return driver;
}

/** A path that no test used, for a command to write to. */
const freshFile = (): string => join(directory, String(++files));

const written = (path: string): Promise<string> =>
  eventually(`something in ${path}`, () =>
    existsSync(path) ? readFileSync(path, 'utf8') || undefined : undefined,
  );

/** Starts the command and waits for its end, in the words of `list`. */
async function endingOf(command: string): Promise<string | undefined> {
  const driver = driverOf(command);
  await driver.start(PLACE);
  const dead = (instance: Instance) => instance.status === 'dead' && instance.ending?.text.includes(':');
  return (await eventually('its end', async () => (await driver.list()).find(dead))).ending?.text;
}

/** Runs the command `count` times under a balancer of its own; gives that one's process and the leaders' ids. */
async function startUnderParent(
  command: string,
  count: number,
): Promise<{ parent: ChildProcess; leaders: number[] }> {
  const program = join(import.meta.dirname, './parent.ts');
  const parent = spawn(process.execPath, [program, command, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  parents.push(parent);
  for await (const line of createInterface(parent.stdout!))
    return { parent, leaders: line.split(' ').map(Number) };
  throw new Error('the parent ended without a line');
}

const groupGone = (leader: number) =>
  eventually(`the end of group ${leader}`, () => groupOf(leader).length === 0);

describe('a command as a replica', () => {
  it('is served by python as it is', { skip: skipWithoutPython }, async () => {
    const instance = await driverOf('exec python3 -m http.server --bind 127.0.0.1 $PORT').start(PLACE);
    const answer = () => get(instance.endpoint!, '/');
    assert.equal((await eventually('an answer from python', answer)).status, 200);
  });

  it('gets its name, its port and a loopback address', async () => {
    const file = freshFile();
    const instance = await driverOf(`echo "$SERVER_ID $PORT $HOST" > ${file}; sleep 1000`).start(PLACE);
    assert.equal(await written(file), `S1 ${instance.endpoint!.port} 127.0.0.1\n`);
  });

  it('gets our environment without our options', async (t) => {
    const file = freshFile();
    t.after(() => {
      for (const name of ['LB_ADMIN_TOKEN', 'LB_ANYTHING', 'TEST_LB_OTHER']) delete process.env[name];
    });
    process.env.LB_ADMIN_TOKEN = 'secret';
    process.env.LB_ANYTHING = 'secret';
    process.env.TEST_LB_OTHER = 'kept';
    await driverOf(`env > ${file}.part; mv ${file}.part ${file}; sleep 1000`).start(PLACE);
    const names = (await written(file)).split('\n').map((line) => line.replace(/=.*/, ''));
    assert.deepEqual(
      names.filter((name) => name.startsWith('LB_')),
      [],
    );
    assert.ok(names.includes('TEST_LB_OTHER') && names.includes('PATH'));
  });

  it('has the process id and exit status the driver reports', async () => {
    const file = freshFile();
    const driver = driverOf(`exec sh -c 'echo $$ > ${file}; read -r line < /dev/zero'`);
    const instance = await driver.start(PLACE);
    assert.equal(Number(await written(file)), leaderOf(instance));
  });

  it('does not inherit the pipe that ends it', {
    skip: skipWithoutProc,
  }, async () => {
    const file = freshFile();
    await driverOf(`readlink /proc/$$/fd/3 > ${file}; echo "none at 3" >> ${file}; sleep 1000`).start(PLACE);
    assert.equal(await written(file), 'none at 3\n');
  });

  for (const [stream, number] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    it(`may write to ${stream} without end`, async () => {
      const file = freshFile();
      const command = `head -c 2000000 /dev/zero >&${number}; echo done > ${file}; sleep 1000`;
      await driverOf(command).start(PLACE);
      assert.equal(await written(file), 'done\n');
    });
  }
});

describe('a command with a spec', () => {
  it('gets its variables over those of the balancer, templates filled in', async () => {
    const file = freshFile();
    const env = [
      ['MODE', 'blue'],
      ['URL', 'http://{name}:{port}/{index}'],
      ['HOST', '0.0.0.0'],
    ] as const;
    const instance = await driverOf(`echo "$MODE $URL $HOST {name}" > ${file}; sleep 1000`, { env }).start(
      PLACE,
    );
    assert.equal(await written(file), `blue http://S1:${instance.endpoint!.port}/1 0.0.0.0 S1\n`);
  });

  it('runs in its working directory', async () => {
    const file = freshFile();
    await driverOf(`pwd > ${file}; sleep 1000`, { workdir: directory }).start(PLACE);
    assert.equal(await written(file), `${directory}\n`);
  });

  it('is refused where there is no such directory, before anything starts', async () => {
    const driver = driverOf('sleep 1000', { workdir: '/no/such' });
    const refusal = { code: 'start-failed', message: /--workdir must be a directory.*\/no\/such/ };
    await assert.rejects(driver.open(), refusal);
    await assert.rejects(driver.start(PLACE), refusal);
  });

  it('is asked to end by its stop signal', async () => {
    const [ready, file] = [freshFile(), freshFile()];
    const command = `trap 'echo QUIT > ${file}; exit' QUIT; trap '' TERM; echo ready > ${ready}; while :; do sleep 0.05; done`;
    const driver = driverOf(command, { stopSignal: 'SIGQUIT' });
    const { instanceId } = await driver.start(PLACE);
    await written(ready);
    await driver.remove(instanceId, 600_000);
    assert.equal(await written(file), 'QUIT\n');
  });

  it('enters its cgroup before it runs', { skip: skipWithoutProc }, async () => {
    const root = join(directory, 'cgroup');
    mkdirSync(root);
    writeFileSync(join(root, 'cgroup.controllers'), 'memory');
    const spec = specWith({ command: 'sleep 1000', memoryBytes: 2 ** 26 });
    const driver = createProcessDriver({ spec, cgroups: new ChildCgroups(() => root), openOutput: noOutput });
    drivers.push(driver);
    const instance = await driver.start(PLACE, spec);
    const entered = join(root, `ringlb-${process.pid}-1`, 'cgroup.procs');
    assert.equal(Number(await written(entered)), leaderOf(instance));
  });

  it('runs what a later spec says, whose hash is listed', async () => {
    const [one, two] = [freshFile(), freshFile()];
    const driver = driverOf(`echo one > ${one}; sleep 1000`);
    const spec = specWith({ command: `echo two > ${two}; sleep 1000` });
    const first = await driver.start(PLACE);
    const second = await driver.start({ name: 'S2', id: 2 }, spec);
    assert.equal(await written(one), 'one\n');
    assert.equal(await written(two), 'two\n');
    assert.equal(second.spec, specHash(spec));
    assert.deepEqual(
      (await driver.list()).map((listed) => listed.spec),
      [first.spec, second.spec],
    );
  });
});

describe('a command that fails', () => {
  it('reports its exit status and last line on stderr', async () => {
    assert.equal(await endingOf('echo first >&2; echo it is broken >&2; exit 3'), 'exit 3: it is broken');
  });

  it('reports that the shell did not find it', async () => {
    assert.match(
      (await endingOf('no-such-command-here')) ?? '',
      /^exit 127: .*no-such-command-here.*not found/,
    );
  });

  it('reports its stdout if stderr is empty', async () => {
    assert.equal(await endingOf('echo no licence; exit 3'), 'exit 3: no licence');
  });

  it('reports its last output even at the moment of its exit', async () => {
    const driver = driverOf('head -c 100000 /dev/zero | tr "\\0" "\\n" >&2; echo it is broken >&2; exit 3');
    const ending = new Promise<string | undefined>((resolve) =>
      driver.watch((hint) => {
        if (hint.kind !== 'died') return;
        void driver.endingOf(hint.instanceId).then((full) => resolve(full?.text));
      }),
    );
    await driver.start(PLACE);
    assert.equal(await ending, 'exit 3: it is broken');
  });

  it('reports its end while another process holds its output', async (t) => {
    const ready = freshFile();
    const driver = driverOf(`setsid sleep 20 & echo $! > ${ready}; echo it is broken >&2; exit 3`);
    const { instanceId } = await driver.start(PLACE);
    // the output that it holds would keep this process alive
    t.after(() => process.kill(Number(readFileSync(ready, 'utf8'))));
    await eventually('its end', async () => (await driver.list())[0]?.status === 'dead');
    assert.equal((await driver.endingOf(instanceId))?.text, 'exit 3: it is broken');
  });

  it('causes a hint', async () => {
    const hints: Hint[] = [];
    const driver = driverOf('exit 4');
    driver.watch((hint) => hints.push(hint));
    const { instanceId } = await driver.start(PLACE);
    await eventually('a hint', () => hints.length > 0);
    assert.deepEqual(hints, [{ kind: 'died', instanceId, ending: endingIn('exit 4') }]);
  });

  it('fails as start-failed when the system refuses the process', async () => {
    const driver = driverOf(`: ${'x'.repeat(4_000_000)}`);
    await assert.rejects(driver.start(PLACE), { code: 'start-failed' });
    assert.deepEqual(await driver.list(), []);
  });
});

describe('removing a command', () => {
  it('gives the grace period to the whole group', async () => {
    const [ready, ended] = [freshFile(), freshFile()];
    const driver = driverOf(
      `sh -c 'trap "sleep 0.3; echo ended > ${ended}; exit" TERM; echo ready > ${ready}; while :; do sleep 0.05; done' & wait`,
    );
    const instance = await driver.start(PLACE);
    await written(ready);
    await driver.remove(instance.instanceId, 60_000);
    assert.equal(readFileSync(ended, 'utf8'), 'ended\n');
    await groupGone(leaderOf(instance));
  });

  it('kills the whole group after the grace period', async () => {
    const ready = freshFile();
    const driver = driverOf(`trap '' TERM; sleep 1000 & echo ready > ${ready}; while :; do sleep 0.05; done`);
    const instance = await driver.start(PLACE);
    await written(ready);
    await driver.remove(instance.instanceId, 50);
    await groupGone(leaderOf(instance));
  });

  it('kills what outlives its leader after the grace period', async () => {
    const ready = freshFile();
    const deaf = `trap "" TERM; echo ready > ${ready}; while :; do sleep 0.05; done`;
    const driver = driverOf(`sh -c '${deaf}' & wait`);
    const instance = await driver.start(PLACE);
    await written(ready);
    await driver.remove(instance.instanceId, 50);
    await groupGone(leaderOf(instance));
  });

  it('removes a suspended one within its grace period', async () => {
    const driver = driverOf('');
    const instance = await driver.start(PLACE);
    process.kill(leaderOf(instance), 'SIGSTOP');
    await driver.remove(instance.instanceId, 50);
    await groupGone(leaderOf(instance));
  });

  it('leaves nothing of a command whose leader alone was killed', async () => {
    const ready = freshFile();
    const instance = await driverOf(`sleep 1000 & echo ready > ${ready}; wait`).start(PLACE);
    await written(ready);
    // the shell has forked by then, but may not have become `sleep`
    await eventually('a child', () => groupOf(leaderOf(instance)).some((line) => line.startsWith('sleep')));
    process.kill(leaderOf(instance), 'SIGKILL');
    await groupGone(leaderOf(instance));
  });

  it('goes before the balancer when memory runs out, its watcher as well', {
    skip: skipWithoutProc,
  }, async () => {
    const ready = freshFile();
    const instance = await driverOf(`sleep 1000 & echo ready > ${ready}; wait`).start(PLACE);
    await written(ready);
    const scores = membersOf(leaderOf(instance)).map(({ pid }) =>
      readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'),
    );
    assert.ok(scores.length >= 3);
    assert.deepEqual(new Set(scores), new Set(['1000\n']));
  });

  it('has a watcher that dies slowly where memory runs out', {
    skip: skipUnless(spawnSync('chrt', ['-i', '0', 'true']).status === 0, 'no chrt'),
  }, async () => {
    const ready = freshFile();
    const instance = await driverOf(`echo ready > ${ready}; exec sleep 1000`).start(PLACE);
    await written(ready);
    const leader = leaderOf(instance);
    const policyOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ')[POLICY];
    await eventually('an idle watcher', () => {
      const watcher = membersOf(leader).find(({ pid }) => pid !== leader);
      return watcher !== undefined && policyOf(watcher.pid) === SCHED_IDLE;
    });
    assert.equal(policyOf(leader), SCHED_OTHER);
  });

  it('ends where its watcher is killed', async () => {
    const ready = freshFile();
    const driver = driverOf(`echo ready > ${ready}; exec sleep 1000`);
    const instance = await driver.start(PLACE);
    await written(ready);
    const leader = leaderOf(instance);
    const watcher = await eventually('its watcher', () =>
      membersOf(leader).find(({ pid }) => pid !== leader),
    );
    process.kill(watcher!.pid, 'SIGKILL');
    await groupGone(leader);
    // the driver learns of an end by a signal, which may come later than /proc shows it
    await eventually('it is dead', async () => (await driver.list())[0]?.status === 'dead');
  });

  it('refuses a start once the driver is closed, and leaves nothing', async () => {
    const driver = driverOf('sleep 1000');
    await driver.close(false);
    await assert.rejects(driver.start(PLACE), { code: 'start-failed' });
    assert.deepEqual(await driver.list(), []);
  });
});

describe('when the balancer is killed', () => {
  it('its sample replicas end', async () => {
    const { parent, leaders } = await startUnderParent('', 3);
    assert.equal(leaders.length, 3);
    parent.kill('SIGKILL');
    for (const leader of leaders) await groupGone(leader);
  });

  it('commands end with their children, even if they ignore signals', async () => {
    const ready = freshFile();
    const command = `trap '' TERM HUP; sleep 1000 & echo ready > ${ready}; while :; do sleep 0.05; done`;
    const { parent, leaders } = await startUnderParent(command, 2);
    await written(ready);
    parent.kill('SIGKILL');
    for (const leader of leaders) await groupGone(leader);
  });

  it('a stopped replica ends too', async () => {
    const ready = freshFile();
    const { parent, leaders } = await startUnderParent(`echo ready > ${ready}; sleep 1000`, 1);
    await written(ready);
    process.kill(leaders[0]!, 'SIGSTOP');
    parent.kill('SIGKILL');
    await groupGone(leaders[0]!);
  });
});
