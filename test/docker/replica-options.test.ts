/** What containers are given by the options, with stock images and real mounts, limits and users. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ReplicaSpec } from '../../lib/core/replica-spec.ts';
import type { Instance } from '../../lib/drivers/driver.ts';
import { removeAll } from '../contract/driver-suite.ts';
import type { Balancer } from '../helpers/balancer.ts';
import {
  buildImage,
  cleanUp,
  docker,
  freshName,
  freshPool,
  makeDriver,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { add, healthy, names, replaced, Stage } from '../helpers/docker/stage.ts';
import { get } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';

/** Answers any path with what it was given. */
const REPORTER = `
  const { existsSync, readFileSync, writeFileSync } = require('fs');
  const read = (path) => existsSync(path) ? readFileSync(path, 'utf8') : null;
  process.on('SIGUSR2', () => process.exit(0));
  require('http').createServer((request, response) => {
    if (request.url === '/write') writeFileSync('/data/file', process.env.SERVER_ID);
    const { SERVER_ID, PORT, NODE_VERSION, HOME, PATH, YARN_VERSION, HOSTNAME, ...env } = process.env;
    const memory = process.constrainedMemory();
    response.end(JSON.stringify({
      env, memory, secret: read('/run/secrets/db'), file: read('/data/file'),
      args: process.argv.slice(1), workdir: process.cwd(), uid: process.getuid(),
    }));
  }).listen(process.env.PORT)`;
const REPORTER_IMAGE = `${freshPool()}-reporter`;
const NGINX_IMAGE = `${freshPool()}-nginx`;
const SECRET = 'correct horse battery';

interface Report {
  readonly env: Readonly<Record<string, string>>;
  readonly memory: number;
  readonly secret: string | null;
  readonly file: string | null;
  readonly args: readonly string[];
  readonly workdir: string;
  readonly uid: number;
}

let directory: string;
before(async () => {
  if (skipDocker !== undefined) return;
  directory = await mkdtemp(join(tmpdir(), 'ringlb-test-'));
  await writeFile(join(directory, 'db'), SECRET);
  const entry = ['node', '-e', REPORTER.replaceAll('\n', ' '), '--'];
  await buildImage(REPORTER_IMAGE, [`ENTRYPOINT ${JSON.stringify(entry)}`]);
  const install =
    'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nginx-light';
  await buildImage(NGINX_IMAGE, [`RUN ${install}`, 'CMD ["nginx", "-g", "daemon off;"]']);
});
after(async () => {
  if (skipDocker !== undefined) return;
  await cleanUp();
  await docker('rmi', '--force', REPORTER_IMAGE, NGINX_IMAGE);
  await rm(directory, { recursive: true });
});

describe('a container', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  let driver: SpecDriver;
  const volumes: string[] = [];

  afterEach(async () => {
    await removeAll(driver).finally(() => driver.close(false));
    await cleanUp();
    if (volumes.length > 0) await docker('volume', 'rm', '--force', ...volumes.splice(0));
  });

  async function start(fields: Partial<ReplicaSpec>, name = freshName()): Promise<Instance> {
    driver = makeDriver({ spec: { image: REPORTER_IMAGE, ...fields } });
    await driver.open();
    return driver.start({ name, id: 3 });
  }

  async function reportOf({ endpoint }: Instance, path = '/'): Promise<Report> {
    const { body } = await eventually('a report', () => get(endpoint!, path));
    return JSON.parse(body) as Report;
  }

  async function volume(): Promise<string> {
    const name = freshPool();
    volumes.push(name);
    return docker('volume', 'create', '--label', 'ringlb.test', name);
  }

  const inspect = (id: string, format: string) => docker('inspect', '--format', format, id);

  it('gets environment, arguments, directory and labels, templates filled in', async () => {
    const instance = await start({
      env: [['URL', 'http://{name}:{port}/{index}']],
      args: ['--verbose', '{name}'],
      workdir: '/tmp',
      labels: [['team', 'web-{index}']],
    });
    const { env, args, workdir } = await reportOf(instance);
    assert.equal(env.URL, `http://${instance.name}:5000/3`);
    assert.deepEqual(args, ['--verbose', instance.name]);
    assert.equal(workdir, '/tmp');
    assert.equal(await inspect(instance.instanceId, '{{index .Config.Labels "team"}}'), 'web-3');
  });

  it('is limited in memory, CPUs and processes, which Node.js sees', async () => {
    const instance = await start({ memoryBytes: 2 ** 27, cpus: 0.5, pids: 50 });
    assert.equal((await reportOf(instance)).memory, 2 ** 27);
    const limits = '{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}';
    assert.equal(await inspect(instance.instanceId, limits), '500000000 50');
  });

  it('keeps a volume over its replacement', async () => {
    const source = await volume();
    const mount = { source, target: '/data', isReadOnly: false };
    const old = await start({ user: 'root', volumes: [mount] });
    assert.equal((await reportOf(old, '/write')).file, old.name);
    await driver.remove(old.instanceId, 0);
    const next = await driver.start({ name: freshName(), id: 4 });
    assert.equal((await reportOf(next)).file, old.name);
  });

  it('has a volume of its own by a template', async () => {
    const source = await volume();
    const name = freshName();
    const mounts = [{ source: source.replace(/.{3}$/, '{name}'), target: '/data', isReadOnly: false }];
    await assert.rejects(start({ volumes: mounts }, name), {
      code: 'start-failed',
      message: /docker volume create/,
    });
    await driver.close(false);
    const own = mounts[0]!.source.replace('{name}', name);
    volumes.push(await docker('volume', 'create', own));
    const { instanceId } = await start({ volumes: mounts }, name);
    assert.equal(await inspect(instanceId, '{{(index .Mounts 0).Name}}'), own);
  });

  it('reads a secret from a file, and from nowhere else', async () => {
    const instance = await start({ secrets: [{ name: 'db', file: join(directory, 'db') }] });
    const { secret, env } = await reportOf(instance);
    assert.equal(secret, SECRET);
    assert.ok(!JSON.stringify(env).includes(SECRET));
    assert.ok(!(await docker('inspect', instance.instanceId)).includes(SECRET));
    assert.ok(!JSON.stringify(await driver.list()).includes(SECRET));
  });

  it('ends by its stop signal', async () => {
    const instance = await start({ stopSignal: 'SIGUSR2' });
    await reportOf(instance);
    await driver.remove(instance.instanceId, 600_000);
    assert.deepEqual(await driver.list(), []);
  });

  it('has a log that is rotated', async () => {
    const { instanceId } = await start({ logMaxBytes: 1_048_576, logMaxFiles: 2 });
    const log = await inspect(instanceId, '{{json .HostConfig.LogConfig}}');
    assert.deepEqual(JSON.parse(log), {
      Type: 'json-file',
      Config: { 'max-file': '2', 'max-size': '1048576' },
    });
  });

  const nginx = { image: NGINX_IMAGE, port: 80, user: 'root' };
  const inMemory = ['/run', '/var/lib/nginx', '/var/log/nginx'].map((target) => ({
    target,
    bytes: 2 ** 24,
    options: [],
  }));
  for (const [title, fields] of [
    ['a writable root', { isReadOnly: false }],
    ['a read-only root and file systems in memory', { tmpfs: inMemory }],
  ] as const) {
    it(`runs Debian's nginx as it is on ${title}`, async () => {
      const { endpoint, instanceId } = await start({ ...nginx, ...fields });
      const { status, body } = await eventually('a page', () => get(endpoint!, '/'));
      assert.equal(status, 200);
      assert.match(body, /Welcome to nginx!/);
      // its workers have become another user
      const users = await docker('top', instanceId, '-o', 'pid,user,cmd');
      assert.match(users, / (www-data|33) +nginx: worker process/);
    });
  }

  describe('is refused before anything starts', () => {
    const missing = { target: '/data', isReadOnly: false };
    for (const [title, fields, message] of [
      [
        'a volume that does not exist',
        { volumes: [{ ...missing, source: 'no-such-volume' }] },
        /no volume no-such-volume: create it with/,
      ],
      [
        'a path that does not exist',
        { volumes: [{ ...missing, source: '/no/such' }] },
        /bind source path does not exist: \/no\/such/,
      ],
      [
        'a secret without its file',
        { secrets: [{ name: 'db', file: '/no/such' }] },
        /bind source path does not exist: \/no\/such/,
      ],
      ['more CPUs than there are', { cpus: 1000 }, /CPUs/],
    ] as const) {
      it(`with ${title}`, async () => {
        const pool = freshPool();
        driver = makeDriver({ pool, network: pool, spec: { image: REPORTER_IMAGE, ...fields } });
        await assert.rejects(driver.open(), { code: 'start-failed', message });
        assert.equal(await docker('ps', '--all', '--quiet', '--filter', `label=ringlb.pool=${pool}`), '');
        assert.equal(await docker('network', 'ls', '--quiet', '--filter', `name=${pool}`), '');
      });
    }
  });
});

describe('a balancer whose replicas are given something', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  it('gives it to all replicas, added and replaced too, values hidden', async (t) => {
    const file = join(directory, 'env');
    await writeFile(file, `MODE=green\nPASSWORD=${SECRET}\n`);
    const stage = new Stage(t);
    const args = `--replicas 1 --env MODE=blue --env-file ${file} --secret db=${join(directory, 'db')}`;
    const balancer = await stage.start({ image: REPORTER_IMAGE, args });
    await healthy(balancer, 1);
    assert.equal((await add(balancer)).status, 200);
    await docker('kill', (await names(balancer))[0]!);
    const replicas = await healthy(balancer, 2);
    await stage.settled(balancer);
    for (const { endpoint } of replicas) {
      const [host = '', port] = (endpoint ?? '').split(':');
      const { env, secret } = JSON.parse((await get({ host, port: Number(port) }, '/')).body) as Report;
      assert.deepEqual([env.MODE, env.PASSWORD, secret], ['blue', SECRET, SECRET]);
    }
    for (const path of ['/replicas', '/events', '/ring', '/metrics'])
      assert.ok(!(await balancer.askAdmin('GET', path)).body.includes(SECRET), path);
    assert.ok(!balancer.stderr.includes(SECRET));
  });

  it('has odd values as they are written, also healed by another balancer', async (t) => {
    const env = {
      LINES: 'one\ntwo\n',
      EQUALS: 'a=b==c',
      QUOTES: '"double" \'single\' `tick` $HOME \\',
      TEMPLATE: '{name} {{name}} {index}, {other}',
      EMPTY: '',
    };
    const [data, file] = [join(directory, 'file of data'), join(directory, 'odd.json')];
    await writeFile(data, SECRET);
    await writeFile(file, JSON.stringify({ env, volume: [`${data}:/data/file:ro`], 'on-exit': 'keep' }));
    const stage = new Stage(t);
    const reportOf = async (balancer: Balancer) => {
      const [replica] = await healthy(balancer, 1);
      const [host = '', port] = (replica!.endpoint ?? '').split(':');
      const report = JSON.parse((await get({ host, port: Number(port) }, '/')).body) as Report;
      return { replica: replica!, report };
    };
    const first = await stage.start({ image: REPORTER_IMAGE, args: `--replicas 1 --config ${file}` });
    const { replica, report } = await reportOf(first);
    const filled = { ...env, TEMPLATE: `${replica.name} {name} 1, {other}` };
    for (const [name, value] of Object.entries(filled)) assert.equal(report.env[name], value);
    assert.equal(report.file, SECRET);
    await first.stop();
    // it has other options, which a replica that was adopted does not get
    const second = await stage.start({ image: REPORTER_IMAGE });
    await healthy(second, 1);
    await docker('kill', replica.instance!);
    await replaced(second, replica, 1);
    assert.deepEqual((await reportOf(second)).report, report);
    await second.stop();
  });

  it('exits with 1 and a sentence where a volume is missing', async (t) => {
    const stage = new Stage(t);
    const balancer = stage.spawn({ image: REPORTER_IMAGE, args: '--volume no-such-volume:/data' });
    assert.deepEqual(await balancer.exited, { code: 1, signal: null });
    assert.match(balancer.stderr, /^ringlb: The engine has no volume no-such-volume: .*\n$/m);
    assert.deepEqual([await stage.containers(), await stage.network()], [[], '']);
  });
});
