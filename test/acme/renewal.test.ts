/** When certificates are ordered, and what follows on a failure: over a clock that only the test moves. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AcmeDirectory, LOCK_MS, type Validity } from '../../lib/acme/acme-directory.ts';
import { ComeAgainLater } from '../../lib/acme/issue.ts';
import { Renewal } from '../../lib/acme/renewal.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** One whose certificates are valid from now on, by the clock of the test. */
class DatedDirectory extends AcmeDirectory {
  readonly validities = new Map<string, Validity>();
  isReadable = true;

  constructor(path: string) {
    super(path, () => assert.fail('nothing is saved'));
  }

  override validityOf(domain: string): Validity | undefined {
    if (!this.isReadable) throw new Error('stale handle');
    return this.validities.get(domain);
  }
}

/** One whose time of day may be put right. */
class WrongClock extends FakeClock {
  aheadMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.aheadMs;
  }
}

interface Stage {
  readonly clock: WrongClock;
  readonly path: string;
  readonly directory: DatedDirectory;
  readonly orders: string[];
  readonly renewal: Renewal;
  /** Lets time go by, and what is due in it be done. */
  pass(ms: number): Promise<void>;
  issued: number;
  /** What orders fail with. */
  failure: Error | undefined;
  /** The next order never ends. */
  hangs: boolean;
  /** How long the next certificate is valid. */
  validMs: number;
}

function stage(t: TestContext, domains: readonly string[], random = 0.5): Stage {
  const path = mkdtempSync(join(tmpdir(), 'ringlb-acme-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const clock = new WrongClock();
  clock.advance(Date.now());
  const directory = new DatedDirectory(path);
  const orders: string[] = [];
  const on: Stage = {
    clock,
    path,
    directory,
    orders,
    issued: 0,
    failure: undefined,
    hangs: false,
    validMs: 90 * DAY_MS,
    renewal: new Renewal({
      domains,
      directory,
      clock,
      log: silentLogger,
      random: () => random,
      issue: async (domain) => {
        orders.push(domain);
        if (on.failure !== undefined) throw on.failure;
        if (on.hangs) {
          on.hangs = false;
          await new Promise(() => {});
        }
        const fromMs = clock.wallMs();
        directory.validities.set(domain, { fromMs, toMs: fromMs + on.validMs });
      },
      onIssued: () => on.issued++,
    }),
    async pass(ms) {
      for (let left = ms; left > 0; left -= HOUR_MS / 2) {
        clock.advance(Math.min(left, HOUR_MS / 2));
        for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      }
    },
  };
  t.after(() => on.renewal.close());
  return on;
}

test('orders what is missing at the start', async (t) => {
  const on = stage(t, ['a.example', 'b.example']);
  await on.renewal.start();
  assert.deepEqual(on.orders, ['a.example', 'b.example']);
  assert.equal(on.issued, 2);
});

test('orders nothing while the certificates are fresh', async (t) => {
  const on = stage(t, ['a.example']);
  await on.renewal.start();
  await on.pass(59 * DAY_MS);
  assert.equal(on.orders.length, 1);
});

for (const [random, day] of [
  [0, 54],
  [0.5, 60],
  [0.999, 66],
] as const) {
  test(`renews on day ${day} of 90 where ${random} is drawn`, async (t) => {
    const on = stage(t, ['a.example'], random);
    await on.renewal.start();
    await on.pass((day - 1) * DAY_MS);
    assert.equal(on.orders.length, 1);
    await on.pass(2 * DAY_MS);
    assert.equal(on.orders.length, 2);
  });
}

test('tries again after 1, 2, 4 hours, then daily', async (t) => {
  const on = stage(t, ['a.example']);
  on.failure = new Error('refused');
  await on.renewal.start();
  const counts: number[] = [];
  for (const hours of [0.9, 0.2, 1.8, 0.3, 3.7, 0.4]) {
    await on.pass(hours * HOUR_MS);
    counts.push(on.orders.length);
  }
  assert.deepEqual(counts, [1, 2, 2, 3, 3, 4]);
  await on.pass(10 * DAY_MS);
  const before = on.orders.length;
  await on.pass(10 * DAY_MS);
  assert.equal(on.orders.length, before + 10);
});

test('a domain that fails holds up no other', async (t) => {
  const on = stage(t, ['a.example', 'b.example']);
  on.failure = new Error('refused');
  await on.renewal.start();
  assert.deepEqual(on.orders, ['a.example', 'b.example']);
});

test('a success after a failure is not held back', async (t) => {
  const on = stage(t, ['a.example']);
  on.failure = new Error('refused');
  await on.renewal.start();
  on.failure = undefined;
  await on.pass(2 * HOUR_MS);
  assert.equal(on.issued, 1);
});

test('leaves the order to the balancer that has the lock', async (t) => {
  const on = stage(t, ['a.example']);
  assert.ok(on.directory.lock(on.clock.wallMs()));
  await on.renewal.start();
  assert.deepEqual(on.orders, []);
  on.directory.unlock();
  await on.pass(HOUR_MS);
  assert.deepEqual(on.orders, ['a.example']);
});

test('takes the lock of a balancer that died', async (t) => {
  const on = stage(t, ['a.example']);
  on.directory.lock(on.clock.wallMs());
  await on.pass(HOUR_MS);
  await on.renewal.start();
  assert.deepEqual(on.orders, ['a.example']);
});

test('does not order without end what is old when it comes', async (t) => {
  const on = stage(t, ['a.example']);
  on.validMs = 0;
  await on.renewal.start();
  await on.pass(HOUR_MS / 2);
  assert.equal(on.orders.length, 1);
});

test('does nothing once it is closed', async (t) => {
  const on = stage(t, ['a.example']);
  on.failure = new Error('refused');
  await on.renewal.start();
  on.renewal.close();
  await on.pass(DAY_MS);
  assert.equal(on.orders.length, 1);
});

test('tries again after an hour where the time of day was years ahead', async (t) => {
  const on = stage(t, ['a.example']);
  on.clock.aheadMs = 3650 * DAY_MS;
  on.failure = new Error('certificate has expired');
  await on.renewal.start();
  on.clock.aheadMs = 0;
  on.failure = undefined;
  await on.pass(2 * HOUR_MS);
  assert.equal(on.issued, 1);
});

test('comes again when the server says', async (t) => {
  const on = stage(t, ['a.example']);
  on.failure = new ComeAgainLater('too many orders', 5 * HOUR_MS);
  await on.renewal.start();
  await on.pass(4.9 * HOUR_MS);
  assert.equal(on.orders.length, 1);
  await on.pass(0.5 * HOUR_MS);
  assert.equal(on.orders.length, 2);
});

test('a server that says to come again in a month is asked daily', async (t) => {
  const on = stage(t, ['a.example']);
  on.failure = new ComeAgainLater('too many orders', 30 * DAY_MS);
  await on.renewal.start();
  await on.pass(1.1 * DAY_MS);
  assert.equal(on.orders.length, 2);
});

test('an order that never ends holds up no other, and is tried again', async (t) => {
  const on = stage(t, ['a.example', 'b.example']);
  on.hangs = true;
  void on.renewal.start();
  await on.pass(HOUR_MS / 2);
  assert.deepEqual(on.orders, ['a.example', 'b.example']);
  await on.pass(2 * HOUR_MS);
  assert.deepEqual(on.orders, ['a.example', 'b.example', 'a.example']);
});

test('looks again soon where another balancer has the lock', async (t) => {
  const on = stage(t, ['a.example']);
  assert.ok(on.directory.lock(on.clock.wallMs()));
  await on.renewal.start();
  await on.pass(LOCK_MS + 1000);
  assert.deepEqual(on.orders, []);
  await on.pass(LOCK_MS);
  assert.deepEqual(on.orders, ['a.example']);
});

test('a directory that cannot be read for a while ends nothing', async (t) => {
  const on = stage(t, ['a.example']);
  on.directory.isReadable = false;
  await on.renewal.start();
  await on.pass(2 * HOUR_MS);
  assert.deepEqual(on.orders, []);
  on.directory.isReadable = true;
  await on.pass(4 * HOUR_MS);
  assert.deepEqual(on.orders, ['a.example']);
});

test('nor does a directory that is gone while an order is under way', async (t) => {
  const on = stage(t, ['a.example']);
  on.hangs = true;
  void on.renewal.start();
  rmSync(on.path, { recursive: true });
  await on.pass(HOUR_MS / 2);
  mkdirSync(on.path);
  await on.pass(2 * HOUR_MS);
  assert.equal(on.orders.length, 2);
});

test('leaves no lock when it ends amid an order', async (t) => {
  const on = stage(t, ['a.example']);
  on.hangs = true;
  const started = on.renewal.start();
  on.renewal.close();
  await started;
  assert.ok(on.directory.lock(on.clock.wallMs()));
  await on.pass(DAY_MS);
  assert.equal(on.orders.length, 1);
});
