import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import type { ScaleView } from '../../../lib/api/scale.ts';
import { faultsOf } from '../../helpers/admin/accessibility.ts';
import { skipBrowser } from '../../helpers/admin/browser.ts';
import { configOf, deployOf, RELEASES, replicaShown, snapshotOf } from './stage.ts';
import { Visits } from './visits.ts';

const PHONE = { viewport: { width: 360, height: 740 } };

describe('a panel', { skip: skipBrowser }, () => {
  const visits = new Visits(() => [1, 2, 3].map((id) => replicaShown(id, 3)));

  const print = (replica: string, instance: string, text: string, stream: 'stdout' | 'stderr' = 'stdout') =>
    visits.stage.logs.open(replica, instance).write(stream, Buffer.from(`${text}\n`));
  const linesOn = (page: Page) => page.locator('.log-line:not([hidden]) .log-text').allTextContents();

  describe('of logs', () => {
    it('shows the lines of a row’s replica and follows new ones', async () => {
      print('S1', '4711', 'S1 listens');
      print('S2', '4712', 'S2 listens');
      const page = await visits.open();
      await page.getByRole('button', { name: 'Log of S1' }).click();
      await page.getByRole('dialog', { name: 'Log of S1' }).getByText('S1 listens').waitFor();
      print('S1', '4711', 'GET /home');
      await page.getByText('GET /home').waitFor();
      assert.deepEqual(await linesOn(page), ['S1 listens', 'GET /home']);
    });

    it('opens the log of the instance that an event says died', async () => {
      const dead = visits.stage.logs.open('S1', '4711');
      dead.write('stderr', Buffer.from('cannot open the database\n'));
      dead.end();
      print('S1', '4715', 'S1 listens');
      const time = new Date().toISOString();
      visits.stage.events.push({
        ...{ id: 'a-1', time, since: time, kind: 'died', replica: 'S1', instance: '4711' },
        ...{ image: null, cause: 'exit 1', ms: null, count: 1, cost: null },
      });
      const page = await visits.open();
      await page.getByRole('button', { name: 'Log of S1, died' }).click();
      const dialog = page.getByRole('dialog', { name: 'Log of S1, instance 4711' });
      await dialog.getByText('cannot open the database').waitFor();
      assert.deepEqual(await linesOn(page), ['cannot open the database']);
      await dialog.getByLabel('Instance').selectOption('All instances');
      await page.getByText('S1 listens').waitFor();
    });

    it('shows marks of direction and leaves colours out', async () => {
      print('S1', '4711', '\x1b[31mexit\x1b[0m \u202egnp.exe');
      const page = await visits.open();
      await page.getByRole('button', { name: 'Logs', exact: true }).click();
      await page.getByText('exit \\u202egnp.exe').waitFor();
    });

    it('narrows to lines that match, and to stderr', async () => {
      for (const text of ['one', 'two']) print('S1', '4711', text);
      print('S2', '4712', 'two too', 'stderr');
      const page = await visits.open();
      await page.getByRole('button', { name: 'Logs', exact: true }).click();
      await page.getByText('two too').waitFor();
      await page.getByLabel('Filter lines').fill('two');
      assert.deepEqual(await linesOn(page), ['two', 'two too']);
      await page.getByText('2 of 3 lines').waitFor();
      await page.getByRole('button', { name: 'Only stderr' }).click();
      assert.deepEqual(await linesOn(page), ['two too']);
    });

    it('says that no line is kept of an instance', async () => {
      const page = await visits.open();
      await page.getByRole('button', { name: 'Log of S2' }).click();
      await page.getByText(/^No line: nothing was printed/).waitFor();
    });

    it('keeps its lines and says that the connection is lost', async () => {
      print('S1', '4711', 'S1 listens');
      const page = await visits.open();
      await page.getByRole('button', { name: 'Logs', exact: true }).click();
      await page.getByText('S1 listens').waitFor();
      await visits.stage.close();
      await page.getByText(/^Connection lost: .*Trying again/).waitFor();
      assert.deepEqual(await linesOn(page), ['S1 listens']);
    });

    it('is not offered where replicas have no logs', async () => {
      visits.stage.snapshot = snapshotOf([replicaShown(1, 1)], { hasLogs: false, driver: 'static' });
      const page = await visits.open();
      await page.getByRole('row', { name: 'S1' }).waitFor();
      assert.equal(await page.getByRole('button', { name: /^Log/ }).count(), 0);
    });

    it('gives the focus back to the button that opened it', async () => {
      const page = await visits.open();
      const button = page.getByRole('button', { name: 'Log of S3' });
      await button.focus();
      await page.keyboard.press('Enter');
      await page.getByRole('dialog', { name: 'Log of S3' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.equal(await button.evaluate((element) => element === document.activeElement), true);
    });
  });

  describe('of the configuration', () => {
    const show = async (page: Page) => {
      await page.getByRole('button', { name: 'Configuration' }).click();
      return page.getByRole('dialog', { name: 'Configuration' });
    };

    it('shows each option with value, default and source', async () => {
      visits.stage.config = configOf([
        { option: 'replicas', value: '5', source: 'flag', from: '--replicas' },
        { option: 'admin-token', value: '•••', source: 'environment', from: 'LB_ADMIN_TOKEN' },
      ]);
      const dialog = await show(await visits.open());
      const cellsOf = (name: string) => dialog.getByRole('row', { name }).getByRole('cell').allTextContents();
      await dialog.getByRole('row', { name: 'replicas' }).waitFor();
      assert.deepEqual(await cellsOf('replicas'), ['5', '3', 'flag --replicas', 'restart']);
      assert.deepEqual(await cellsOf('probe-interval'), ['2s', '', 'default', 'reload']);
      assert.deepEqual(await cellsOf('admin-token'), ['•••', '–', 'environment LB_ADMIN_TOKEN', 'restart']);
    });

    it('narrows to options that match, and to those set', async () => {
      visits.stage.config = configOf([{ option: 'port', value: '8080', source: 'flag', from: '--port' }]);
      const dialog = await show(await visits.open());
      await dialog.getByLabel('Filter options').fill('reload');
      await dialog.getByText('1 of 4 options').waitFor();
      assert.deepEqual(await dialog.getByRole('rowheader').allTextContents(), ['probe-interval']);
      await dialog.getByLabel('Filter options').fill('');
      await dialog.getByRole('button', { name: 'Only set (1)' }).click();
      assert.deepEqual(await dialog.getByRole('rowheader').allTextContents(), ['port']);
    });

    it('names options whose new value waits for a restart', async () => {
      visits.stage.config = configOf([], ['port']);
      const dialog = await show(await visits.open());
      await dialog.getByText('which a restart applies: port.').waitFor();
      await dialog.getByRole('row', { name: 'port' }).getByText('a new value waits').waitFor();
    });
  });

  describe('of deploys', () => {
    const runs = (deploy: ReturnType<typeof deployOf> | null) => ({
      ...{ current: RELEASES[1], before: RELEASES[0], deploy },
    });

    it('shows progress and what the gate saw of each replica', async () => {
      visits.stage.deploy = runs(deployOf(['done', 'watching', 'waiting']));
      const page = await visits.open();
      await page.locator('#deploy-line').getByText('1 of 3 replicas replaced, S2 watched').waitFor();
      const row = page.locator('.deploys').getByRole('row', { name: 'S2' });
      await row.getByText('others: 0.1').waitFor();
      assert.match(await row.innerText(), /watched[\s\S]*120[\s\S]*3 \(2\.5.%\)[\s\S]*14\.2.ms/);
    });

    it('follows a deploy until its end', async () => {
      visits.stage.deploy = runs(deployOf(['watching', 'waiting', 'waiting']));
      const page = await visits.open();
      await page.locator('#deploy-line').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Deploy…' }).isDisabled(), true);
      visits.stage.deploy = runs(deployOf(['done', 'done', 'done'], { state: 'done' }));
      await page.locator('#deploy-says').getByText('Done in 12').waitFor();
      await page.locator('#deploy-line').waitFor({ state: 'hidden' });
      assert.equal(await page.getByRole('button', { name: 'Deploy…' }).isEnabled(), true);
    });

    it('starts what it previewed, by keyboard alone', async () => {
      visits.stage.snapshot = snapshotOf([replicaShown(1, 1)], { driver: 'docker' });
      const page = await visits.open();
      await page.getByRole('button', { name: 'Deploy…' }).press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Tab');
      await page.keyboard.type('app:v2');
      await page.keyboard.press('Enter');
      await page.getByText('1 replica would run app:v2').waitFor();
      assert.deepEqual(visits.stage.changes, []);
      await page.getByRole('button', { name: 'Deploy to 1 replica' }).press('Enter');
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      const order = { kind: 'change', image: 'app:v2', batch: 1, watchMs: 10_000, maxErrorRate: 0.01 };
      assert.deepEqual(visits.stage.changes, [`deploy ${JSON.stringify(order)}`]);
    });

    it('asks for another preview once a field has changed', async () => {
      visits.stage.snapshot = snapshotOf([replicaShown(1, 1)], { driver: 'docker' });
      const page = await visits.open();
      await page.getByRole('button', { name: 'Deploy…' }).click();
      await page.getByLabel('Image').fill('app:v2');
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByRole('button', { name: 'Deploy to 1 replica' }).waitFor();
      await page.getByLabel('Image').fill('absent');
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByText('There is no image absent').waitFor();
      assert.deepEqual(visits.stage.changes, []);
    });

    it('takes back the deploy under way', async () => {
      visits.stage.deploy = runs(deployOf(['watching', 'waiting', 'waiting']));
      const page = await visits.open();
      await page.getByRole('button', { name: 'Roll back…' }).click();
      const dialog = page.getByRole('dialog', { name: 'Roll back' });
      await dialog.getByText('Takes back what the deploy under way has done').waitFor();
      await dialog.getByRole('button', { name: 'Roll back' }).click();
      await dialog.waitFor({ state: 'hidden' });
      assert.deepEqual(visits.stage.changes, ['rollback']);
    });

    it('goes on with one that was interrupted', async () => {
      visits.stage.deploy = runs(deployOf(['done', 'waiting', 'waiting'], { state: 'interrupted' }));
      const page = await visits.open();
      await page.locator('#deploy-line').getByText('Interrupted').waitFor();
      await page.getByRole('button', { name: 'Deploy…' }).click();
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByRole('button', { name: 'Deploy to 3 replicas' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.match(visits.stage.changes.join(), /^deploy {"kind":"resume"/);
    });

    it('previews the release before where none is under way', async () => {
      visits.stage.deploy = runs(null);
      const page = await visits.open();
      await page.getByRole('button', { name: 'Roll back…' }).click();
      await page.getByRole('button', { name: 'Roll back 3 replicas' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.deepEqual(visits.stage.changes, ['rollback']);
    });

    it('shows the last lines of a new instance that failed', async () => {
      const lastLines = ['Error: no such table', '    at start'];
      visits.stage.deploy = runs(deployOf(['rolled-back'], { state: 'rolled-back', lastLines }));
      const page = await visits.open({ ...PHONE, colorScheme: 'dark' });
      const shown = page.getByRole('region', { name: 'Last lines of the new instance that failed' });
      assert.equal(await shown.textContent(), lastLines.join('\n'));
      assert.deepEqual(await faultsOf(page), []);
    });

    it('is not there where the balancer cannot deploy', async () => {
      visits.stage.snapshot = snapshotOf([replicaShown(1, 1)], { canDeploy: false });
      const page = await visits.open();
      await page.getByRole('row', { name: 'S1' }).waitFor();
      assert.equal(await page.getByRole('heading', { name: 'Deploy' }).isVisible(), false);
    });

    it('is accessible while it runs and in its dialog', async () => {
      visits.stage.deploy = runs(deployOf(['rolled-back', 'watching', 'waiting'], { state: 'rolling-back' }));
      const page = await visits.open({ ...PHONE, colorScheme: 'dark' });
      await page.locator('#deploy-line').waitFor();
      assert.deepEqual(await faultsOf(page), []);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.equal(width, PHONE.viewport.width);
      visits.stage.deploy = runs(null);
      await page.getByRole('button', { name: 'Deploy…', disabled: false }).click();
      await page.getByRole('dialog', { name: 'Deploy' }).waitFor();
      assert.deepEqual(await faultsOf(page), []);
    });
  });

  describe('of the size', () => {
    const on: Partial<ScaleView> = {
      ...{ n: 3, ready: 2, desired: 5, state: 'on', min: 2, max: 10, target: 16 },
      ...{ why: 'requests wait: load 70.0, target 16' },
    };
    const autoscaled = (differs: Partial<ScaleView> = {}) => {
      const plain = snapshotOf([1, 2, 3].map((id) => replicaShown(id, 3)));
      visits.stage.snapshot = { ...plain, scale: { ...plain.scale, ...on, ...differs } };
    };

    it('says how many there are and that autoscaling is off', async () => {
      const page = await visits.open();
      await page.getByText('3 replicas, 3 ready').waitFor();
      await page.getByText('Autoscaling is off').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Pause' }).isVisible(), false);
    });

    it('says bounds, last decision and last change of autoscaling', async () => {
      const time = new Date(Date.now() - 90_000).toISOString();
      autoscaled({ changed: { from: 2, to: 3, reason: 'waiting', L: 40.25, T: 16, time } });
      const page = await visits.open();
      await page.getByText('3 replicas, 2 ready, 5 wanted').waitFor();
      await page.getByText('Autoscaling: from 2 to 10 replicas, 16 requests in flight each.').waitFor();
      await page.getByText('requests wait: load 70.0, target 16').waitFor();
      await page.getByText(/from 2 to 3 \(waiting; load 40\.3, target 16\)/).waitFor();
    });

    it('says which balancer of a shared pool acts', async () => {
      const acting = { id: '0123abcd', title: 'process 4242 on box', admin: '', isSelf: false };
      autoscaled({ acting });
      const page = await visits.open();
      const sentence = 'Another balancer (process 4242 on box) acts for the pool, by the load of all.';
      await page.getByText(sentence).waitFor();
      autoscaled({ acting: { ...acting, isSelf: true } });
      await page.getByText('This balancer acts for the pool, by the load of all.').waitFor();
    });

    it('has the past sizes in its chart', async () => {
      const page = await visits.open();
      await page
        .locator('#size-says')
        .getByText(/^Last 15 min: ready 3 to 4, mean .; wanted/)
        .waitFor();
      await page.getByRole('button', { name: 'S2', exact: true }).click();
      await page.getByText('Replica S2 alone').waitFor();
      await page
        .locator('#requests-says')
        .getByText(/^Last 15 min: 2xx [\d,]+ to/)
        .waitFor();
      assert.match((await page.locator('#size-says').textContent()) ?? '', /ready 3 to 4/);
    });

    it('pauses autoscaling, and resumes it', async () => {
      autoscaled();
      const page = await visits.open();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.locator('#notice').getByText('Autoscaling is paused.').waitFor();
      autoscaled({ state: 'paused' });
      await page.getByRole('button', { name: 'Resume' }).click();
      await page.locator('#notice').getByText('Autoscaling goes on.').waitFor();
      assert.deepEqual(visits.stage.changes, ['/scale {"paused":true}', '/scale {"paused":false}']);
    });

    it('sets a size that it previewed, by keyboard alone', async () => {
      const page = await visits.open();
      await page.getByRole('button', { name: 'Set size…' }).press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.type('5');
      await page.getByText('S4 and S5 join: from 3 to 5 replicas.').waitFor();
      assert.deepEqual(visits.stage.changes, []);
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.deepEqual(visits.stage.changes, ['/scale {"n":5}']);
    });

    it('removes replicas by a red button that says how many', async () => {
      const page = await visits.open();
      await page.getByRole('button', { name: 'Set size…' }).click();
      const size = page.getByRole('spinbutton', { name: 'Replicas' });
      await size.fill('1');
      const button = page.getByRole('dialog').getByRole('button', { name: 'Remove 2 replicas' });
      await button.waitFor();
      assert.equal(await button.getAttribute('class'), 'danger');
      await size.fill('4');
      const set = page.getByRole('dialog').getByRole('button', { name: 'Set', exact: true });
      assert.equal(await set.getAttribute('class'), 'primary');
      await size.fill('1');
      await button.click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.deepEqual(visits.stage.changes, ['/scale {"n":1}']);
    });

    it('has the box for the bounds beside its words', async () => {
      autoscaled();
      const page = await visits.open(PHONE);
      await page.getByRole('button', { name: 'Set size…' }).click();
      const box = (await page.getByLabel('Beyond the bounds').boundingBox())!;
      const words = (await page.getByText('Beyond the bounds').boundingBox())!;
      assert.ok(words.x - (box.x + box.width) < 12, `${words.x - box.x} px apart`);
      assert.ok(Math.abs(box.y + box.height / 2 - words.y - words.height / 2) < 6, 'on another line');
    });

    it('sets a size beyond the bounds of autoscaling where that is ticked', async () => {
      autoscaled();
      const page = await visits.open();
      await page.getByRole('button', { name: 'Set size…' }).click();
      await page.getByRole('spinbutton', { name: 'Replicas' }).fill('5');
      await page.getByLabel('Beyond the bounds').check();
      await page.getByText('from 3 to 5 replicas.').waitFor();
      assert.deepEqual(await faultsOf(page), []);
      await page.getByRole('button', { name: 'Set', exact: true }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.deepEqual(visits.stage.changes, ['/scale {"n":5,"force":true}']);
    });

    it('has no box for the bounds without autoscaling', async () => {
      const page = await visits.open();
      await page.getByRole('button', { name: 'Set size…' }).click();
      await page.getByRole('spinbutton', { name: 'Replicas' }).waitFor();
      assert.equal(await page.getByLabel('Beyond the bounds').isVisible(), false);
    });

    it('sets bounds that it previewed', async () => {
      autoscaled();
      const page = await visits.open();
      await page.getByRole('button', { name: 'Bounds…' }).click();
      await page.getByLabel('At most').fill('20');
      await page.getByText('from 2 to 20 replicas, 16 requests in flight each. the bounds are new').waitFor();
      await page.getByRole('button', { name: 'Set', exact: true }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      assert.deepEqual(visits.stage.changes, ['/scale {"min":2,"max":20,"target":16}']);
    });

    it('is accessible and fits a phone, also in its dialog', async () => {
      autoscaled({ state: 'blocked' });
      const page = await visits.open({ ...PHONE, colorScheme: 'dark' });
      await page.getByText('Autoscaling is blocked').waitFor();
      assert.deepEqual(await faultsOf(page), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), PHONE.viewport.width);
      await page.getByRole('button', { name: 'Bounds…' }).click();
      await page.getByRole('dialog', { name: 'Bounds of autoscaling' }).waitFor();
      assert.deepEqual(await faultsOf(page), []);
    });
  });

  const panels = [
    ['logs', 'Logs', 'S1 listens'],
    ['configuration', 'Configuration', 'probe-interval'],
  ] as const;
  for (const [name, button, text] of panels)
    it(`of ${name} is accessible and fits a phone, light and dark`, async () => {
      print('S1', '4711', 'S1 listens', 'stderr');
      visits.stage.config = configOf(
        [{ option: 'port', value: '8080', source: 'flag', from: '--port' }],
        ['port'],
      );
      const page = await visits.open({ ...PHONE, colorScheme: 'light' });
      await page.getByRole('button', { name: button, exact: true }).click();
      await page.getByRole('dialog').getByText(text, { exact: true }).waitFor();
      assert.deepEqual(await faultsOf(page), []);
      await page.emulateMedia({ colorScheme: 'dark' });
      assert.deepEqual(await faultsOf(page), []);
      const dialog = page.getByRole('dialog');
      assert.equal(await dialog.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth), 0);
    });
});
