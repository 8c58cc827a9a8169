import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOf } from './docs-block.ts';
import { GENERATED_BLOCKS, GENERATED_FILES, readPage } from './generated.ts';

for (const { page, name, text } of GENERATED_BLOCKS) {
  test(`${page} holds the generated block ${name} (npm run docs writes it)`, () => {
    assert.equal(blockOf(readPage(page), name), text());
  });
}

for (const { path, text } of GENERATED_FILES) {
  test(`${path} is as it is generated (npm run docs writes it)`, () => {
    assert.equal(readPage(path), text());
  });
}

test('a block without both of its markers is an error', () => {
  assert.throws(() => blockOf('<!-- options -->\ntable\n', 'options'), /needs the lines <!-- options -->/);
});
