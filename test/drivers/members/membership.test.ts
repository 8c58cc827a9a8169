import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryMembers as pool } from '../../helpers/drivers/memory-members.ts';

describe('the balancers of a pool', () => {
  it('see each other, and who has ended', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    assert.deepEqual([a.member.peers.length, b.member.peers.length], [2, 2]);
    assert.deepEqual(
      a.member.peers.map(({ isSelf }) => isSelf),
      [true, false],
    );
    assert.equal(a.member.isActing, !b.member.isActing);
    b.end();
    await advance(1100);
    assert.equal(a.member.peers.length, 1);
    assert.equal(a.member.isActing, true);
  });

  it('are seen by the others once they have joined', async () => {
    const { join, records } = pool();
    await join();
    assert.equal(records.size, 1);
  });

  it('are counted as they come and go', async () => {
    const { join, advance } = pool();
    const [a] = [await join(), await join()];
    await advance(1100);
    const counts: number[] = [];
    a.member.follow(
      () => '',
      (count) => counts.push(count),
    );
    const c = await join();
    await advance(2100);
    c.end();
    await advance(2100);
    assert.deepEqual(counts, [2, 3, 2]);
  });

  it('are counted where the engine is lost just when one has come', async () => {
    const { join, advance } = pool();
    const a = await join();
    const counts: number[] = [];
    a.member.follow(
      () => '',
      (count) => counts.push(count),
    );
    await advance(500);
    await join();
    await advance(900);
    await join();
    // the new one is read first
    await advance(200);
    a.failNext('isGone', 1);
    await advance(3000);
    assert.equal(counts.at(-1), 3);
  });

  it('are told who is the last to leave', async () => {
    const { join, advance } = pool();
    const [a, b, c] = [await join(), await join(), await join()];
    await advance(1100);
    c.end();
    assert.equal(await a.member.leave(), false);
    assert.equal(await b.member.leave(), true);
  });

  it('are told that one of them is the last where all leave at once', async () => {
    const { join, advance, records } = pool();
    const all = [await join(), await join(), await join()].map(({ member }) => member);
    await advance(1100);
    const lasts = await Promise.all(all.map((member) => member.leave()));
    assert.ok(lasts.includes(true), `${lasts}`);
    assert.equal(records.size, 0);
  });

  it('leave no record behind that was being renewed', async () => {
    const { join, advance, settle, records } = pool();
    const { member, holdRecords } = await join();
    const release = holdRecords();
    await advance(1100);
    const leaving = member.leave();
    await settle();
    release();
    assert.equal(await leaving, true);
    assert.equal(records.size, 0);
  });

  it('are not taken for ended while the engine is silent', async () => {
    const { join, advance, ended } = pool();
    const [a, b] = [await join(), await join()];
    for (let turn = 0; turn < 3; turn++) {
      await advance(3100);
      const releases = [b.holdRecords(), a.holdRecords()];
      await advance(15_000);
      for (const release of releases) {
        release();
        await advance(200);
      }
    }
    await advance(1100);
    assert.deepEqual([a.member.peers.length, b.member.peers.length], [2, 2]);
    assert.deepEqual(ended, []);
  });

  it('are taken for ended where they renew nothing for ten seconds', async () => {
    const { join, advance, ended } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    b.holdRecords();
    await advance(9000);
    assert.equal(a.member.peers.length, 2);
    await advance(3000);
    assert.equal(a.member.peers.length, 1);
    assert.equal(ended.length, 1);
  });

  it('remember what others have removed, for ten minutes', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    const known = (id: string) => Promise.all([a, b].map(({ member }) => member.wasRemovedElsewhere(id)));
    for (const id of ['c1', 'c2']) b.member.removals.note(id);
    b.member.removals.forget('c2');
    await advance(1100);
    assert.deepEqual(await known('c1'), [true, false]);
    assert.deepEqual(await known('c2'), [false, false]);
    await advance(590_000);
    assert.deepEqual(await known('c1'), [true, false]);
    await advance(12_000);
    assert.deepEqual(await known('c1'), [false, false]);
  });

  it('remember a thousand removals at most, the latest', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    for (let number = 0; number <= 1000; number++) b.member.removals.note(`c${number}`);
    await advance(1100);
    assert.equal(await a.member.wasRemovedElsewhere('c0'), false);
    for (const id of ['c1', 'c1000']) assert.equal(await a.member.wasRemovedElsewhere(id), true);
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

  it('wait until all others have said twice that they do not use an instance', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await join();
    await advance(2100);
    const releaseFirst = b.holdRecords();
    let isReleased = false;
    void a.member.untilReleased('c1', 60_000).then(() => {
      isReleased = true;
    });
    await advance(5000);
    assert.equal(isReleased, false);
    const releaseSecond = b.holdRecords();
    releaseFirst();
    await advance(5000);
    assert.equal(isReleased, false);
    releaseSecond();
    await advance(3000);
    assert.equal(isReleased, true);
  });

  it('wait no longer than they are told to', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    b.member.use(['c1'], ['c1']);
    await advance(2100);
    let isOver = false;
    void a.member.untilReleased('c1', 10_000).then(() => {
      isOver = true;
    });
    await advance(9000);
    assert.equal(isOver, false);
    await advance(1500);
    assert.equal(isOver, true);
  });

  it('use no instance any more that is not there, or that they have released', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    b.member.use(['c1', 'c2', 'c3'], ['c1', 'c2', 'c3']);
    b.member.release('c2');
    b.member.use(['c2', 'c3'], ['c2', 'c3']);
    await advance(2100);
    const released: string[] = [];
    for (const id of ['c1', 'c2', 'c3'])
      void a.member.untilReleased(id, 60_000).then(() => released.push(id));
    await advance(5000);
    assert.deepEqual(released, ['c1', 'c2']);
  });

  it('tell each other what they report of autoscaling', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    const agreement = { max: { value: 9, version: 1, by: 'b' } };
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

  it('never have a turn both where they ask for it at once', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    const ends: (() => Promise<void>)[] = [];
    for (const { member } of [a, b]) void member.takeTurn().then((end) => ends.push(end));
    await advance(3000);
    assert.equal(ends.length, 1);
    await ends[0]!();
    await advance(1000);
    assert.equal(ends.length, 2);
  });

  it('respect the turn of one whose record they have not read yet', async () => {
    const { join, advance } = pool();
    const a = await join();
    await advance(1100);
    const b = await join();
    await b.member.takeTurn();
    let hasTurn = false;
    void a.member.takeTurn().then(() => {
      hasTurn = true;
    });
    // until it is read, and after that
    await advance(10_000);
    assert.equal(hasTurn, false);
  });

  it('know in their turn what was reported at the end of the one before', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    let load = 1;
    const report = () => ({ isScaling: true, load, isPressed: false, isBusy: true, agreement: {} });
    a.member.exchangeScale(report, () => {});
    const end = await a.member.takeTurn();
    load = 2;
    await end();
    await b.member.takeTurn();
    assert.deepEqual(
      [...b.member.scaleReports.values()].map((one) => one?.load),
      [2],
    );
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

  it('have no turn where the engine is lost at its beginning, and keep none', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    a.failNext('put');
    await assert.rejects(a.member.takeTurn(), { code: 'engine-unreachable' });
    let hasTurn = false;
    void b.member.takeTurn().then(() => {
      hasTurn = true;
    });
    await advance(1000);
    assert.equal(hasTurn, true);
  });

  it('go on after a turn of theirs whose end the engine did not hear of', async () => {
    const { join, advance, turns } = pool();
    const a = await join();
    const turn = await a.member.takeDeployTurn();
    a.failNext('remove');
    await assert.rejects(turn.end(), { code: 'engine-unreachable' });
    let next: typeof turn | undefined;
    void a.member.takeDeployTurn().then((taken) => {
      next = taken;
    });
    await advance(1000);
    await next?.end();
    assert.deepEqual([next !== undefined, turns.size], [true, 0]);
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

  it('deploy one at a time, and the other is told who does', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    const turn = await a.member.takeDeployTurn();
    await assert.rejects(b.member.takeDeployTurn(), {
      code: 'deploy-running',
      message: /^another balancer of the pool deploys \(process \d+ on .*\): wait for its end, or/,
    });
    await turn.end();
    await b.member.takeDeployTurn();
  });

  for (const [when, ms] of [
    ['a moment ago', 0],
    ['and was missed', 1100],
  ] as const)
    it(`get the turn to deploy of one that has ended ${when}`, async () => {
      const { join, advance } = pool();
      const [a, b] = [await join(), await join()];
      await advance(1100);
      await a.member.takeDeployTurn();
      a.end();
      await advance(ms);
      let hasTurn = false;
      const taking = b.member.takeDeployTurn().then(() => {
        hasTurn = true;
      });
      await advance(10_000);
      await taking;
      assert.equal(hasTurn, true);
    });

  it('know that they have lost the turn to another while they stood still', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    const lost = await a.member.takeDeployTurn();
    assert.equal(await lost.isHeld(), true);
    const release = a.holdRecords();
    await advance(12_000);
    assert.equal(await lost.isHeld(), true);
    const taking = b.member.takeDeployTurn();
    await advance(10_000);
    const taken = await taking;
    release();
    assert.deepEqual([await lost.isHeld(), await taken.isHeld()], [false, true]);
    await taken.end();
    const next = await b.member.takeDeployTurn();
    await lost.end();
    assert.deepEqual([await lost.isHeld(), await next.isHeld()], [false, true]);
  });

  it('know what another deploys until that is over', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    const deploy = { id: 'x-1', generation: 2, title: 'app:v2' };
    a.member.announceDeploy(deploy, () => {});
    await advance(2100);
    assert.deepEqual(b.member.deploying?.deploy, deploy);
    assert.deepEqual([a.member.isActing, b.member.isActing, a.member.deploying], [true, false, undefined]);
    a.member.announceDeploy(undefined, () => {});
    await advance(2100);
    assert.equal(b.member.deploying, undefined);
  });

  it('know at once what another has begun to deploy where they look', async () => {
    const { join, advance, settle } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    a.member.announceDeploy({ id: 'x-1', generation: 2, title: 'app:v2' }, () => {});
    await settle();
    const idOf = ({ member }: typeof b): string | undefined => member.deploying?.deploy.id;
    assert.equal(idOf(b), undefined);
    await b.member.look();
    assert.equal(idOf(b), 'x-1');
  });

  for (const call of ['list', 'isGone'] as const)
    it(`do not forget what another deploys where an earlier answer comes late: ${call}`, async () => {
      const { join, advance, settle } = pool();
      const [a, b] = [await join(), await join()];
      await advance(1100);
      const release = b.holdNext(call);
      const looking = b.member.look();
      await settle();
      a.member.announceDeploy({ id: 'x-1', generation: 2, title: 'app:v2' }, () => {});
      await settle();
      await b.member.look();
      release();
      await looking;
      assert.equal(b.member.deploying?.deploy.id, 'x-1');
    });

  it('do not bring back one that has ended where an earlier answer comes late', async () => {
    const { join, advance, settle } = pool();
    const [a, b] = [await join(), await join()];
    await advance(1100);
    a.member.announceDeploy({ id: 'x-1', generation: 2, title: 'app:v2' }, () => {});
    await advance(1100);
    const release = b.holdNext('isGone');
    const looking = b.member.look();
    await settle();
    a.end();
    await b.member.look();
    assert.deepEqual([b.member.peers.length, b.member.deploying], [1, undefined]);
    release();
    await looking;
    assert.deepEqual([b.member.peers.length, b.member.deploying], [1, undefined]);
  });

  it('have a record all the time, while they write another too', async () => {
    const { join, advance, settle, records } = pool();
    const a = await join();
    const releaseList = a.holdNext('list');
    await advance(1100);
    const releaseRecord = a.holdRecords();
    a.member.announceDeploy({ id: 'x-1', generation: 2, title: 'app:v2' }, () => {});
    releaseList();
    await settle();
    assert.ok(records.size > 0);
    releaseRecord();
    await advance(1100);
    assert.equal(records.size, 1);
  });

  it('take a deploy back that another is asked to', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    let undone = 0;
    a.member.announceDeploy({ id: 'x-1', generation: 2, title: 'app:v2' }, () => undone++);
    await advance(2100);
    b.member.requestUndo('x-0');
    await advance(2100);
    assert.equal(undone, 0);
    b.member.requestUndo('x-1');
    await advance(2100);
    assert.ok(undone > 0);
  });

  it('use an instance again that a deploy has put back into its place', async () => {
    const { join, advance } = pool();
    const [a, b] = [await join(), await join()];
    b.member.use(['old'], ['old']);
    b.member.use(['new'], ['old', 'new']);
    b.member.release('old');
    b.member.use(['new'], ['old', 'new']);
    b.member.use(['old'], ['old', 'new']);
    await advance(2100);
    let isReleased = false;
    void a.member.untilReleased('old', 60_000).then(() => {
      isReleased = true;
    });
    await advance(5000);
    assert.equal(isReleased, false);
  });

  it('say once that their tables differ for long', async () => {
    const { join, advance, warnings } = pool();
    const [a, b] = [await join(), await join()];
    const hashes = ['one', 'two'];
    a.member.follow(
      () => hashes[0]!,
      () => {},
    );
    b.member.follow(
      () => hashes[1]!,
      () => {},
    );
    await advance(10_000);
    hashes[1] = 'one';
    await advance(3000);
    for (const hash of ['two', 'three', 'four']) {
      hashes[1] = hash;
      await advance(10_000);
    }
    assert.deepEqual(warnings, []);
    await advance(60_000);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0]!, /^another balancer of the pool has another table: start all of them with/);
  });

  it('leave no record behind', async () => {
    const { join, advance, records } = pool();
    const { member } = await join();
    await advance(1100);
    await member.close();
    assert.equal(records.size, 0);
  });
});
