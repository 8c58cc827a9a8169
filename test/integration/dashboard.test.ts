/** The dashboard in a real browser, over a whole balancer. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { open as openAgain, skipBrowser, TestBrowser, type Visit } from '../helpers/admin/browser.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

const OPTIONS = '--replicas 3 --workers 1 --probe-interval 200ms';

describe('the dashboard of a balancer', { skip: skipBrowser }, () => {
  let browser: TestBrowser;
  let balancer: Balancer | undefined;
  let visit: Visit | undefined;
  before(async () => {
    browser = await TestBrowser.launch();
  });
  after(() => browser?.close());
  afterEach(async () => {
    const { errors, foreign } = visit ?? { errors: [], foreign: [] };
    await visit?.close();
    await balancer?.stop();
    visit = undefined;
    balancer = undefined;
    assert.deepEqual([errors, foreign], [[], []], 'the page had errors, or asked another host');
  });

  /** Opens the page of a balancer with three replicas, and waits until it is live. */
  async function open(options = OPTIONS): Promise<{ readonly page: Page; readonly running: Balancer }> {
    balancer = await Balancer.ready(options);
    visit = await browser.visit(`http://127.0.0.1:${balancer.adminPort}/`);
    const { page } = visit;
    await rowOf(page, 'S3').getByText('healthy', { exact: true }).waitFor();
    return { page, running: balancer };
  }

  const rowOf = (page: Page, name: string): Locator =>
    page.getByRole('row', { name: new RegExp(`^${name}\\b`) });
  const names = (page: Page): Promise<string[]> => page.locator('#replica-rows .name').allTextContents();

  it('adds and removes a replica, each after showing what moves', async () => {
    const { page, running } = await open();
    await page.getByRole('button', { name: 'Add…' }).click();
    await page.getByLabel('Names').fill('S1');
    await page.getByRole('alert').filter({ hasText: 'S1' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Add', exact: true }).isDisabled(), true);
    await page.getByLabel('Names').fill('web_a');
    await page.getByText('web_a joins: from 3 to 4 replicas.').waitFor();
    await page.getByRole('cell', { name: 'web_a' }).first().waitFor();
    assert.equal((await running.replicas()).length, 3);
    await page.getByRole('button', { name: 'Add web_a' }).click();
    await rowOf(page, 'web_a').getByText('healthy', { exact: true }).waitFor();
    assert.deepEqual(await names(page), ['S1', 'S2', 'S3', 'web_a']);
    await page.getByText('4/4').waitFor();
    await page.getByRole('row', { name: /added web_a/ }).waitFor();
    await page.getByRole('button', { name: 'Remove web_a' }).click();
    await page.getByText('web_a leaves: from 4 to 3 replicas.').waitFor();
    assert.equal((await running.replicas()).length, 4);
    await page.getByRole('dialog').getByRole('button', { name: 'Remove web_a' }).click();
    await page.getByText('3/3').waitFor();
    await eventually('a table without it', async () => (await names(page)).join() === 'S1,S2,S3');
    await page.getByRole('row', { name: /removed web_a/ }).waitFor();
  });

  it('finds out what became of a change when the connection broke', async () => {
    const { page, running } = await open();
    let isHeard = false;
    await page.route(/\/add$/, async (route) => {
      if (isHeard) await route.fetch();
      await route.abort('connectionreset');
    });
    await page.getByRole('button', { name: 'Add…' }).click();
    await page.getByRole('button', { name: 'Add S4' }).click();
    await page.getByText('The connection broke, and nothing was changed').waitFor();
    assert.equal((await running.replicas()).length, 3);
    isHeard = true;
    await page.getByRole('button', { name: 'Add S4' }).click();
    await page.getByText('Added S4.').last().waitFor();
    await rowOf(page, 'S4').getByText('healthy', { exact: true }).waitFor();
  });

  it('drains a replica and lets it have requests again', async () => {
    const { page } = await open();
    await page.getByRole('button', { name: 'Drain S2' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
    await rowOf(page, 'S2').getByText('drained', { exact: true }).waitFor();
    await page.getByText('2/3').waitFor();
    await page.getByRole('button', { name: 'Undrain S2' }).click();
    await rowOf(page, 'S2').getByText('healthy', { exact: true }).waitFor();
    await page.getByText('3/3').waitFor();
  });

  it('shows how a replica that was killed is replaced', async () => {
    const { page, running } = await open();
    process.kill(await running.pidOf('S2'), 'SIGKILL');
    await page.getByRole('row', { name: /died S2/ }).waitFor();
    await page.getByRole('row', { name: /replaced S2/ }).waitFor();
    const row = rowOf(page, 'S2');
    await row.getByText('healthy', { exact: true }).waitFor();
    await eventually('a restart', async () => (await row.getByRole('cell').nth(1).textContent()) === '1');
    await page.getByText('3/3').waitFor();
  });

  it('shows the load that there is', async () => {
    const { page, running } = await open();
    const figure = page.locator('#requests-now');
    await eventually('requests a second', async () => {
      await Promise.all(Array.from({ length: 20 }, () => running.home()));
      return Number.parseFloat((await figure.textContent()) ?? '') > 0;
    });
    assert.match((await page.locator('#p99-now').textContent()) ?? '', /ms$/);
    assert.match((await page.locator('#requests-says').textContent()) ?? '', /^Last 15 min: .+ to .+, mean /);
  });

  it("says the balancer is gone, and resumes with its port's next", async () => {
    const { page, running } = await open();
    const { adminPort } = running;
    running.signal('SIGKILL');
    await running.exited;
    await page.getByText('Connection lost. The balancer').waitFor();
    assert.equal(await page.locator('#requests-now').textContent(), '–');
    assert.equal(await page.getByRole('button', { name: 'Add…' }).isDisabled(), true);
    await page.getByRole('button', { name: 'Try now' }).click();
    balancer = await Balancer.ready(`${OPTIONS} --replicas 2 --admin-port ${adminPort}`);
    await page.getByText('2/2').waitFor();
    assert.deepEqual(await names(page), ['S1', 'S2']);
    assert.equal(await page.locator('#banner').isHidden(), true);
    assert.equal(await page.getByRole('button', { name: 'Add…' }).isEnabled(), true);
  });

  it('asks for the token once, reports wrong ones, keeps URLs token-free', async () => {
    const { page, running } = await open(`${OPTIONS} --admin-token a-long-secret-token`);
    const addresses: string[] = [];
    page.on('request', (request) => addresses.push(request.url()));
    await page.getByRole('button', { name: 'Remove S2' }).click();
    const dialog = page.getByRole('dialog', { name: 'Token needed' });
    await dialog.getByLabel('Admin token').fill('a-wrong-one');
    await page.keyboard.press('Enter');
    await dialog.getByText('The balancer does not take that token.').waitFor();
    await dialog.getByLabel('Admin token').fill('a-long-secret-token');
    await page.keyboard.press('Enter');
    await page.getByText('S2 leaves: from 3 to 2 replicas.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove S2' }).click();
    await eventually('two replicas', async () => (await running.replicas()).length === 2);
    await openAgain(page, page.url());
    await page.getByRole('button', { name: 'Remove S3' }).click();
    await page.getByText('S3 leaves: from 2 to 1 replica.').waitFor();
    assert.ok(addresses.length > 3);
    for (const address of addresses) assert.doesNotMatch(address, /a-long-secret|a-wrong/);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Forget token' }).click();
    await page.getByRole('button', { name: 'Remove S3' }).click();
    await dialog.waitFor();
  });

  it('shows nothing without the token where others reach the port', async () => {
    balancer = await Balancer.serving(`${OPTIONS} --admin-host 0.0.0.0 --admin-token a-long-secret-token`);
    visit = await browser.visit(`http://127.0.0.1:${balancer.adminPort}/`);
    const { page } = visit;
    const dialog = page.getByRole('dialog', { name: 'Token needed' });
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('only to those who have its admin token').waitFor();
    assert.equal(await page.locator('#replica-rows tr').count(), 0);
    await page.getByRole('button', { name: 'Enter token' }).click();
    await dialog.getByLabel('Admin token').fill('a-long-secret-token');
    await page.keyboard.press('Enter');
    await page.getByText('3/3').waitFor();
  });
});
