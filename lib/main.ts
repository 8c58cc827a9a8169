/**
 * The entry point: checks the version of Node.js and runs the program, or names the version that is needed.
 * Must not hold: a static import, or syntax younger than modules, since either would fail before the check runs.
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
