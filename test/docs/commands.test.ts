/** Every command of the documentation is run, and prints what its page shows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { blocksOf, fencesOf } from './blocks.ts';
import { differenceFrom } from './expected.ts';
import { readPage } from './generated.ts';
import { skipCommands } from './page-shell.ts';
import { pages } from './pages.ts';
import { runPage } from './run-page.ts';

/** Blocks of these languages hold no commands. */
const DATA = new Set(['text', 'json', 'yaml', 'ini', 'js', '']);
const COMMAND = /^(\$ |npm |make |curl |ringlb |docker )/m;

for (const page of pages()) runPage({ page, chosen: (block) => !block.isDocker, skip: skipCommands });

describe('the blocks of the documentation', () => {
  it('are run, or say why not', () => {
    const hidden = pages().flatMap((page) => {
      const text = readPage(page);
      blocksOf(text);
      return fencesOf(text)
        .filter(
          ({ language, text: block, followsFence }) =>
            language !== 'sh' && (!DATA.has(language) || (!followsFence && COMMAND.test(block))),
        )
        .map(({ line }) => `${page}:${line}: commands stand in blocks of the language sh`);
    });
    assert.deepEqual(hidden, []);
  });

  it('have comments that are understood', () => {
    assert.throws(
      () => blocksOf('<!-- run: sometimes -->\n```sh\nls\n```\n'),
      /"run: sometimes" says nothing/,
    );
  });
});

describe('what a page shows', () => {
  const shown = (text: string, language = 'text') => ({ text, language });

  it('stands for any time, id and duration', () => {
    const page = '2026-11-21T13:04:22.559Z  web_a  started    5ms  new';
    assert.equal(differenceFrom(shown(page), '2027-01-01T00:00:00.000Z web_a started 12ms new\n'), undefined);
  });

  it('may leave out a part of a line, and lines', () => {
    assert.equal(differenceFrom(shown('a … c\n…\nz'), 'a b c\nd\ne\nz\n'), undefined);
    assert.notEqual(differenceFrom(shown('a … c\nz'), 'a b c\nd\nz\n'), undefined);
  });

  it('may break JSON into lines', () => {
    assert.equal(differenceFrom(shown('{"a":1,\n "b":[2,…]}', 'json'), '{"a":1,"b":[2,3]}'), undefined);
    assert.notEqual(differenceFrom(shown('{"a":1}', 'json'), '{"a":2}'), undefined);
  });
});
