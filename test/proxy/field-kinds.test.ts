/**
 * Fields that come to hold fractions hold doubles from the beginning (`core/doubles.ts`): that a request waits must not
 * cost the data path its compiled code.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./waiting-requests.ts', import.meta.url));
/** V8's note that a private field, or a time, was one of whole numbers until then; and where that was. */
const BECAME_DOUBLE =
  /\[generalizing\](?:\{symbol \w+\}|\w+Ms):s\{[^}]*\}->d\{.*?\/(lib\/(?:core|metrics|proxy)\/[^\s:]+:\d+)\]/g;

test('no field of the data path is given its first fraction by a request that waits', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-fields-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'notes');
  // V8 loses notes that a pipe does not take at once
  const { status, stderr } = spawnSync(process.execPath, ['--trace-generalization', PROGRAM], {
    stdio: ['ignore', openSync(file, 'w'), 'pipe'],
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const notes = readFileSync(file, 'utf8');
  assert.ok(notes.includes('/lib/proxy/exchange/exchange.ts'), 'V8 notes what becomes of fields');
  assert.deepEqual(
    [...notes.matchAll(BECAME_DOUBLE)].map(([, where]) => where),
    [],
  );
});
