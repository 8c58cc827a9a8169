import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { ReplicaSnapshot } from '../../../lib/api/snapshot.ts';
import { faultsOf } from '../../helpers/admin/accessibility.ts';
import { skipBrowser } from '../../helpers/admin/browser.ts';
import { openStage, replicaShown, snapshotOf } from './stage.ts';
import { Visits } from './visits.ts';

const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 740 } };

const fleetOf = (count: number, differs: Partial<ReplicaSnapshot> = {}) =>
  Array.from({ length: count }, (_, index) => replicaShown(index + 1, count, differs));

const DEAD: Partial<ReplicaSnapshot> = {
  state: 'starting',
  endpoint: null,
  cause: 'the process was ended by SIGKILL',
  nextStartInMs: 3000,
  errorsPerSecond: 3.4,
  p50Ms: null,
  p99Ms: null,
};

const namesOn = (page: Page) => page.locator('#replica-rows .name').allTextContents();

describe('the page', { skip: skipBrowser }, () => {
  const visits = new Visits(() => fleetOf(3));

  describe('can be used by everyone', () => {
    const states: readonly (readonly [string, (page: Page) => Promise<unknown>])[] = [
      ['as it is', async () => {}],
      ['with the dialog that adds', (page) => page.getByRole('button', { name: 'Add…' }).click()],
      ['with the dialog that removes', (page) => page.getByRole('button', { name: 'Remove S2' }).click()],
      ['with the dialog that drains', (page) => page.getByRole('button', { name: 'Drain S2' }).click()],
      [
        'without a connection',
        (page) => visits.stage.close().then(() => page.getByText('Try now').waitFor()),
      ],
    ];
    for (const [name, reach] of states) {
      it(`${name}, light and dark`, async () => {
        visits.stage.snapshot = snapshotOf([
          replicaShown(1, 3),
          replicaShown(2, 3, DEAD),
          replicaShown(3, 3, { drained: true }),
        ]);
        const page = await visits.open({ colorScheme: 'light' });
        await reach(page);
        assert.deepEqual(await faultsOf(page), []);
        await page.emulateMedia({ colorScheme: 'dark' });
        assert.deepEqual(await faultsOf(page), []);
      });
    }

    it('with 64 replicas, and with none eligible, on a phone', async () => {
      const page = await visits.open(PHONE);
      for (const replicas of [fleetOf(64), fleetOf(3, { ...DEAD, state: 'unhealthy' })]) {
        visits.stage.snapshot = snapshotOf(replicas);
        await page
          .locator('#replica-rows tr')
          .nth(Math.min(replicas.length, 24) - 1)
          .waitFor();
        // colours are those of three replicas, and to judge them takes long
        assert.deepEqual(await faultsOf(page, { 'color-contrast': { enabled: false } }), []);
      }
    });
  });

  it('shows each replica with its numbers and its state in words', async () => {
    visits.stage.snapshot = snapshotOf([replicaShown(1, 2), replicaShown(2, 2, DEAD)]);
    const page = await visits.open();
    const row = page.getByRole('row', { name: 'S2' });
    const text = (await row.innerText()).replaceAll('\u202f', ' ');
    for (const part of ['starting', 'no instance', 'ended by SIGKILL; starts again in 3 s', '50.0 %', '3.4'])
      assert.ok(text.includes(part), `${part} in ${text}`);
    assert.match((await row.getByRole('img').getAttribute('aria-label')) ?? '', /of the last 20 passed/);
  });

  it('puts trouble first and tells it in line, title and icon', async () => {
    visits.stage.snapshot = snapshotOf([
      ...fleetOf(4),
      replicaShown(5, 5, { ...DEAD, ending: { kind: 'exit', code: 1, signal: null } }),
    ]);
    const page = await visits.open();
    const line = page.locator('#headline');
    await line.getByText('Degraded: 1 of 5 out: S5 crash loop (exit 1), next start in').waitFor();
    assert.deepEqual(await namesOn(page), ['S5', 'S1', 'S2', 'S3', 'S4']);
    assert.equal(await page.title(), '(1 out) ringlb');
    assert.equal(await page.locator('#icon').getAttribute('href'), 'dashboard/icon-degraded.svg');
    visits.stage.snapshot = snapshotOf(fleetOf(4));
    await line.getByText('Healthy: all 4 replicas are eligible').waitFor();
    assert.deepEqual([await page.title(), await namesOn(page)], ['ringlb', ['S1', 'S2', 'S3', 'S4']]);
  });

  it('tells of failing requests in line, title and icon, though all replicas are healthy', async () => {
    const { totals } = visits.stage.snapshot;
    visits.stage.snapshot = snapshotOf(fleetOf(3), {
      totals: { ...totals, requestsPerSecond: 40, errorsPerSecond: 30, queued: 1024 },
    });
    const page = await visits.open();
    await page.getByText(/^Degraded: 75.0.% of requests fail, the queue is full$/).waitFor();
    assert.equal(await page.title(), 'Degraded – ringlb');
    assert.equal(await page.locator('#icon').getAttribute('href'), 'dashboard/icon-degraded.svg');
    visits.stage.snapshot = snapshotOf(fleetOf(3));
    await page.locator('#headline').getByText('Healthy: all 3 replicas are eligible').waitFor();
  });

  it('sorts rows by a pressed column, reversed at the second press', async () => {
    visits.stage.snapshot = snapshotOf(
      [1, 2, 3].map((id) => replicaShown(id, 3, { p99Ms: [5, 50, 20][id - 1]! })),
    );
    const page = await visits.open();
    const heading = page.getByRole('columnheader', { name: 'p99' });
    await heading.getByRole('button').click();
    assert.deepEqual(await namesOn(page), ['S2', 'S3', 'S1']);
    assert.equal(await heading.getAttribute('aria-sort'), 'descending');
    await heading.getByRole('button').click();
    assert.deepEqual(await namesOn(page), ['S1', 'S3', 'S2']);
    await page.getByLabel('Sort by').selectOption('Replica');
    assert.deepEqual(await namesOn(page), ['S1', 'S2', 'S3']);
  });

  it('shows what the filter leaves, or only what is not well', async () => {
    const [one, , , four] = fleetOf(4);
    visits.stage.snapshot = snapshotOf([
      one!,
      replicaShown(2, 4, DEAD),
      replicaShown(3, 4, { p50Ms: 140 }),
      four!,
    ]);
    const page = await visits.open();
    await page.getByRole('button', { name: 'Only unhealthy (2)' }).click();
    assert.deepEqual(await namesOn(page), ['S2', 'S3']);
    await page.getByLabel('Filter replicas').fill('slow');
    assert.deepEqual(await namesOn(page), ['S3']);
    await page.getByLabel('Filter replicas').fill('nothing');
    await page.getByText('No replica matches.').waitFor();
  });

  it('shows 24 of many replicas until all are asked for', async () => {
    visits.stage.snapshot = snapshotOf(fleetOf(64));
    const page = await visits.open();
    assert.equal((await namesOn(page)).length, 24);
    assert.match((await page.locator('#replicas').getAttribute('class')) ?? '', /compact/);
    await page.getByRole('button', { name: 'Show all 64' }).click();
    assert.equal((await namesOn(page)).length, 64);
  });

  it('has 15 past minutes at once, numbers and events under pointer', async () => {
    const atMs = visits.stage.history.atMs[60]!;
    const time = new Date(atMs).toISOString();
    visits.stage.events.push({
      ...{ id: 'a-1', time, since: time, kind: 'died', replica: 'S1' },
      ...{ instance: null, image: null, cause: null, ms: null, count: 1, cost: null },
    });
    const page = await visits.open();
    const says = page.locator('#requests-says');
    await page.getByText(/^Last 15 min: 2xx [\d,]+ to 1,500, mean/).waitFor();
    const over = page.locator('#requests-chart .u-over');
    const box = (await over.boundingBox())!;
    await over.hover({ position: { x: box.width * (1 - 60 / 900), y: 30 } });
    await says.getByText(/^\d\d:\d\d:\d\d: 2xx [\d,]+; 3xx .*; 5xx .*; all [\d,]+; S1 died$/).waitFor();
    assert.match(
      (await page.locator('#latency-says').textContent()) ?? '',
      /: p50 .*; p99 [\d.]+.ms; S1 died$/,
    );
  });

  it('tells of no other second where nothing is known under the pointer', async () => {
    const page = await visits.open();
    await page.getByText(/^Last 15 min: 2xx [\d,]+ to/).waitFor();
    const over = page.locator('#requests-chart .u-over');
    const box = (await over.boundingBox())!;
    await over.hover({ position: { x: box.width / 3, y: 30 } });
    await page
      .locator('#requests-says')
      .getByText(/^\d\d:\d\d:\d\d: not known$/)
      .waitFor();
  });

  it('narrows its charts to a pressed replica, and widens them again', async () => {
    const page = await visits.open();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).search));
    const name = page.getByRole('button', { name: 'S2', exact: true });
    await name.click();
    await page.getByText('Replica S2 alone').waitFor();
    await page.getByText(/^Last 15 min: 2xx [\d,]+ to/).waitFor();
    assert.equal(await name.getAttribute('aria-pressed'), 'true');
    assert.equal(asked[0], '?replica=S2&after=0');
    await page.getByRole('button', { name: 'Show all replicas together' }).click();
    await page.getByText('The whole balancer').waitFor();
    assert.equal(await name.getAttribute('aria-pressed'), 'false');
  });

  it('marks the row that has the pressed name, and not an instance that a deploy replaced', async () => {
    const [one, two] = fleetOf(2);
    visits.stage.snapshot = snapshotOf([one!, two!, { ...two!, state: 'draining' }], { desired: 2 });
    const page = await visits.open();
    await page.getByRole('button', { name: 'S2', exact: true }).first().click();
    assert.deepEqual(
      await page.locator('#replica-rows .chosen').evaluateAll((rows) => rows.map((row) => row.dataset.state)),
      ['healthy'],
    );
  });

  it('claims nothing behind the dialog that asks for a token', async () => {
    await visits.stage.close();
    visits.stage = await openStage(snapshotOf(fleetOf(3)), {
      token: 'a-long-secret-token',
      adminHost: '0.0.0.0',
    });
    const page = await visits.goTo();
    await page.getByRole('dialog', { name: 'Token needed' }).waitFor();
    const text = await page.locator('body').innerText();
    assert.match(text, /Locked/);
    assert.doesNotMatch(text, /No replica yet|Nothing has happened|Connecting|Last 15 min:|unhealthy \(0\)/);
  });

  it('opens what links lead to with the token', async () => {
    await visits.stage.close();
    visits.stage = await openStage(snapshotOf(fleetOf(3)), {
      token: 'a-long-secret-token',
      adminHost: '0.0.0.0',
    });
    const page = await visits.goTo();
    await page.getByLabel('Admin token').fill('a-long-secret-token');
    await page.keyboard.press('Enter');
    await page.getByText('Live', { exact: true }).waitFor();
    const opened = page.context().waitForEvent('page');
    await page.getByRole('link', { name: 'replicas', exact: true }).click();
    await (await opened).getByText('"status":"successful"').waitFor();
  });

  it('has a red button naming the removed replica, folds small moves', async () => {
    visits.stage.snapshot = snapshotOf(fleetOf(40));
    const page = await visits.open();
    await page.getByRole('button', { name: 'Remove S5', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Remove S5' });
    await dialog.getByText(/^39 moves, each below 0.1.%, 2.5.% together$/).waitFor();
    assert.equal(await dialog.getByRole('row').count(), 0);
    assert.equal(await dialog.getByRole('button', { name: 'Remove S5' }).getAttribute('class'), 'danger');
  });

  it('shows marks that would reverse text, but does not obey them', async () => {
    const probes = { last: 'no TLS: \u202egnp.exe', recent: [false] };
    visits.stage.snapshot = snapshotOf([
      replicaShown(1, 1, { ...DEAD, name: 'S\u202e1', cause: 'exit 1: \u202egnp.exe', probes }),
    ]);
    const page = await visits.open();
    await page.getByText('exit 1: \\u202egnp.exe; starts again').waitFor();
    await page.locator('#ring-slots path').waitFor();
    assert.doesNotMatch(await page.content(), /[\u202a-\u202e]/);
  });

  it('shows replicas and events before charts, and the ring last', async () => {
    const page = await visits.open();
    assert.deepEqual(await page.locator('main h2').allTextContents(), [
      ...['Replicas', 'Events', 'Last 15 minutes', 'Deploy', 'Size', 'Ring'],
    ]);
  });

  it('draws an arc for each replica, hatched if without requests', async () => {
    visits.stage.snapshot = snapshotOf([
      replicaShown(1, 3),
      replicaShown(2, 3, DEAD),
      replicaShown(3, 3, { drained: true }),
    ]);
    const page = await visits.open();
    assert.equal(await page.locator('#ring-shares path').count(), 3);
    assert.equal(await page.locator('#ring-hatches path').count(), 2);
    await page.locator('#ring-slots path').nth(2).waitFor();
    assert.equal(await page.locator('#ring-count').textContent(), '1/3');
  });

  it('keeps rows and focus when a replica comes before them', async () => {
    const page = await visits.open();
    const button = page.getByRole('button', { name: 'Drain S3' });
    await button.focus();
    visits.stage.snapshot = snapshotOf([replicaShown(9, 4), ...fleetOf(3)]);
    await page.getByRole('row', { name: 'S9' }).waitFor();
    assert.equal(await button.evaluate((element) => element === document.activeElement), true);
  });

  it('adds by keyboard alone, and only what it showed before', async () => {
    const page = await visits.open();
    await page.getByRole('button', { name: 'Add…' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('2');
    await page.keyboard.press('Tab');
    await page.keyboard.type('web_a');
    await page.getByText('web_a and S4 join: from 3 to 5 replicas.').waitFor();
    assert.deepEqual(visits.stage.changes, []);
    await page.keyboard.press('Enter');
    await page.getByText('Added 2 replicas.').last().waitFor();
    assert.deepEqual(visits.stage.changes, ['/add {"n":2,"hostnames":["web_a","S4"]}']);
    assert.equal(
      await page.evaluate(() => document.activeElement?.id),
      'add',
      'the focus is where the dialog was opened',
    );
  });

  it('does nothing when a dialog is left with Escape', async () => {
    const page = await visits.open();
    await page.getByRole('button', { name: 'Remove S2' }).click();
    await page.getByText('S2 leaves: from 3 to 2 replicas.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    assert.deepEqual(visits.stage.changes, []);
  });

  it('shows events newest first, and names that are markup unchanged', async () => {
    const time = new Date().toISOString();
    const base = {
      time,
      since: time,
      count: 1,
      ms: 183,
      instance: null,
      image: null,
      cause: '<img src=x onerror=alert(1)>',
    };
    visits.stage.events.push({ ...base, id: 'a-1', kind: 'died', replica: 'S1', cost: null });
    const page = await visits.open();
    await page.getByRole('cell', { name: base.cause }).waitFor();
    const cost = { retried: 12, held: 0, failed: 1 };
    visits.stage.events.push({ ...base, id: 'a-2', kind: 'replaced', replica: 'S1', cost });
    await page.getByRole('cell', { name: '1 failed, 12 retried' }).waitFor();
    assert.deepEqual(await page.locator('#event-rows .kind').allTextContents(), ['replaced', 'died']);
  });

  it('shows a repeated event as one row with a count', async () => {
    const time = new Date().toISOString();
    const base = {
      time,
      since: time,
      instance: null,
      image: null,
      ms: 1,
      cause: 'flapping \u202e',
      cost: null,
      replica: 'S1',
    };
    visits.stage.events.push({ ...base, id: 'a-1', kind: 'unhealthy', count: 1 });
    visits.stage.events.push({ ...base, id: 'a-2', kind: 'healthy', count: 1 });
    const page = await visits.open();
    await page.getByRole('cell', { name: 'unhealthy' }).waitFor();
    visits.stage.events.push({ ...base, id: 'a-3', kind: 'unhealthy', count: 7 });
    await page.getByRole('cell', { name: 'unhealthy × 7' }).waitFor();
    assert.deepEqual(await page.locator('#event-rows .kind').allTextContents(), ['unhealthy', 'healthy']);
  });

  it('says the balancer is lost, shows nothing live, disables its actions', async () => {
    const page = await visits.open();
    await page.getByRole('row', { name: 'S1' }).waitFor();
    await visits.stage.close();
    await page.getByText('Connection lost. The balancer').waitFor();
    assert.equal(await page.locator('#readiness-text').textContent(), 'Not known');
    assert.equal(await page.title(), 'Not known – ringlb');
    for (const figure of await page.locator('.figure').allTextContents()) assert.equal(figure, '–');
    assert.match((await page.locator('.as-of').first().textContent()) ?? '', /^Last known, /);
    for (const name of ['Add…', 'Remove…', 'Drain S1', 'Remove S1'])
      assert.equal(await page.getByRole('button', { name }).isDisabled(), true, name);
  });

  it('loads again where a part of it did not come', async () => {
    const broken = new Set(['series.js', 'page.css']);
    const page = await visits.goTo({}, (page) =>
      page.route(/dashboard/, (route) => {
        const name = new URL(route.request().url()).pathname.split('/').at(-1) ?? '';
        return broken.delete(name) ? route.abort('connectionreset') : route.continue();
      }),
    );
    await page.getByRole('row', { name: 'S1' }).waitFor();
    assert.equal(broken.size, 0);
  });

  it('has its charts in a browser whose language has no valid tag', async () => {
    const page = await visits.goTo({}, (page) =>
      page.addInitScript(
        "Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix' })",
      ),
    );
    await page.getByText(/^Last 15 min: 2xx [\d,]+ to/).waitFor();
  });

  it('offers no change of a fixed list of servers', async () => {
    visits.stage.snapshot = snapshotOf(fleetOf(2), { canScale: false, driver: 'static' });
    const page = await visits.open();
    await page.getByRole('row', { name: 'S1' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Add…' }).isDisabled(), true);
    assert.equal(await page.getByRole('button', { name: 'Remove S1' }).count(), 0);
    assert.equal(await page.getByRole('button', { name: 'Drain S1' }).isEnabled(), true);
  });
});
