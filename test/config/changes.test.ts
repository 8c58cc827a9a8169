import assert from 'node:assert/strict';
import { it } from 'node:test';
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
  assert.throws(() => changes(list(1), list(65)), /must name at most 64 servers until a restart/);
});
