/** lib/README.md is a short map that names every folder. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPage } from './generated.ts';

const LIB = join(import.meta.dirname, '../../lib');

test('the map of lib has at most 60 lines', () => {
  assert.ok(readPage('lib/README.md').trimEnd().split('\n').length <= 60);
});

test('the map of lib names every folder, and no other', () => {
  const cells = [...readPage('lib/README.md').matchAll(/^\| (`.+?`) \|/gm)].map((match) => match[1]!);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)\/`/g)].map((match) => match[1]!));
  const folders = readdirSync(LIB, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(LIB.length + 1));
  assert.deepEqual(named.toSorted(), folders.toSorted());
});
