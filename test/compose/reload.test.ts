/** Reloading: all of a file or nothing, over many random edits. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { LiveOptions } from '../../lib/compose/live-options.ts';
import { Reloader } from '../../lib/compose/reload.ts';
import { LIVE_KEYS } from '../../lib/config/changes.ts';
import { type Config, loadSettings } from '../../lib/config/config.ts';
import type { Note } from '../../lib/fleet/journal.ts';
import { BalancerError } from '../../lib/platform/errors.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

const RUNS = 1000;

/** A reloader over three holders of options, as parts of a balancer hold them. */
class ReloadRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'ringlb-reload-'));
  readonly file = join(this.folder, 'ringlb.yaml');
  readonly notes: Note[] = [];
  readonly #options: LiveOptions;
  readonly #holders: Config[];
  readonly reloader: Reloader;
  /** The next change cannot be prepared. */
  isBroken = false;
  /** When threads have a change. */
  committed: Promise<void> = Promise.resolve();

  constructor() {
    this.write('');
    const load = () => loadSettings([{ flag: '--config', argument: '', text: this.file }], {}, []);
    const settings = load();
    this.#options = new LiveOptions(settings.config);
    this.#holders = [1, 2, 3].map(() => this.#options.share({ ...settings.config }));
    this.reloader = new Reloader({
      settings,
      load,
      journal: { note: (note) => this.notes.push(note) },
      log: silentLogger,
      prepare: (next) => {
        if (this.isBroken) throw new BalancerError('log-unwritable', 'no such file');
        const commit = (): Promise<void> => {
          this.#options.replace(next);
          return this.committed;
        };
        return { commit };
      },
    });
  }

  write(text: string): void {
    writeFileSync(this.file, text);
  }

  valueOf(name: string): string | undefined {
    return this.reloader.view().options.find(({ option }) => option === name)?.value;
  }

  /** What each holder runs with, as one text for each that differs. */
  get running(): ReadonlySet<string> {
    const live = (config: Config): string => JSON.stringify(LIVE_KEYS.map((key) => config[key]));
    return new Set([...this.#holders, this.#options.config].map(live));
  }
}

describe('a reload', () => {
  let rig: ReloadRig;
  before(() => {
    rig = new ReloadRig();
  });
  after(() => rmSync(rig.folder, { recursive: true }));

  it('tells what changed and what needs restarting, in an event too', async () => {
    rig.write('rise: 7\nport: 99\n');
    assert.deepEqual(await rig.reloader.reload(), { changed: ['rise'], needsRestart: ['port'] });
    assert.deepEqual(rig.notes, [{ kind: 'config-changed', cause: 'changed: rise; needs a restart: port' }]);
    assert.deepEqual(rig.reloader.view().needsRestart, ['port']);
  });

  it('of the same file changes nothing, and is no event', async () => {
    assert.deepEqual(await rig.reloader.reload(), { changed: [], needsRestart: ['port'] });
    assert.equal(rig.notes.length, 1);
  });

  it('of a wrong file is refused with every problem', async () => {
    rig.write('rise: 9\nprot: 1\nfall: many\n');
    await assert.rejects(rig.reloader.reload(), {
      code: 'bad-request',
      message: /:2:1: prot is not an option.*; .*:3:7: fall must be/,
    });
    assert.equal(rig.valueOf('rise'), '7');
  });

  it('tells in an event what alone has changed, and that nothing needs a restart any more', async () => {
    const causes: unknown[] = [];
    for (const text of ['rise: 8\nport: 99\n', 'rise: 8\nport: 98\nworkers: 3\n', 'rise: 8\n', 'rise: 7\n']) {
      rig.write(text);
      await rig.reloader.reload();
      causes.push(rig.notes.at(-1)?.cause);
    }
    assert.deepEqual(causes, [
      'changed: rise; needs a restart: port',
      'needs a restart: port, workers',
      'nothing needs a restart any more',
      'changed: rise',
    ]);
  });

  it('shows the file it reads, and the ports that are served', () => {
    assert.equal(rig.valueOf('port'), '5000');
    rig.reloader.serveOn({ port: 4711, adminPort: 4712 });
    assert.deepEqual([rig.valueOf('port'), rig.valueOf('admin-port')], ['4711', '4712']);
    assert.equal(rig.reloader.view().file, rig.file);
  });

  it('waits for the one before', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.committed = promise;
    rig.write('rise: 3\n');
    const first = rig.reloader.reload();
    await new Promise((done) => setImmediate(done));
    rig.write('rise: 4\n');
    const second = rig.reloader.reload();
    await new Promise((done) => setImmediate(done));
    assert.equal(rig.valueOf('rise'), '3');
    resolve();
    await Promise.all([first, second]);
    assert.equal(rig.valueOf('rise'), '4');
  });

  it('runs with the old options or the new, never a mixture', async () => {
    const value = fc.oneof(
      fc.constantFrom('1', '2', '7', '50', '5s', '0', 'off', 'x', '"', '[1', ''),
      fc.string(),
    );
    const name = fc.constantFrom(
      'rise',
      'fall',
      'retries',
      'idle-timeout',
      'hash-key',
      'load-factor',
      'port',
      'prot',
      'access-log',
    );
    const lines = fc.array(fc.tuple(name, value), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(lines, fc.nat(200), fc.integer({ min: 0, max: 9 }), async (edits, cut, luck) => {
        const text = edits.map(([option, to]) => `${option}: ${to}\n`).join('');
        const [old] = rig.running;
        // some files are half written, and some changes cannot be prepared
        rig.write(luck === 0 ? text.slice(0, cut) : text);
        rig.isBroken = luck === 1;
        const expected = expectedOf(rig.file);
        const isTaken = await rig.reloader.reload().then(
          () => true,
          () => false,
        );
        assert.equal(isTaken, expected !== undefined && luck !== 1);
        assert.deepEqual([...rig.running], [isTaken ? expected : old]);
      }),
      { numRuns: RUNS },
    );
  });
});

it('a reload that fails for an unknown reason says so', async () => {
  const failure = new TypeError('no such method');
  const settings = loadSettings([], {}, []);
  const reloader = new Reloader({
    settings,
    load: () => {
      throw failure;
    },
    prepare: () => assert.fail('nothing is prepared'),
    journal: { note: () => assert.fail('nothing has changed') },
    log: silentLogger,
  });
  await assert.rejects(reloader.reload(), failure);
  assert.equal(reloader.view().file, null);
});

/** What runs after a start with the file; undefined where it is refused. */
function expectedOf(file: string): string | undefined {
  try {
    const { config } = loadSettings([{ flag: '--config', argument: '', text: file }], {}, []);
    return JSON.stringify(LIVE_KEYS.map((key) => config[key]));
  } catch {
    return undefined;
  }
}
