/** What make says to somebody who lacks what it needs, and of a balancer that it runs in a container: with a docker that acts. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { skipUnless } from './helpers/skip.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const PROGRAMS = ['awk', 'cat', 'make', 'mkdir', 'od', 'seq', 'sleep', 'stat', 'touch', 'tr'];
/** Root may read and write everywhere. */
const SOMEBODY = process.getuid!() === 0 ? { uid: 65_534, gid: 65_534 } : {};

const skip = skipUnless(spawnSync('which', ['make']).status === 0, 'no make');

/** An engine with compose and a balancer that is healthy. */
const ENGINE = { version: '', compose: '', build: '', exec: '', inspect: 'echo false' };

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Clone {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** A directory with the Makefile, and no other programs than those it needs. */
  static async make(t: TestContext): Promise<Clone> {
    const directory = await mkdtemp(join(tmpdir(), 'ringlb make-'));
    t.after(() => rm(directory, { recursive: true }));
    await chmod(directory, 0o755);
    await mkdir(join(directory, 'programs'));
    for (const file of ['Makefile', 'package.json', 'package-lock.json'])
      await cp(join(REPOSITORY, file), join(directory, file));
    for (const name of PROGRAMS) {
      const program = execFileSync('which', [name], { encoding: 'utf8' }).trim();
      await symlink(program, join(directory, 'programs', name));
    }
    return new Clone(directory);
  }

  async program(name: string, script: string): Promise<void> {
    await writeFile(join(this.directory, 'programs', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  /** A docker that does for each of its commands what stands there, and fails at all others. */
  async act(commands: Readonly<Record<string, string>>): Promise<void> {
    const cases = Object.entries(commands).map(([name, script]) => `${name}) ${script} ;;`);
    await this.program(
      'docker',
      `case $1 in\n${cases.join('\n')}\n*) echo "docker $1 fails" >&2; exit 1 ;;\nesac`,
    );
  }

  run(
    target: string,
    ids: { readonly uid?: number; readonly gid?: number } = {},
    variables: readonly string[] = [],
  ): Said {
    const env = { PATH: join(this.directory, 'programs') };
    return spawnSync('make', [target, ...variables], { cwd: this.directory, env, encoding: 'utf8', ...ids });
  }
}

it('make asks for an engine before it does anything with one', { skip }, async (t) => {
  const clone = await Clone.make(t);
  for (const target of ['build', 'run', 'logs', 'stop', 'swarm', 'swarm-stop']) {
    const { status, stdout, stderr } = clone.run(target);
    assert.notEqual(status, 0);
    assert.match(stderr, /docker.*\nthis needs a Docker engine; without one there is make start\n/);
    assert.equal(stdout, '');
  }
});

it('make asks for compose before it builds', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.act({ version: '' });
  for (const target of ['run', 'logs', 'stop']) {
    const { status, stdout, stderr } = clone.run(target);
    assert.notEqual(status, 0);
    assert.match(stderr, /^this needs Docker Compose, as a plugin of docker or as docker-compose;/);
    assert.equal(stdout, '');
  }
});

it('make build says that it takes long', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.act(ENGINE);
  assert.match(clone.run('build').stdout, /^building the images ringlb and ringlb-replica; /);
});

it('make run shows its admin token once, and later where it is', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.act(ENGINE);
  const first = clone.run('run').stdout;
  const token = await readFile(join(clone.directory, '.admin-token'), 'utf8');
  assert.match(token, /^[0-9a-f]{32}$/);
  assert.equal(first.split(token).length, 2, first);
  const second = clone.run('run').stdout;
  assert.ok(!second.includes(token), second);
  assert.match(second, /its dashboard on http:\/\/localhost:5001 with the token in \.admin-token\n/);
});

it('make run says whose the token is, before it starts a balancer without it', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.act({ ...ENGINE, compose: 'echo started' });
  await writeFile(join(clone.directory, '.admin-token'), 'secret', { mode: 0 });
  const { status, stdout, stderr } = clone.run('run', SOMEBODY);
  assert.notEqual(status, 0);
  assert.match(
    stderr,
    /^\.admin-token is another user's, as after sudo make run: make it yours with chown\n/,
  );
  assert.doesNotMatch(stdout, /started/);
});

it('make run says on which ports it serves', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.act(ENGINE);
  const given = clone.run('run', {}, ['LB_PORT=8080', 'LB_ADMIN_PORT=8081']).stdout;
  assert.match(
    given,
    /^ringlb serves on http:\/\/localhost:8080, its dashboard on http:\/\/localhost:8081 /m,
  );
  // no variables of the balancer
  const ignored = clone.run('run', {}, ['PORT=8080', 'ADMIN_PORT=8081']).stdout;
  assert.match(
    ignored,
    /^ringlb serves on http:\/\/localhost:5000, its dashboard on http:\/\/localhost:5001 /m,
  );
});

it('make run ends with the last words of a balancer that does not stay up', { skip }, async (t) => {
  const clone = await Clone.make(t);
  const trouble = { exec: 'exit 1', inspect: 'echo true', logs: 'echo "ringlb: no image nosuch"' };
  await clone.act({ ...ENGINE, ...trouble });
  const { status, stdout, stderr } = clone.run('run');
  assert.notEqual(status, 0);
  assert.match(stdout, /\nringlb: no image nosuch\n$/);
  assert.match(stderr, /^ringlb is not ready; its last lines are above\. make logs .* make stop /);
});

it('make start says where it may not write', { skip }, async (t) => {
  const clone = await Clone.make(t);
  const { directory } = clone;
  const refusal = (path: string) =>
    `and you may not write to ${path}: make it yours with chown, or use a clone`;
  await chmod(directory, 0o555);
  const installing = clone.run('start', SOMEBODY);
  assert.ok(installing.stderr.includes(refusal(directory)), installing.stderr);
  assert.equal(installing.stdout, '');
  await chmod(directory, 0o755);
  await mkdir(join(directory, 'dist'), { mode: 0o555 });
  await chmod(directory, 0o777);
  const building = clone.run('start', SOMEBODY);
  assert.ok(building.stderr.includes(refusal(join(directory, 'dist'))), building.stderr);
  assert.equal(building.stdout, '');
});

/** What npm ci leaves behind when it runs no scripts. */
const INSTALL = 'mkdir -p node_modules; cat package.json >node_modules/.package-lock.json';

it('make start installs what it builds with where NODE_ENV is production', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.program('npm', `${INSTALL}; echo npm "$@"`);
  assert.match(clone.run('start').stdout, /^npm ci --include=dev /m);
});

it('make start names the script that npm did not run', { skip }, async (t) => {
  const clone = await Clone.make(t);
  await clone.program('npm', INSTALL);
  for (const target of ['start', 'test', 'start']) {
    const { status, stderr } = clone.run(target);
    assert.notEqual(status, 0);
    assert.match(
      stderr,
      /^npm runs no install scripts here .*: run "npm rebuild node --ignore-scripts=false"\n/,
    );
  }
});
