/**
 * Headless Chromium for tests: whether there is one, and pages that note every error and every request to elsewhere.
 * Must not hold: tests, or anything of one page.
 */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const PLACES = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser'];
const program = PLACES.find((place) => place !== '' && existsSync(place));

/** Why browser tests are skipped here; undefined where they run, or must: with RINGLB_BROWSER=required they fail. */
export const skipBrowser: string | undefined =
  program === undefined && process.env.RINGLB_BROWSER !== 'required' ? 'no Chromium' : undefined;

/** What the browser itself says of an answer or a connection that failed; whether that is wrong the test knows. */
const OF_THE_NETWORK = /^Failed to load resource/;

export interface Visit {
  readonly page: Page;
  /** What went wrong in the page: errors, and warnings of the console. */
  readonly errors: readonly string[];
  /** What failed on the way: refused connections and answers from 400 on. */
  readonly failures: readonly string[];
  /** Addresses of other hosts that the page asked. */
  readonly foreign: readonly string[];
  close(): Promise<void>;
}

export class TestBrowser {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<TestBrowser> {
    if (program === undefined)
      throw new Error(`there is no Chromium at ${PLACES.filter(Boolean).join(', ')}`);
    // in a container or as root it cannot make a sandbox of its own; it opens nothing but our page
    const args = ['--no-sandbox', '--disable-dev-shm-usage'];
    return new TestBrowser(await chromium.launch({ executablePath: program, args }));
  }

  /** Opens `url` in a profile of its own. */
  async visit(url: string, options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await this.#browser.newContext({ reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const errors: string[] = [];
    const failures: string[] = [];
    const foreign: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      (OF_THE_NETWORK.test(message.text()) ? failures : errors).push(message.text());
    });
    const { host } = new URL(url);
    page.on('request', (request) => {
      if (new URL(request.url()).host !== host) foreign.push(request.url());
    });
    await page.goto(url);
    return { page, errors, failures, foreign, close: () => context.close() };
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}
