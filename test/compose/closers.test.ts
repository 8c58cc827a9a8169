import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Closers } from '../../lib/compose/closers.ts';

describe('the stack of closers', () => {
  it('closes the last part first, one after the other', async () => {
    const closers = new Closers();
    const order: string[] = [];
    for (const name of ['driver', 'admin', 'data plane'])
      closers.push(async (keep) => {
        order.push(`${name} begins, keep ${keep}`);
        await null;
        order.push(`${name} ends`);
      });
    await closers.closeAll(true);
    assert.deepEqual(order, [
      'data plane begins, keep true',
      'data plane ends',
      'admin begins, keep true',
      'admin ends',
      'driver begins, keep true',
      'driver ends',
    ]);
  });

  it('closes the others where one fails, and throws its error', async () => {
    const closers = new Closers();
    const closed: string[] = [];
    closers.push(() => closed.push('driver'));
    closers.push(async () => {
      throw new Error('first');
    });
    closers.push(() => {
      throw new Error('second');
    });
    await assert.rejects(closers.closeAll(false), { message: 'second' });
    assert.deepEqual(closed, ['driver']);
  });

  it('closes each part once', async () => {
    const closers = new Closers();
    let closed = 0;
    closers.push(() => closed++);
    await closers.closeAll(false);
    await closers.closeAll(false);
    assert.equal(closed, 1);
  });
});
