/**
 * Runs all tests, with the summary of `node --test`. What works with an engine waits most of its time, so such files are
 * spread over the run, and there is one process more than cores are needed for.
 */
import { globSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const PROCESSES = 3;
const TIMEOUT_MS = 600_000;
const WAITING = /^test\/(contract|docker|swarm)\//;

/** Where in the run each of them begins, from 0 to `end`, evenly spread. */
function placed(files: readonly string[], end: number): { readonly file: string; readonly place: number }[] {
  return files.map((file, index) => ({ file, place: (end * index) / files.length }));
}

const all = globSync('test/**/*.test.ts').sort();
const waiting = all.filter((file) => WAITING.test(file));
const others = all.filter((file) => !WAITING.test(file));
// the last of those that wait are begun early enough to end with the others
const files = [...placed(waiting, 0.9), ...placed(others, 1)]
  .sort((one, other) => one.place - other.place)
  .map(({ file }) => file);
const results = run({ files, concurrency: PROCESSES, timeout: TIMEOUT_MS });
results.on('test:fail', () => {
  process.exitCode = 1;
});
results.compose(new spec()).pipe(process.stdout);
