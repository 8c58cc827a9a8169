/** Links between the pages lead somewhere. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPage } from './generated.ts';
import { pages } from './pages.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function anchorsOf(page: string): readonly string[] {
  return [...readPage(page).matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1]!));
}

/** What is wrong with a link of a page, or undefined. */
function problemOf(page: string, link: string): string | undefined {
  const [path = '', anchor = ''] = link.split('#');
  const target = path === '' ? page : join(page, '..', path);
  if (!existsSync(join(REPOSITORY, target))) return `${page}: ${link} does not exist`;
  if (anchor === '' || !target.endsWith('.md') || anchorsOf(target).includes(anchor)) return undefined;
  return `${page}: ${link}: no such heading`;
}

for (const page of pages()) {
  test(`every link of ${page} leads to a file and a heading`, () => {
    const links = [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    assert.deepEqual(
      local.flatMap((link) => problemOf(page, link) ?? []),
      [],
    );
  });
}

test('every page of docs is in its index', () => {
  const index = readPage('docs/README.md');
  const missing = pages().filter((page) => /^docs\/[^/]+$/.test(page) && page !== 'docs/README.md');
  assert.deepEqual(
    missing.filter((page) => !index.includes(`(${page.replace('docs/', '')})`)),
    [],
  );
});
