/**
 * The data path behaves alike however requests come in: the suites of behaviour once more with heads that come in two
 * parts, with Node's own HTTP server (`--parser node`), and over TLS. Each mode is one process, since to start one for each
 * suite takes as long as the suites do.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

/** All that a client sees of a request; but `upgrade-body`, since Node's server reads no body of an upgrade. */
const SUITES = [
  'access-log',
  'back-pressure',
  'balance',
  'client-gone',
  'client-limits',
  'counting',
  'early-response',
  'forwarded',
  'forwarding',
  'headers/debug-headers',
  'hop-by-hop',
  'hostile-chunks',
  'hostile-client',
  'hostile-framing',
  'hosts',
  'http10',
  'idle-clients',
  'interim',
  'limits',
  'methods',
  'passive-health',
  'pinned',
  'pipelining',
  'queue',
  'replica-gone',
  'retry',
  'retry-limits',
  'streaming',
  'timeouts-client',
  'timeouts-replica',
  'trailers',
  'upgrade',
  'upgrade-refused',
];

/** Titles of what Node's server does in its own way, as docs/internals.md says. */
const NODE_DIFFERS = [
  'a body with a broken chunk behind',
  'chunked body that (ends|resets) within a chunk',
  'without waiting for 100 is served',
  'an upgrade to .* is ignored',
  'a head that (is refused|does not come)',
];

/** Titles of what differs over TLS: what is told of the connection, and what is sent before a handshake. */
const TLS_DIFFERS = [
  'half-closing after a request',
  'a connection too many is counted as refused',
  'Forwarded, if on',
  "a replica gets the client's address, protocol and host",
  'forwarded headers of an untrusted client',
  'refuses a connection beyond the limit of its client, over threads',
  'connections over the limit get 503',
  'connections are accepted again when others have closed',
  'a rejected (client|connection)',
];

async function run(env: Readonly<Record<string, string>>, skipped: readonly string[]): Promise<void> {
  const files = SUITES.map((name) => join(import.meta.dirname, `${name}.test.ts`));
  const skips = skipped.map((pattern) => `--test-skip-pattern=${pattern}`);
  const { NODE_TEST_CONTEXT: _, ...surroundings } = process.env;
  const child = spawn(process.execPath, ['--test', '--test-isolation=none', ...skips, ...files], {
    env: { ...surroundings, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const failed = output.split('\n').filter((line) => /^\s*✖/.test(line));
  assert.deepEqual({ code, failed }, { code: 0, failed: [] });
}

test('behaves alike where heads come in two parts', () => run({ RINGLB_TEST_CUT: '1' }, []));
test("behaves alike where Node's HTTP server reads requests", () =>
  run({ RINGLB_TEST_PARSER: 'node' }, NODE_DIFFERS));
test('behaves alike over TLS', () => run({ RINGLB_TEST_TLS: '1' }, TLS_DIFFERS));
