/**
 * Headless Chromium for tests: whether there is one, and pages that note every error and every request to elsewhere.
 * Must not hold: tests, or anything of one page.
 */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { skipUnless } from '../skip.ts';

/** CHROMIUM in the environment names another one. The shell draws no window, which costs more than the page in it. */
const PLACES = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
];
const program = PLACES.find((place) => place !== '' && existsSync(place));

/** Why browser tests are skipped here; undefined where they run, or must. */
export const skipBrowser: string | undefined = skipUnless(program !== undefined, 'no Chromium');

/** What the browser itself says of an answer or a connection that failed, which the page is to bear. */
const OF_THE_NETWORK = /^Failed to load resource/;

export interface Visit {
  readonly page: Page;
  /** What went wrong in the page: errors, and warnings of the console. */
  readonly errors: readonly string[];
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

  /** Opens `url` in a profile of its own; `prepare` has the page before it opens anything. */
  async visit(
    url: string,
    options: BrowserContextOptions = {},
    prepare: (page: Page) => Promise<unknown> = async () => {},
  ): Promise<Visit> {
    const context = await this.#browser.newContext({ reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const errors: string[] = [];
    const foreign: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      const isBad = ['error', 'warning'].includes(message.type());
      if (isBad && !OF_THE_NETWORK.test(message.text())) errors.push(message.text());
    });
    const { host } = new URL(url);
    page.on('request', (request) => {
      if (new URL(request.url()).host !== host) foreign.push(request.url());
    });
    await prepare(page);
    await open(page, url);
    return { page, errors, foreign, close: () => context.close() };
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}

/** What `goto` says of it, or of the page that tells of it, which comes in between. */
const NETWORK_CHANGED = /ERR_NETWORK_CHANGED|interrupted by another navigation to "chrome-error:/;

/**
 * Opens an address, again where the machine's network changed meanwhile: Chromium breaks every connection then, those
 * to this machine too, and each container of a test beside changes it.
 */
export async function open(page: Page, url: string): Promise<void> {
  for (let left = 9; ; left--) {
    try {
      await page.goto(url);
      return;
    } catch (error) {
      if (left === 0 || !NETWORK_CHANGED.test(String(error))) throw error;
    }
  }
}
