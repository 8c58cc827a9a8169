/** docs/failures.md says of every error what the code does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS } from '../../lib/platform/errors.ts';
import { readPage } from './generated.ts';

test('docs/failures.md has status, code and retry of every error', () => {
  const [section = ''] = readPage('docs/failures.md').split('## Status codes')[1]!.split(/^## /m);
  const rows = [...section.matchAll(/^\| (\d{3}) \| `([a-z-]+)` \|.*\| (yes|–) \|$/gm)];
  const documented = rows.map(([, status, code, retried]) => `${code} ${status} ${retried}`);
  const real = Object.entries(ERRORS).map(
    ([code, { status, mayRetry }]) => `${code} ${status} ${mayRetry ? 'yes' : '–'}`,
  );
  assert.deepEqual(documented.toSorted(), real.toSorted());
});
