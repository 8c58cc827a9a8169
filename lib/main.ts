#!/usr/bin/env node
/**
 * The entry: says in one sentence which Node.js is needed where this is an older one, and runs the program elsewhere.
 * Must not hold: a static import, or syntax that is younger than modules. Both would fail before the sentence is said.
 */

/** As "engines" in package.json. */
const LEAST_NODE = 26;

const found = process.versions.node;

if (Number(found.split('.')[0]) < LEAST_NODE) {
  process.stderr.write(
    `ringlb: it needs Node.js ${LEAST_NODE} or newer, and this is ${found} (${process.execPath})\n`,
  );
  process.exitCode = 1;
} else {
  import('./compose/program.ts').then(async ({ main }) => {
    process.exitCode = await main();
  });
}
