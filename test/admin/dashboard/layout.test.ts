import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BrowserContextOptions } from 'playwright-core';
import type { ReplicaSnapshot } from '../../../lib/api/snapshot.ts';
import type { FleetEvent } from '../../../lib/api/types.ts';
import { faultsOf } from '../../helpers/admin/accessibility.ts';
import { skipBrowser } from '../../helpers/admin/browser.ts';
import { misfits } from './fit.ts';
import { deployOf, replicaShown, snapshotOf } from './stage.ts';
import { Visits } from './visits.ts';

const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 740 } };
const LONG_NAME = 'a-name-of-sixty-three-letters-which-is-the-most-that-one-may-have';

/** Desktops, tablets and phones, either side of every width at which the page is laid out anew. */
const WIDTHS = [
  1920, 1440, 1366, 1280, 1257, 1256, 1200, 1024, 961, 960, 834, 768, 721, 720, 480, 430, 390, 352, 320,
];

/** Numbers as large as they get. */
const LARGE: Partial<ReplicaSnapshot> = {
  ...{ requestsPerSecond: 12_345, errorsPerSecond: 1234, p50Ms: 4096, p99Ms: 65_536 },
  ...{ inFlight: 255, queued: 1024, weight: 256, restarts: 12_345, drained: true },
  endpoint: '[2001:db8:1234:5678:9abc:def0:1234:5678]:40000',
};

const AT = new Date().toISOString();
const DEATH: FleetEvent = {
  ...{ id: 'a-1', time: AT, since: AT, kind: 'died', replica: 'S1', instance: '4711', image: null },
  ...{ cause: `exit 1: ${'words and more words '.repeat(8)}`, ms: 1234, cost: null, count: 12 },
};

const fleetOf = (count: number) =>
  Array.from({ length: count }, (_, index) => replicaShown(index + 1, count));

const STARTING: Partial<ReplicaSnapshot> = { state: 'starting', endpoint: null, nextStartInMs: 3000 };

describe('the layout of the page', { skip: skipBrowser }, () => {
  const visits = new Visits(() => fleetOf(3));

  it('fits every screen from a phone on, whatever the names are', async () => {
    visits.stage.snapshot = snapshotOf([
      replicaShown(1, 2, { name: LONG_NAME, inFlight: 200 }),
      replicaShown(2, 2, STARTING),
    ]);
    const page = await visits.open(PHONE);
    await page.getByRole('rowheader', { name: LONG_NAME }).waitFor();
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    for (const most of [1440, 1257, 1256, 961, 960, 721, 720, 360]) {
      await page.setViewportSize({ width: most, height: 740 });
      assert.equal(await width(), most);
    }
    await page.getByRole('button', { name: `Remove ${LONG_NAME}` }).click();
    await page
      .getByRole('button', { name: `Remove ${LONG_NAME}` })
      .last()
      .waitFor();
    assert.equal(await width(), 360);
  });

  it('has room for the words of a state, and keeps the table in its panel, on every desktop', async () => {
    const replicas = [
      replicaShown(1, 3, { name: LONG_NAME, inFlight: 255, weight: 256 }),
      replicaShown(2, 3, { state: 'unhealthy', cause: 'probe failed: no response within 2s' }),
      replicaShown(3, 3),
    ];
    visits.stage.snapshot = snapshotOf(replicas);
    const page = await visits.open();
    for (const shown of [replicas, [...replicas, ...fleetOf(20).slice(3)]]) {
      visits.stage.snapshot = snapshotOf(shown);
      await page
        .locator('#replica-rows tr')
        .nth(shown.length - 1)
        .waitFor();
      for (const width of [1440, 1366, 1280, 1257]) {
        await page.setViewportSize({ width, height: 740 });
        const cut = await page
          .locator('[data-state="unhealthy"] :is(.state, .cause)')
          .evaluateAll((elements) =>
            elements
              .filter(
                ({ clientHeight, scrollHeight, clientWidth, scrollWidth }) =>
                  scrollHeight > clientHeight + 1 || (clientWidth > 0 && scrollWidth > clientWidth),
              )
              .map(({ className }) => className),
          );
        assert.deepEqual(cut, [], `cut at ${width}`);
        const over = await page.evaluate(() => {
          const table = document.querySelector('#replicas')?.getBoundingClientRect();
          const panel = document.querySelector('.panel:has(#replicas)')?.getBoundingClientRect();
          return (table?.right ?? 0) - (panel?.right ?? 0);
        });
        assert.ok(over < 0, `${over} px beyond the panel at ${width}`);
      }
    }
  });

  it('cuts a name of one word that is wider than its place, which would push others out of the panel', async () => {
    const page = await visits.open();
    for (const many of [3, 20]) {
      const long = { name: 'x'.repeat(63), cause: 'exit 1', weight: 256, ...STARTING };
      visits.stage.snapshot = snapshotOf([replicaShown(1, many, long), ...fleetOf(many).slice(1)]);
      await page
        .locator('#replica-rows tr')
        .nth(many - 1)
        .waitFor();
      for (const width of [1440, 1257, 1256, 720, 390, 320]) {
        await page.setViewportSize({ width, height: 740 });
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      }
    }
  });

  it('has one line for each of many replicas with names of two dozen letters', async () => {
    const named = (name: string) => fleetOf(24).map((one) => ({ ...one, name: `${name}${one.id}` }));
    visits.stage.snapshot = snapshotOf(named('S'));
    const page = await visits.open({ viewport: { width: 1440, height: 900 } });
    const height = () =>
      page.locator('#replica-rows').evaluate((rows) => rows.getBoundingClientRect().height);
    await page.getByRole('row', { name: 'S24' }).waitFor();
    const short = await height();
    visits.stage.snapshot = snapshotOf(named('checkout-eu-west-1-green-'));
    await page.getByRole('row', { name: 'checkout-eu-west-1-green-24' }).waitFor();
    assert.equal(await height(), short);
  });

  it('says on a phone what is wrong with each of many replicas, and has short rows from six on', async () => {
    const down: Partial<ReplicaSnapshot> = { state: 'unhealthy', cause: 'probes failed: connection refused' };
    visits.stage.snapshot = snapshotOf([
      ...fleetOf(5).slice(0, 3),
      replicaShown(4, 6, { p50Ms: 140 }),
      replicaShown(5, 6, down),
      replicaShown(6, 6, { ...down, name: LONG_NAME }),
    ]);
    const page = await visits.open(PHONE);
    const row = page.getByRole('row', { name: LONG_NAME });
    await row.getByText('probes failed: connection refused').waitFor();
    await page.getByRole('row', { name: 'S4' }).getByText('slow: p50 140').waitFor();
    const drain = row.getByRole('button', { name: `Drain ${LONG_NAME}` });
    assert.equal(await drain.isVisible(), false);
    assert.deepEqual(await faultsOf(page), []);
    await row.getByRole('button', { name: LONG_NAME, exact: true }).click();
    await drain.waitFor();
  });

  it('hides nothing that a link or the keyboard leads to behind its head', async () => {
    visits.stage.deploy = { ...visits.stage.deploy, deploy: deployOf(['done', 'watching', 'waiting']) };
    visits.stage.snapshot = snapshotOf(fleetOf(24));
    const page = await visits.open({ viewport: { width: 1440, height: 740 } });
    const isHidden = (of: string) =>
      page.locator(of).evaluate((element) => {
        const head = document.querySelector('.top')?.getBoundingClientRect();
        return element.getBoundingClientRect().top < (head?.bottom ?? 0);
      });
    await page.locator('#deploy-line').getByRole('link').click();
    await page.locator('#deploy-heading:focus').waitFor();
    assert.equal(await isHidden('#deploy-heading'), false);
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press('Shift+Tab');
      assert.equal(await isHidden(':focus'), false, `after ${presses} presses`);
    }
  });

  it('has room for large numbers of many replicas on a phone', async () => {
    const busy = { requestsPerSecond: 12_345, p50Ms: 4096, errorsPerSecond: 1234 };
    visits.stage.snapshot = snapshotOf([...fleetOf(19), replicaShown(20, 20, busy)]);
    const page = await visits.open(PHONE);
    for (const width of [360, 320]) {
      await page.setViewportSize({ width, height: 740 });
      const over = await page
        .locator('#replica-rows')
        .getByRole('row', { name: 'S20' })
        .locator('.name, td:not(.minor)')
        .evaluateAll((cells) =>
          cells
            .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
            .map(({ textContent }) => textContent),
        );
      assert.deepEqual(over, [], `at ${width}`);
    }
  });

  it('cuts no state of many replicas on a phone', async () => {
    const down: Partial<ReplicaSnapshot> = { state: 'unhealthy', cause: null };
    visits.stage.snapshot = snapshotOf([...fleetOf(19), replicaShown(20, 20, down)]);
    const page = await visits.open(PHONE);
    const cell = page.locator('[data-state="unhealthy"] .state-cell');
    const [inner, outer] = await cell.evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
    assert.ok(inner <= outer, `${inner} px of words in ${outer}`);
  });

  for (const [what, many, name, differs] of [
    ['three replicas', 3, (id: number) => `S${id}`, {}],
    ['three with large numbers and long names', 3, (id: number) => `${id}${LONG_NAME.slice(1)}`, LARGE],
    ['twenty with large numbers and long names', 20, (id: number) => `${'x'.repeat(60)}${id}`, LARGE],
  ] as const) {
    it(`keeps every word and button in its place, and none over another, on every screen: ${what}`, async () => {
      const replicas = fleetOf(many).map((one) => ({ ...one, ...differs, name: name(one.id) }));
      const last = replicas[many - 1]?.name ?? '';
      visits.stage.events.push({ ...DEATH, replica: last });
      visits.stage.deploy = { ...visits.stage.deploy, deploy: deployOf(['done', 'watching', 'waiting']) };
      visits.stage.snapshot = snapshotOf(replicas);
      const page = await visits.open();
      // where rows are short all of it is there once its name was pressed, and the charts name it
      await page.getByRole('button', { name: last, exact: true }).click();
      await page.locator('#charts-of', { hasText: last }).waitFor();
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        assert.deepEqual(await misfits(page), [], `at ${width}`);
      }
    });
  }

  it('has room in its dialogs and panels for the longest names', async () => {
    const names = [LONG_NAME, 'x'.repeat(63)];
    visits.stage.snapshot = snapshotOf(names.map((name, at) => replicaShown(at + 1, 2, { name })));
    const page = await visits.open();
    for (const name of names) {
      for (const button of [`Remove ${name}`, `Drain ${name}`, `Log of ${name}`]) {
        await page.setViewportSize({ width: 1440, height: 900 });
        await page.getByRole('button', { name: button }).click();
        const dialog = page.locator('dialog[open]');
        await dialog.getByText(name).first().waitFor();
        for (const width of [1440, 721, 720, 430, 320]) {
          await page.setViewportSize({ width, height: 900 });
          assert.deepEqual(await misfits(page), [], `${button} at ${width}`);
        }
        await page.keyboard.press('Escape');
        await dialog.waitFor({ state: 'hidden' });
      }
    }
  });
});
