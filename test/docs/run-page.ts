/** Runs the blocks of one page, a test each, in their order and in one shell. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Block, blocksOf } from './blocks.ts';
import { differenceFrom } from './expected.ts';
import { readPage } from './generated.ts';
import { PageShell, type ShellOptions } from './page-shell.ts';

export interface PageRun {
  readonly page: string;
  /** Which of its blocks. */
  readonly chosen: (block: Block) => boolean;
  readonly shell?: () => ShellOptions;
  readonly skip?: string | undefined;
  /** When what serves in the background gets requests; undefined is when its admin port says so. */
  readonly isReady?: (shell: PageShell) => Promise<boolean>;
  /** After the last block. */
  readonly cleanUp?: () => Promise<void>;
}

export function runPage({ page, chosen, shell: options, skip, isReady, cleanUp }: PageRun): void {
  const blocks = blocksOf(readPage(page)).filter((block) => block.run.kind !== 'skipped' && chosen(block));
  if (blocks.length === 0) return;
  describe(`the commands of ${page}`, { skip }, () => {
    let shell: PageShell;
    before(async () => {
      shell = await PageShell.open(options?.());
    });
    after(async () => {
      await shell?.close();
      await cleanUp?.();
    });
    for (const block of blocks) {
      it(`line ${block.line}: ${block.text.split('\n', 1)[0]}`, async () => {
        if (block.serve !== undefined) await shell.serve(`ringlb ${block.serve}`);
        if (block.waitFor !== undefined) await shell.untilWritten(block.waitFor);
        if (block.run.kind === 'background') await shell.serve(block.text, isReady && (() => isReady(shell)));
        else await runCommand(shell, block);
      });
    }
  });
}

async function runCommand(shell: PageShell, block: Block): Promise<void> {
  const { text, failed } = await shell.run(block.text);
  assert.equal(failed, '', text);
  if (block.output !== undefined) assert.equal(differenceFrom(block.output, text), undefined);
  // a page that shows no output shows no errors either
  else assert.ok(!text.includes('"status":"failure"'), text);
}
