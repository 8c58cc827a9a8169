/**
 * What every source of servers promises (lib/drivers/discover/source.ts), as tests over a harness.
 * Must not hold: anything that only one kind of source does.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Server, Source } from '../../../lib/drivers/discover/source.ts';
import { eventually } from '../../helpers/eventually.ts';

/** What lists the servers, and a source over it. */
export interface Bed {
  readonly source: Source;
  /** Has servers of these numbers listed, and no others, from now on; gives them as a look is to show them. */
  list(numbers: readonly number[]): Promise<readonly Server[]>;
  /** A look finds nobody who responds, or nothing that makes sense. */
  lose(): Promise<void>;
  /** A look finds what was listed last. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

export interface SourceHarness {
  readonly title: string;
  /** A reason not to run at all; undefined where what it needs is there. */
  readonly skip?: string | undefined;
  /** Begins with an empty list. */
  open(): Promise<Bed>;
}

/** Registers the suite for one kind of source. */
export function testSource(harness: SourceHarness): void {
  describe(`${harness.title} keeps the contract of sources`, { skip: harness.skip ?? false }, () => {
    let bed: Bed;
    beforeEach(async () => {
      bed = await harness.open();
    });
    afterEach(async () => {
      bed.source.close();
      await bed.close();
    });
    const look = async () => (await bed.source.look()).servers;

    it('lists nothing while there are no servers', async () => {
      assert.deepEqual(await look(), []);
    });

    it('lists every server with its name and endpoint', async () => {
      const expected = await bed.list([1, 2]);
      assert.equal(expected.length, 2);
      assert.deepEqual(await look(), expected);
    });

    it('shows the same list again while nothing changes', async () => {
      const expected = await bed.list([1, 2]);
      await look();
      assert.deepEqual(await look(), expected);
    });

    it('shows which servers came and which went', async () => {
      await bed.list([1, 2]);
      await look();
      const expected = await bed.list([2, 3]);
      assert.deepEqual(await look(), expected);
    });

    it('throws while lost, and lists its servers once it is back', async () => {
      const expected = await bed.list([1]);
      assert.deepEqual(await look(), expected);
      await bed.lose();
      await assert.rejects(look(), Error);
      await bed.restore();
      assert.deepEqual(await eventually('a look', look), expected);
    });

    it('calls for a look after a change, where it watches', async () => {
      let calls = 0;
      bed.source.watch?.(() => calls++);
      await look();
      // the source may begin to watch a moment after the look
      if (bed.source.watch)
        await eventually('a watch that has begun', () => bed.list([1]).then(() => calls > 0));
    });

    it('closes twice, and calls for no look afterwards', async () => {
      let calls = 0;
      bed.source.watch?.(() => calls++);
      await look();
      bed.source.close();
      bed.source.close();
      const before = calls;
      await bed.list([1]);
      assert.equal(calls, before);
    });
  });
}
