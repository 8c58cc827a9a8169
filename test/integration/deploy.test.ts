import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DeployStatus, DeployView } from '../../lib/api/deploy.ts';
import { Balancer } from '../helpers/balancer.ts';
import { runCommand } from '../helpers/cli/cli.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

const REPLICA = fileURLToPath(new URL('version-replica.ts', import.meta.url));
const commandOf = (kind: string, version: string): string =>
  `exec "${process.execPath}" "${REPLICA}" ${kind} ${version}`;
const OPTIONS = '--probe-interval 200ms --drain-timeout 2s --start-timeout 20s --load-factor 0';

describe('a deploy over processes', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready(OPTIONS, ['--command', commandOf('good', '1')]);
  });
  after(() => balancer.stop());

  async function status(): Promise<DeployStatus> {
    const { body } = await balancer.askAdmin('GET', '/deploy');
    return (JSON.parse(body) as { message: DeployStatus }).message;
  }

  /** Deploys under load, and gives what came of both. */
  async function deploy(kind: string, version: string, watch = '1s', pauseMs = 10) {
    const load = new SteadyLoad(balancer.publicPort, { path: '/version', clients: 4, pauseMs });
    await load.more(20);
    const body = { command: commandOf(kind, version), watch };
    const started = await balancer.askAdmin('POST', '/deploy', { body });
    assert.equal(started.status, 202, started.body);
    const view = await eventually<DeployView | undefined>('the end of the deploy', async () => {
      const { deploy: seen } = await status();
      return seen !== null && seen.state !== 'running' && seen.state !== 'rolling-back' ? seen : undefined;
    });
    await load.everyone();
    await load.end();
    return { view: view!, load };
  }

  /** The versions that answer, over a few requests to every replica. */
  async function versions(): Promise<readonly string[]> {
    const seen = new Set<string>();
    for (let request = 0; request < 60; request++)
      seen.add((await balancer.ask('GET', '/version', { headers: { 'x-request-id': `${request}` } })).body);
    return [...seen].sort();
  }

  /** Waits until nothing runs beside the replicas. */
  async function assertAlone(): Promise<void> {
    await eventually('the end of what was replaced', async () => (await balancer.replicas()).length === 3);
  }

  it('loses no request with a good version', async () => {
    const { view, load } = await deploy('good', '2');
    assert.equal(view.state, 'done', view.reason ?? '');
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await versions(), ['2']);
    await assertAlone();
  });

  it('moves no key', async () => {
    const { body } = await balancer.askAdmin('GET', '/ring?sample=512');
    const { view } = await deploy('good', '3', '100ms');
    assert.equal(view.state, 'done', view.reason ?? '');
    const after = await balancer.askAdmin('GET', '/ring?sample=512');
    const sampleOf = (text: string) => (JSON.parse(text) as { message: { sample: unknown } }).message.sample;
    assert.deepEqual(sampleOf(after.body), sampleOf(body));
  });

  it('goes back from a version that exits, quoting its last line', async () => {
    const { view, load } = await deploy('exits', '4');
    assert.equal(view.state, 'rolled-back');
    assert.match(view.reason ?? '', /^S\d: exit 3: version 4 cannot start: no such table$/);
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await versions(), ['3']);
    await assertAlone();
  });

  it('goes back from a version that fails half of the requests', async () => {
    const { view, load } = await deploy('errors', '5', '30s');
    assert.equal(view.state, 'rolled-back');
    assert.match(view.reason ?? '', /requests failed/);
    assert.ok(load.failures.every((failure) => failure.startsWith('500 5')));
    assert.deepEqual(await versions(), ['3']);
    await assertAlone();
  });

  it('goes back from a version that is slow', async () => {
    const { view, load } = await deploy('slow', '6', '30s', 1);
    assert.equal(view.state, 'rolled-back');
    assert.match(view.reason ?? '', /its (p99|median) is \d+ ms/);
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await versions(), ['3']);
    await assertAlone();
  });

  it('goes back from a version that dies after a while', async () => {
    const { view, load } = await deploy('dies', '7', '30s', 100);
    assert.equal(view.state, 'rolled-back');
    assert.match(view.reason ?? '', /exit 4: version 7 has a leak/);
    assert.deepEqual(load.failures, []);
    assert.deepEqual(await versions(), ['3']);
    await assertAlone();
  });

  it('is refused while another is under way, telling how far', async () => {
    const body = { restart: true, watch: '1m' };
    assert.equal((await balancer.askAdmin('POST', '/deploy', { body })).status, 202);
    const second = await balancer.askAdmin('POST', '/deploy', { body });
    assert.equal(second.status, 409);
    assert.match(second.body, /is running \(0 of 3 replicas done\)/);
    const ended = await runCommand(balancer.adminPort, ['rollback']);
    assert.equal(ended.exitStatus, 0, ended.notes.join());
    assert.match(ended.lines.at(-1)!, /rolled-back.*operator/);
    await assertAlone();
  });

  it('is followed by the command, which exits 1 on a rollback', async () => {
    const bad = await runCommand(balancer.adminPort, [
      'deploy',
      '--command',
      commandOf('exits', '8'),
      '--watch',
      '1s',
    ]);
    assert.equal(bad.exitStatus, 1);
    assert.match(bad.lines.at(-1)!, /rolled-back/);
    const good = await runCommand(balancer.adminPort, ['deploy', '--restart', '--watch', '100ms']);
    assert.equal(good.exitStatus, 0, good.notes.join());
    assert.match(good.lines.at(-1)!, /done/);
  });

  it('goes back to the version before with the command', async () => {
    await deploy('good', '9', '100ms');
    assert.deepEqual(await versions(), ['9']);
    const back = await runCommand(balancer.adminPort, ['rollback']);
    assert.equal(back.exitStatus, 0, back.notes.join());
    assert.deepEqual(await versions(), ['3']);
  });

  it('is counted, and shows what each replica runs', async () => {
    const { body } = await balancer.askAdmin('GET', '/metrics');
    assert.match(body, /^ringlb_deploy_total\{result="done"\} [1-9]/m);
    assert.match(body, /^ringlb_deploy_total\{result="rolled-back"\} [1-9]/m);
    assert.match(body, /^ringlb_replica_info\{replica="S1",image="",generation="\d+"\} 1$/m);
  });
});

describe('a deploy of a version that never listens', () => {
  it('goes back once the start timeout is over', async () => {
    const balancer = await Balancer.ready('--probe-interval 200ms --start-timeout 10s', [
      '--command',
      commandOf('good', '1'),
    ]);
    const { exitStatus, lines } = await runCommand(balancer.adminPort, [
      'deploy',
      '--command',
      commandOf('silent', '2'),
    ]);
    await balancer.stop();
    assert.equal(exitStatus, 1);
    assert.match(lines.at(-1)!, /not healthy within 10000 ms/);
  });
});
