import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { changesBetween } from '../../lib/config/changes.ts';
import { ConfigError, loadSettings, type Settings } from '../../lib/config/config.ts';
import { splitCommandLine } from '../../lib/config/flags.ts';

function settings(line: string): Settings {
  return loadSettings(splitCommandLine(line.split(' ').filter(Boolean)).flags, {}, []);
}
const changes = (before: string, after: string) => changesBetween(settings(before), settings(after));

it('live options are taken, and others named', () => {
  const { next, changed, needsRestart } = changes('--rise 2 --port 1', '--rise 7 --port 2 --workers 5');
  assert.deepEqual([changed, needsRestart], [['rise'], ['port', 'workers']]);
  assert.deepEqual([next.config.rise, next.config.port], [7, 1]);
  assert.equal(next.sources.get('port')?.text, '1');
});

it('a live option that is taken tells where it comes from now', () => {
  const { next } = changes('', '--rise 7');
  assert.equal(next.sources.get('rise')?.text, '7');
});

describe('a secret in a file', () => {
  const OLD = 'secret-of-the-old-file';
  const NEW = 'secret-of-the-new-file';

  /** What a reload changes where the file holds another secret than at the start. */
  function afterRotation(t: TestContext, option: string, secret = NEW) {
    const folder = mkdtempSync(join(tmpdir(), 'ringlb-changes-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'secret');
    const line = `--sticky lb --${option} ${file}`;
    writeFileSync(file, OLD);
    const running = settings(line);
    writeFileSync(file, secret);
    return changesBetween(running, settings(`${line} --rise 7`));
  }

  for (const option of ['admin-token-file', 'sticky-secret-file'])
    it(`does not stand in the way of other changes: ${option}`, (t) => {
      const { changed, needsRestart } = afterRotation(t, option, OLD);
      assert.deepEqual([changed, needsRestart], [['rise'], []]);
    });

  it('is named by that where a restart is needed', (t) => {
    const { next, changed, needsRestart } = afterRotation(t, 'admin-token-file');
    assert.deepEqual([changed, needsRestart], [['rise'], ['admin-token-file']]);
    assert.equal(next.config.adminToken, OLD);
  });

  it('is named by that where it is taken', (t) => {
    const { next, changed } = afterRotation(t, 'sticky-secret-file');
    assert.deepEqual(changed, ['sticky-secret-file', 'rise']);
    assert.equal(next.config.stickySecret, NEW);
  });

  it('is named once where the file is another too', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringlb-changes-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    writeFileSync(a, OLD);
    writeFileSync(b, NEW);
    const { needsRestart } = changes(`--admin-token-file ${a}`, `--admin-token-file ${b}`);
    assert.deepEqual(needsRestart, ['admin-token-file']);
  });

  it('is not named where the secret is an option itself', () => {
    const { needsRestart } = changes('--admin-token old-token', '--admin-token new-token');
    assert.deepEqual(needsRestart, ['admin-token']);
  });
});

it('an option no longer given falls back to its default', () => {
  const { next, changed } = changes('--rise 7', '');
  assert.deepEqual([next.config.rise, changed, next.sources.has('rise')], [2, ['rise'], false]);
});

it('a value that is written differently is no change', () => {
  const { changed, needsRestart } = changes('--idle-timeout 1000ms', '--idle-timeout 1s');
  assert.deepEqual([changed, needsRestart], [[], []]);
});

it('what follows from another option is not named', () => {
  const before = '--driver static --upstreams http://a:1';
  const { next, changed, needsRestart } = changes(before, `${before},http://b:1 --hash-key path`);
  assert.deepEqual([changed, needsRestart], [['upstreams', 'hash-key'], []]);
  assert.equal(next.config.loadFloor, 16);
});

it('live options that need a restart of others are refused whole', () => {
  const before = '--driver static --upstreams http://a:1';
  assert.throws(
    () => changes(before, '--rise 7'),
    (error) => error instanceof ConfigError && /needs --upstreams.*as before: driver$/.test(error.message),
  );
});

it('a list longer than the table has room for is refused', () => {
  const list = (count: number): string =>
    `--driver static --upstreams ${Array.from({ length: count }, (_, index) => `http://a:${index + 1}`)}`;
  assert.equal(changes(list(1), list(64)).next.config.upstreams.length, 64);
  assert.throws(
    () => changes(list(1), list(65)),
    /^ConfigError: --upstreams must name at most 64 servers until a restart makes room for more$/,
  );
});
