import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { thisOwner } from '../../../lib/drivers/docker/owner.ts';
import { Membership } from '../../../lib/drivers/members/membership.ts';
import type { StoredTurn } from '../../../lib/drivers/members/record.ts';
import { parseRecord, textOf } from '../../../lib/drivers/members/record.ts';
import type { MemberStore, StoredRecord } from '../../../lib/drivers/members/store.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function pool() {
  const clock = new FakeClock();
  const records = new Map<string, StoredRecord>();
  const turns = new Map<string, StoredTurn>();
  const gone = new Set<string>();
  const store: MemberStore = {
    list: async () => [...records.values()],
    async put(record) {
      const key = `${record.owner.token}-${record.number}`;
      const read = parseRecord(textOf(record));
      assert.ok(read !== undefined);
      records.set(key, { key, record: read });
    },
    turns: async () => [...turns.values()],
    async putTurn(number, token) {
      const key = `turn-${number}`;
      if (!turns.has(key)) turns.set(key, { key, number, token });
    },
    async remove(key) {
      records.delete(key);
      turns.delete(key);
    },
  };
  const join = async () => {
    const owner = thisOwner('', 0, undefined);
    const isGone = async ({ token }: { readonly token: string }) => gone.has(token);
    const member = new Membership({ store, owner, isGone, clock, log: silentLogger });
    await member.join();
    return { member, end: () => gone.add(owner.token) };
  };
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100);
      await settle();
    }
  };
  return { join, advance, records };
}

describe('the balancers of a pool', () => {
  it('see each other, and who has ended', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    assert.deepEqual([a.member.peers.length, b.member.peers.length], [2, 2]);
    assert.equal(a.member.isActing, !b.member.isActing);
    b.end();
    await advance(1100);
    assert.equal(a.member.peers.length, 1);
    assert.equal(a.member.isActing, true);
  });

  it('wait until nobody else uses an instance', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    b.member.use(['c1'], ['c1']);
    await advance(2100);
    let isReleased = false;
    void a.member.untilReleased('c1', 60_000).then(() => {
      isReleased = true;
    });
    await advance(4000);
    assert.equal(isReleased, false);
    b.member.release('c1');
    await advance(4000);
    assert.equal(isReleased, true);
  });

  it('tell each other what they report of autoscaling', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    const agreement = { version: 1, by: 'b', min: 1, max: 9, target: 8, isPaused: true, size: null };
    const report = { isScaling: true, load: 7.5, isPressed: true, isBusy: true, agreement };
    b.member.exchangeScale(
      () => report,
      () => {},
    );
    const seen = new Promise<void>((resolve) => {
      a.member.exchangeScale(
        () => report,
        () => [...a.member.scaleReports.values()].some((one) => one !== undefined) && resolve(),
      );
    });
    await advance(2100);
    await seen;
    assert.deepEqual([...a.member.scaleReports], [[b.member.peers[0]?.id, report]]);
  });

  it('take turns, each its own calls too', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    const order: string[] = [];
    const take = async (name: string, { member }: typeof a) => {
      const end = await member.takeTurn();
      order.push(name);
      return end;
    };
    const first = await take('a1', a);
    const others = [take('b', b), take('a2', a)];
    await advance(1000);
    assert.deepEqual(order, ['a1']);
    await first();
    await advance(1000);
    assert.equal(order.length, 2);
    await (await Promise.race(others))();
    await advance(1000);
    assert.deepEqual(order.toSorted(), ['a1', 'a2', 'b']);
  });

  it('get the turn of one that has ended', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    await a.member.takeTurn();
    a.end();
    let hasTurn = false;
    void b.member.takeTurn().then(() => {
      hasTurn = true;
    });
    await advance(10_000);
    assert.equal(hasTurn, true);
  });

  it('are told to try again where a turn takes too long', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    await a.member.takeTurn();
    const refused = assert.rejects(b.member.takeTurn(), {
      code: 'engine-unreachable',
      message: 'Another balancer of the pool is changing its size: try again in a moment',
    });
    await advance(95_000);
    await refused;
  });

  it('leave no record behind', async () => {
    const { join, advance, records } = pool();
    const { member } = await join();
    await advance(1100);
    await member.close();
    assert.equal(records.size, 0);
  });
});
