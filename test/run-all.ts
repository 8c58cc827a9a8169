/**
 * Runs all tests, with the summary of `node --test`. Files that work with an engine wait most of their time: they are
 * spread over the run, beside files that do not. Those with a browser come before them, for Chromium breaks its connections
 * whenever a container changes the machine's network.
 */
import { globSync, readFileSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const PROCESSES = 2;
const TIMEOUT_MS = 600_000;
const WITH_ENGINE = /^test\/(contract|docker|swarm)\//;
const WITH_BROWSER = /\bskipBrowser\b/;

interface Placed {
  readonly file: string;
  /** Where in the run it begins: 0 at the start, 1 at the end. */
  readonly place: number;
}

function spread(files: readonly string[], [from, to]: readonly [number, number]): readonly Placed[] {
  return files.map((file, index) => ({ file, place: from + ((to - from) * index) / files.length }));
}

function kindOf(file: string): 'browser' | 'engine' | 'other' {
  if (WITH_ENGINE.test(file)) return 'engine';
  return WITH_BROWSER.test(readFileSync(file, 'utf8')) ? 'browser' : 'other';
}

const {
  browser = [],
  engine = [],
  other = [],
} = Object.groupBy(globSync('test/**/*.test.ts').sort(), kindOf);
// those with an engine begin once no browser is left, and are begun early enough to end with the others
const placed = [...spread(browser, [0, 0]), ...spread(engine, [0.15, 0.9]), ...spread(other, [0, 1])];
const files = placed.toSorted((one, another) => one.place - another.place).map(({ file }) => file);
const results = run({ files, concurrency: PROCESSES, timeout: TIMEOUT_MS });
results.on('test:fail', () => {
  process.exitCode = 1;
});
results.compose(new spec()).pipe(process.stdout);
