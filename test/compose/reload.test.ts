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
        return { commit: async () => this.#options.replace(next) };
      },
    });
  }

  write(text: string): void {
    writeFileSync(this.file, text);
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
    assert.equal(rig.reloader.view().options.find(({ option }) => option === 'rise')?.value, '7');
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

/** What runs after a start with the file; undefined where it is refused. */
function expectedOf(file: string): string | undefined {
  try {
    const { config } = loadSettings([{ flag: '--config', argument: '', text: file }], {}, []);
    return JSON.stringify(LIVE_KEYS.map((key) => config[key]));
  } catch {
    return undefined;
  }
}
