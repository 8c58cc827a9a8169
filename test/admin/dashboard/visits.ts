/** A browser for a suite of the page, and one visit for each of its tests: without errors, and to no other host. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { TestBrowser, type Visit } from '../../helpers/admin/browser.ts';
import { openStage, type Stage, snapshotOf } from './stage.ts';

export class Visits {
  /** Of the test at hand. */
  stage!: Stage;
  #visit: Visit | undefined;
  #browser!: TestBrowser;

  /** For the suite in which it is made; `replicas` is what the page shows at first. */
  constructor(replicas: () => Parameters<typeof snapshotOf>[0]) {
    before(async () => {
      this.#browser = await TestBrowser.launch();
    });
    after(() => this.#browser?.close());
    beforeEach(async () => {
      this.stage = await openStage(snapshotOf(replicas()));
    });
    afterEach(async () => {
      const { errors, foreign } = this.#visit ?? { errors: [], foreign: [] };
      await this.#visit?.close();
      this.#visit = undefined;
      await this.stage.close();
      assert.deepEqual([errors, foreign], [[], []], 'the page had errors, or asked another host');
    });
  }

  /** Opens the page, and waits until it is live. */
  async open(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.goTo(options);
    await page.getByText('Live', { exact: true }).waitFor();
    return page;
  }

  /** Opens the page; `prepare` has it before it opens anything. */
  async goTo(options: BrowserContextOptions = {}, prepare?: (page: Page) => Promise<unknown>): Promise<Page> {
    this.#visit = await this.#browser.visit(this.stage.url, options, prepare);
    return this.#visit.page;
  }
}
