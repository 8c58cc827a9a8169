import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Look, Server, Source } from '../../../lib/drivers/discover/source.ts';
import { SourceWatch } from '../../../lib/drivers/discover/source-watch.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const INTERVAL_MS = 5000;
const GRACE_MS = 30_000;

const server = (name: string): Server => ({ name, endpoint: { host: name, port: 80 } });

/** A source that lists what a test says, when it says so. */
class FakeSource implements Source {
  readonly text = 'fake';
  looks = 0;
  names: string | Error = '';
  validMs: number | undefined;
  /** Looks wait for this. */
  gate: Promise<void> = Promise.resolve();
  onChange: () => void = () => {};
  isClosed = false;

  async look(): Promise<Look> {
    this.looks++;
    await this.gate;
    if (this.names instanceof Error) throw this.names;
    const servers = [...this.names].map(server);
    return this.validMs === undefined ? { servers } : { servers, validMs: this.validMs };
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): void {
    this.isClosed = true;
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the watch over a source', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let watch: SourceWatch;
  let told: string[];
  beforeEach(() => {
    clock = new FakeClock();
    source = new FakeSource();
    told = [];
    watch = new SourceWatch({
      source,
      clock,
      intervalMs: INTERVAL_MS,
      graceMs: GRACE_MS,
      onChange: () => told.push(believed()),
      onLost: (cause) => told.push(`lost: ${cause}`),
      onBack: (ms) => told.push(`back after ${ms}`),
    });
  });
  const believed = () => watch.servers.map(({ name }) => name).join('');
  const advance = async (byMs: number) => {
    clock.advance(byMs);
    await settle();
  };

  it('has looked once when it is open', async () => {
    source.names = 'ab';
    await watch.open();
    assert.equal(believed(), 'ab');
    assert.equal(source.looks, 1);
  });

  it('opens although the source does not respond', async () => {
    source.names = new Error('refused');
    await watch.open();
    assert.deepEqual(told, ['lost: refused']);
  });

  it('gives up a look that takes ten seconds', async () => {
    source.gate = new Promise(() => {});
    const opened = watch.open();
    await advance(10_000);
    await opened;
    assert.deepEqual(told, ['lost: no response within 10 s']);
  });

  it('looks again after the interval', async () => {
    await watch.open();
    await advance(INTERVAL_MS - 1);
    assert.equal(source.looks, 1);
    await advance(1);
    assert.equal(source.looks, 2);
  });

  it('looks again once the list expires, but not within a second', async () => {
    source.validMs = 2000;
    await watch.open();
    source.validMs = 0;
    await advance(2000);
    assert.equal(source.looks, 2);
    await advance(999);
    assert.equal(source.looks, 2);
    await advance(1);
    assert.equal(source.looks, 3);
  });

  it('waits the interval at most, however long the list is true', async () => {
    source.validMs = 3_600_000;
    await watch.open();
    await advance(INTERVAL_MS);
    assert.equal(source.looks, 2);
  });

  it('looks at once when the source has changed', async () => {
    await watch.open();
    source.names = 'a';
    source.onChange();
    await settle();
    assert.equal(believed(), 'a');
  });

  it('makes one more look for however many changes during a look', async () => {
    await watch.open();
    const { promise, resolve } = Promise.withResolvers<void>();
    source.gate = promise;
    for (let change = 0; change < 5; change++) source.onChange();
    resolve();
    await settle();
    assert.equal(source.looks, 3);
  });

  it("keeps a lost source's last list, and tells each loss once", async () => {
    source.names = 'ab';
    await watch.open();
    source.names = new Error('refused');
    for (let look = 0; look < 100; look++) await advance(INTERVAL_MS);
    assert.equal(believed(), 'ab');
    source.names = 'abc';
    await advance(INTERVAL_MS);
    assert.deepEqual(told, ['ab', 'lost: refused', `back after ${INTERVAL_MS * 100}`, 'abc']);
  });

  it('believes an empty list once the grace is over', async () => {
    source.names = 'ab';
    await watch.open();
    source.names = '';
    await advance(INTERVAL_MS);
    for (let ms = 0; ms < GRACE_MS; ms += 1000) {
      assert.equal(believed(), 'ab', `after ${ms} ms`);
      await advance(1000);
    }
    assert.equal(believed(), '');
  });

  it('looks at the end of grace where the interval is longer', async () => {
    watch.close();
    const parts = { source, clock, intervalMs: 600_000, graceMs: GRACE_MS };
    watch = new SourceWatch({ ...parts, onChange: () => {}, onLost: () => {}, onBack: () => {} });
    source.names = 'ab';
    await watch.open();
    source.names = '';
    source.onChange();
    await settle();
    await advance(GRACE_MS);
    assert.equal(believed(), '');
  });

  it('looks no more once it is closed', async () => {
    await watch.open();
    watch.close();
    source.onChange();
    await advance(INTERVAL_MS * 2);
    assert.equal(source.looks, 1);
    assert.ok(source.isClosed);
    assert.equal(clock.pending, 0);
  });

  it('tells of nothing that a look finds after the closing', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    source.gate = promise;
    const opened = watch.open();
    watch.close();
    resolve();
    await opened;
    assert.deepEqual(told, []);
    assert.equal(clock.pending, 0);
  });
});
