/** What the files around the program say about it stays true. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { it } from 'node:test';
import { parse } from 'yaml';
import { createDashboardRoutes } from '../lib/admin/routes/dashboard.ts';
import { loadSettings } from '../lib/config/config.ts';
import { environmentName, OPTIONS } from '../lib/config/options.ts';

const REPOSITORY = join(import.meta.dirname, '..');

/** The balancer's own ports and addresses in its container are fixed there; other drivers do not run in it. */
const NOT_IN_A_CONTAINER = [
  'port',
  'host',
  'admin-port',
  'upstreams',
  'source',
  'discover-interval',
  'discover-grace',
  'resolver',
  'engines',
  'constraints',
  'swarm-publish',
  'swarm-heal',
  'command',
  'take-over',
];

it('calls the program ringlb, on a machine and in its container', async () => {
  const { bin } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')) as { bin: object };
  assert.deepEqual(bin, { ringlb: 'bin/ringlb' });
  const dockerfile = await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8');
  assert.match(dockerfile, /ln -s \/app\/bin\/ringlb \/rootfs\/usr\/local\/bin\/ringlb;/);
});

it('starts the program so that Node.js leaves --env-file to it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ringlb-bin-'));
  t.after(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, 'dist/lib'), { recursive: true });
  await writeFile(join(directory, 'dist/lib/main.js'), 'console.log(process.argv.slice(2).join())');
  await cp(join(REPOSITORY, 'bin'), join(directory, 'bin'), { recursive: true });
  await symlink('bin/ringlb', join(directory, 'link'));
  await symlink(join(directory, 'link'), join(directory, 'absolute'));
  for (const name of ['bin/ringlb', 'link', 'absolute']) {
    const said = execFileSync(join(directory, name), ['--env-file', '/no/such'], { encoding: 'utf8' });
    assert.equal(said, '--env-file,/no/such\n', name);
  }
  const dockerfile = await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8');
  assert.match(dockerfile, /^ENTRYPOINT \["node", "--", /m);
});

it('starts the program once it is built, with the Node.js that was installed for it, where one was', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ringlb-bin-'));
  t.after(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, 'node_modules/.bin'), { recursive: true });
  await cp(join(REPOSITORY, 'bin'), join(directory, 'bin'), { recursive: true });
  await symlink('bin/ringlb', join(directory, 'link'));
  const unbuilt = spawnSync(join(directory, 'link'), { encoding: 'utf8' });
  assert.match(unbuilt.stderr, /^ringlb: .*\/dist is not built yet: make start or npm run build does it\n$/);
  assert.equal(unbuilt.status, 1);
  await mkdir(join(directory, 'dist/lib'), { recursive: true });
  await writeFile(join(directory, 'dist/lib/main.js'), '');
  await writeFile(join(directory, 'node_modules/.bin/node'), '#!/bin/sh\necho installed "$@"\n', {
    mode: 0o755,
  });
  for (const name of ['bin/ringlb', 'link']) {
    const said = execFileSync(join(directory, name), ['status'], { encoding: 'utf8' });
    assert.match(said, /^installed -- .*\/dist\/lib\/main\.js status\n$/, name);
  }
});

it('the stack asks a balancer whether it responds with words that Docker takes', async () => {
  const stack = parse(await readFile(join(REPOSITORY, 'stack.yml'), 'utf8')) as {
    services: { balancer: { healthcheck: { test: unknown[] } } };
  };
  // `a ? b : c` without quotes is a mapping to YAML
  const kinds = stack.services.balancer.healthcheck.test.map((word) => typeof word);
  assert.deepEqual(new Set(kinds), new Set(['string']));
});

it('compose hands the balancer every option meaningful in a container', async () => {
  const compose = await readFile(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  const handed = [...compose.matchAll(/^ {6}- (LB_\w+)/gm)].map((match) => match[1]);
  const flags = Object.values(OPTIONS).map(({ flag }) => flag);
  const expected = flags.filter((flag) => !NOT_IN_A_CONTAINER.includes(flag)).map(environmentName);
  assert.deepEqual(handed.toSorted(), expected.toSorted());
});

it("containers of docs/drivers.md and compose get the balancer's longest stop time", async () => {
  const { drainTimeoutMs, stopTimeoutMs } = loadSettings([], {}, []).config;
  const longestS = (drainTimeoutMs + stopTimeoutMs) / 1000;
  const page = await readFile(join(REPOSITORY, 'docs/drivers.md'), 'utf8');
  const compose = await readFile(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  assert.ok(Number(/docker run .*--stop-timeout (\d+) /.exec(page)?.[1]) > longestS);
  assert.ok(Number(/stop_grace_period: (\d+)s/.exec(compose)?.[1]) > longestS);
});

it('the build brings every served dashboard file, and no other', async (t) => {
  const { scripts } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')) as {
    scripts: { build: string };
  };
  const copy = scripts.build.split(' && ').filter((command) => !command.startsWith('tsc '));
  const directory = await mkdtemp(join(tmpdir(), 'ringlb-build-'));
  t.after(() => rm(directory, { recursive: true }));
  await symlink(join(REPOSITORY, 'lib'), join(directory, 'lib'));
  execFileSync('sh', ['-c', copy.join(' && ')], { cwd: directory });
  const served = createDashboardRoutes().map(({ path }) =>
    path.replace('/dashboard/', '').replace(/^\/$/, 'index.html'),
  );
  const own = served.filter((name) => !name.startsWith('uplot.'));
  const built = await readdir(join(directory, 'dist/lib/admin/dashboard'), {
    recursive: true,
    withFileTypes: true,
  });
  const names = built.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  assert.deepEqual(
    names.map((name) => relative(join(directory, 'dist/lib/admin/dashboard'), name)).toSorted(),
    own.toSorted(),
  );
});
