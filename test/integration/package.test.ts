/** The package as it is published: what is in it, its command, and its use as a library of a project of its own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { programVersion } from '../../lib/platform/version.ts';
import { InstalledPackage } from './installed-package.ts';

const MOST_BYTES = 1_000_000;
/** Everything that may be in it, beside compiled files. */
const OTHERS = /^(LICENSE|README\.md|CHANGELOG\.md|package\.json|bin\/ringlb)$/;
const BUILT = /^dist\/(lib|replica)\/.*\.(js|d\.ts|html|css|svg)$/;

/** `RESULT` is what a program of the project prints as JSON. */
const resultOf = (stdout: string): unknown => JSON.parse(/^RESULT (.*)$/m.exec(stdout)?.[1] ?? 'null');

describe('the package', { timeout: 600_000 }, () => {
  let installed: InstalledPackage;
  before(async () => {
    installed = await InstalledPackage.create();
  });
  after(() => installed?.remove());

  /** Writes a program, runs it until it ends by itself, and gives its result. */
  async function resultOfProgram(name: string, text: string): Promise<unknown> {
    await installed.write(name, text);
    const { stdout, stderr } = await installed.run(process.execPath, name);
    assert.equal(stderr, '');
    return resultOf(stdout);
  }

  it('holds what runs and nothing else', async () => {
    const files = await installed.files();
    assert.deepEqual(
      files.filter((file) => !OTHERS.test(file) && !BUILT.test(file)),
      [],
    );
    for (const needed of [
      'dist/lib/main.js',
      'dist/replica/server.js',
      'dist/lib/admin/dashboard/index.html',
    ])
      assert.ok(files.includes(needed), needed);
    assert.ok((await installed.tarballBytes()) < MOST_BYTES);
  });

  it('brings the command ringlb', async () => {
    assert.match((await installed.run('npx', 'ringlb', '--help')).stdout, /--probe-interval/);
    assert.equal((await installed.run('npx', 'ringlb', 'version')).stdout, `ringlb ${programVersion()}\n`);
  });

  it('serves with its own sample replicas and dashboard', async (t) => {
    const program = join(installed.folder, 'node_modules/.bin/ringlb');
    const options = ['--port', '0', '--admin-port', '0', '--replicas', '1'];
    const child = spawn(program, options, {
      env: {
        ...process.env,
        PATH: join(process.execPath, '..') + (process.env.PATH ? `:${process.env.PATH}` : ''),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.after(() => endOf(child));
    const [port, adminPort] = await portsOf(child);
    const { status } = await fetch(`http://127.0.0.1:${port}/home`);
    const page = await fetch(`http://127.0.0.1:${adminPort}/dashboard/uplot.js`);
    assert.deepEqual([status, page.status], [200, 200]);
  });

  it('starts a balancer in a program, which then ends by itself', async () => {
    const result = await resultOfProgram(
      'start.js',
      `import { startBalancer } from 'ringlb';
       const before = process.eventNames().map((name) => [name, process.listenerCount(name)]);
       const balancer = await startBalancer({ port: 0, adminPort: 0, replicas: 2, probeInterval: '500ms' });
       const kinds = new Set();
       balancer.on('event', ({ kind }) => kinds.add(kind));
       const added = await balancer.add({ n: 1, hostnames: ['web'] });
       const left = await balancer.remove({ n: 2, hostnames: ['S1'] });
       const { status } = await fetch(balancer.url + '/home', { headers: { connection: 'close' } });
       const admin = await fetch(balancer.adminUrl + '/healthz', { headers: { connection: 'close' } });
       const closed = new Promise((resolve) => balancer.on('close', resolve));
       await balancer.close();
       await closed;
       const after = process.eventNames().map((name) => [name, process.listenerCount(name)]);
       const isClean = JSON.stringify(before) === JSON.stringify(after);
       const result = { added, left: left.length, statuses: [status, admin.status], isClean };
       console.log('RESULT', JSON.stringify({ ...result, kinds: ['added', 'removed'].map((kind) => kinds.has(kind)) }));`,
    );
    const expected = { added: ['S1', 'S2', 'web'], left: 1, statuses: [200, 200], isClean: true };
    assert.deepEqual(result, { ...expected, kinds: [true, true] });
  });

  it('runs the example of docs/library.md', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/library.md'), 'utf8');
    const [, example = '', printed = ''] =
      /```js\n([\s\S]*?)```[\s\S]*?```text\n([\s\S]*?)```/.exec(page) ?? [];
    await installed.write('example.js', example);
    assert.equal((await installed.run(process.execPath, 'example.js')).stdout, printed);
  });

  it('runs two balancers in one program', async () => {
    const result = await resultOfProgram(
      'two.js',
      `import { startBalancer } from 'ringlb';
       const options = { port: 0, adminPort: 0, replicas: 1, workers: 1 };
       const [one, other] = await Promise.all([startBalancer(options), startBalancer(options)]);
       await one.add({ n: 1, hostnames: ['mine'] });
       const names = [one.replicas, other.replicas];
       await one.close();
       const { status } = await fetch(other.url + '/home', { headers: { connection: 'close' } });
       await other.close();
       console.log('RESULT', JSON.stringify({ names, status }));`,
    );
    assert.deepEqual(result, { names: [['S1', 'mine'], ['S1']], status: 200 });
  });

  it('names every wrong option and the port in use, leaving nothing running', async () => {
    const result = await resultOfProgram(
      'wrong.js',
      `import { startBalancer } from 'ringlb';
       const { problems } = await startBalancer({ prot: 1, probeInterval: 'soon', replicas: [1], host: {} }).catch((e) => e);
       const first = await startBalancer({ port: 0, adminPort: 0, replicas: 1 });
       const { code } = await startBalancer({ port: first.port, adminPort: 0 }).catch((e) => e);
       await first.close();
       console.log('RESULT', JSON.stringify({ problems, code }));`,
    );
    const problems = [
      'prot is not an option; did you mean port?',
      'replicas must be one value, not a list',
      'host must be a value, not an object',
      'probeInterval must be a duration such as 500ms, 2s or 1m, not "soon"',
    ];
    assert.deepEqual(result, { problems, code: 'port-in-use' });
  });

  it('has types that a strict project of its own resolves', async () => {
    await installed.write(
      'typed.ts',
      `import { type Balancer, type BalancerOptions, type FleetEvent, startBalancer } from 'ringlb';
       const options: BalancerOptions = { port: 0, adminPort: 0, upstreams: ['http://127.0.0.1:1'], driver: 'static', publicAdmin: false };
       const start: Promise<Balancer> = startBalancer(options);
       const balancer = await start;
       balancer.on('event', (event: FleetEvent) => event.kind satisfies string);
       const names: readonly string[] = balancer.replicas;
       // @ts-expect-error there is no such option
       void (() => startBalancer({ prot: 1 }));
       await balancer.close();
       export { names };`,
    );
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--moduleResolution', 'nodenext'];
    await installed.run('tsc', ...flags, '--target', 'es2024', '--types', '', 'typed.ts');
    await installed.run(process.execPath, 'typed.ts');
  });
});

/** The public port and the admin port that it logs. */
async function portsOf(child: ChildProcess): Promise<readonly string[]> {
  let log = '';
  for await (const chunk of child.stderr!.setEncoding('utf8')) {
    log += chunk;
    const found = /serving on http:\/\/[^:]*:(\d+), admin on http:\/\/[^:]*:(\d+)/.exec(log);
    if (found !== null) {
      child.stderr?.resume();
      return found.slice(1);
    }
  }
  throw new Error(`it ended: ${log}`);
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
