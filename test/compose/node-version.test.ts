/** What an older Node.js than the program needs is told: one sentence, before anything of the program is loaded. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { it } from 'node:test';

const REPOSITORY = join(import.meta.dirname, '../..');
const MAIN = join(REPOSITORY, 'lib/main.ts');
const SENTENCE = /^ringlb: it needs Node\.js (\d+) or newer, and this is ([\d.]+) \(.+\)\n$/;

/** Runs `ringlb --version` on a Node that says it is `version`, and tells which files of the program it loads. */
function runAs(version: string) {
  const preload = `
    import { registerHooks } from 'node:module';
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    process.on('exit', () => console.log(loaded.filter((url) => url.includes('/lib/')).length));`;
  const imported = `data:text/javascript,${encodeURIComponent(preload)}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', imported, MAIN, '--version'], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

for (const version of ['12.22.0', '20.20.2', '24.8.0', '25.9.0']) {
  it(`says on Node.js ${version} which is needed, and loads nothing else`, () => {
    const { status, stdout, stderr } = runAs(version);
    assert.equal(status, 1);
    assert.equal(SENTENCE.exec(stderr)?.[2], version, stderr);
    assert.equal(stdout, '1\n');
  });
}

for (const version of ['26.0.0', '26.10.0', '27.1.0', '100.0.0']) {
  it(`runs on Node.js ${version}`, () => {
    const { status, stdout, stderr } = runAs(version);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^ringlb \d/);
  });
}

it('requires the Node.js of package.json, tests and images', async () => {
  const { engines, devDependencies } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8'));
  const [, needed] = SENTENCE.exec(runAs('1.0.0').stderr) ?? [];
  assert.equal(engines.node, `>=${needed}`);
  assert.equal(devDependencies.node.split('.')[0], needed);
  assert.match(
    await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8'),
    new RegExp(`^ARG NODE_IMAGE=node:${needed}-`, 'm'),
  );
});

/** Every other Node.js on the path that is older than this one. */
const older = (process.env.PATH ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'node'))
  .filter((file) => existsSync(file))
  .map((file) => ({ file, version: spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout.trim() }))
  .filter(({ version }) => Number(/^v(\d+)/.exec(version)?.[1] ?? 26) < 26);

for (const { file, version } of older) {
  it(`is understood by ${file}, which is ${version}`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'ringlb-node-'));
    t.after(() => rm(directory, { recursive: true }));
    await writeFile(join(directory, 'main.mjs'), stripTypeScriptTypes(await readFile(MAIN, 'utf8')));
    const { status, stdout, stderr } = spawnSync(file, [join(directory, 'main.mjs')], { encoding: 'utf8' });
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, SENTENCE);
  });
}
