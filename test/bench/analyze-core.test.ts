/** on a small scale, against numbers that can be reckoned otherwise. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fleetOf, runA4 } from '../../bench/analyze/a4.ts';
import { standardError } from '../../bench/analyze/a5.ts';
import { studyBounded } from '../../bench/analyze/a5-bounded.ts';
import { backends, changedBy, studyMaglev } from '../../bench/analyze/a5-maglev.ts';
import { A6_PLACEMENTS, agreementOf, rollingOf } from '../../bench/analyze/a6.ts';
import { binsOf, capacities, placeAll, placeInTurn } from '../../bench/analyze/bounded.ts';
import type { Lab } from '../../bench/analyze/lab.ts';
import { parseOptions } from '../../bench/analyze/options.ts';
import { arcShares, buildRendezvous } from '../../bench/analyze/rivals.ts';
import { hashText, mix32 } from '../../lib/core/hashing/hash.ts';
import { maglevPlacement } from '../../lib/core/hashing/maglev.ts';
import { pointsOf } from '../../lib/core/hashing/ring.ts';

const lab: Lab = {
  options: parseOptions([])!,
  balancer: () => Promise.reject(new Error('no balancer is needed')),
  unbounded: async () => undefined,
  progress() {},
};

describe('A-4', async () => {
  const a4 = await runA4(lab, { fleets: 1, draws: 200 });
  const find = (name: string, loadFactor = 0) =>
    a4.results.find((each) => each.name === name && each.loadFactor === loadFactor)!;

  it('gives the known imbalances of the textbook', () => {
    assert.deepEqual(find('textbook H and Φ').curve.imbalance, [1.906, 2.5305, 3.28, 3.983, 4.7322]);
  });

  it('meets every known value to two decimals', () => {
    for (const { what, known, ours } of a4.known) assert.equal(Number(ours.toFixed(2)), known, what);
  });

  it('leaves the busiest of three 457 slots for every even H', () => {
    assert.equal(a4.known.find(({ what }) => what.startsWith('only H'))!.ours, (457 * 3) / 512);
  });

  it('finds nearly every random Φ more even than the textbook’s', () => {
    assert.ok(a4.randomPhi.evener > 0.99);
    assert.ok(a4.randomPhi.below131 > 0.4 && a4.randomPhi.below131 < 0.65);
  });

  it('keeps all replicas to ⌈1.25·m÷n⌉ with bounded load', () => {
    // 10,000 requests: 6250, 4167, 3125, 2500 and 2084 at most, over means of 5000, 3333⅓, 2500, 2000 and 1666⅔
    const most = [1.25, 1.2501, 1.25, 1.25, 1.2504];
    assert.deepEqual(
      find('textbook H and Φ', 1.25).curve.imbalance.map((each) => Number(each.toFixed(6))),
      most,
    );
    for (const { name, curve } of a4.results.filter(({ loadFactor }) => loadFactor > 0))
      curve.imbalance.forEach((each, at) => {
        assert.ok(each <= most[at]! + 1e-9, `${name}: ${each}`);
      });
  });

  it('moves ids of 65,537-slot Maglev where a table built here says', () => {
    const placement = maglevPlacement(65_537);
    const ownersOf = (size: number) => {
      const table = new Uint16Array(65_537);
      placement.build(fleetOf(0, size), table);
      return Array.from({ length: 10_000 }, (_, at) => table[placement.slotOf(hashText(String(at + 1)))]!);
    };
    const [two, three] = [ownersOf(2), ownersOf(3)];
    const moved = two.filter((owner, at) => owner !== three[at]).length / 10_000;
    assert.equal(find('Maglev 65,537').curve.moved[0], moved);
  });
});

describe('A-5, Maglev', () => {
  it('changes exactly the entries of one of two backends that fails', () => {
    const table = new Uint16Array(7);
    maglevPlacement(7).build(backends(0, 2), table);
    const first = table.filter((owner) => owner === 0).length / 7;
    const changed = changedBy(1, { slots: 7, repetitions: 1 }, { backends: 2, seed: 1 }).changed;
    assert.ok(changed === first || changed === 1 - first);
  });

  it('changes every entry when all fail, and none when none does', () => {
    const changed = (failures: number) =>
      changedBy(failures, { slots: 13, repetitions: 2 }, { backends: 3, seed: 1 }).changed;
    assert.deepEqual([changed(0), changed(3)], [0, 1]);
  });

  it('spreads entries to within one', async () => {
    const sizes = {
      backends: 10,
      tables: [{ slots: 101, draws: 2, repetitions: 1 }],
      failures: [1],
      seed: 1,
    };
    const { balances } = await studyMaglev(sizes, async () => {});
    const maglev = balances.find(({ method }) => method === 'maglev')!;
    assert.equal(maglev.over.mean.toFixed(9), (11 / 10.1 - 1).toFixed(9));
    assert.equal(maglev.under.toFixed(9), (1 - 10 / 10.1).toFixed(9));
  });

  it('gives a rendezvous slot to the member hashing highest with it', () => {
    const members = backends(3, 5);
    const table = new Uint16Array(50);
    buildRendezvous(members, table);
    for (const [slot, owner] of table.entries()) {
      const key = Math.imul(slot + 1, 0x9e3779b1);
      const scores = members.map(({ name }) => mix32((hashText(name) ^ key) >>> 0) | 0);
      assert.equal(owner, scores.indexOf(Math.max(...scores)));
    }
  });
});

describe('A-5, the circle', () => {
  it('gives each member the arcs that end in its points', () => {
    const members = backends(0, 3);
    const points = members
      .flatMap(({ name, ordinal }) => Array.from(pointsOf(name, 2), (point) => ({ point, ordinal })))
      .sort((a, b) => a.point - b.point);
    const expected = [0, 0, 0];
    points.forEach(({ point, ordinal }, at) => {
      const before = at === 0 ? points.at(-1)!.point - 2 ** 32 : points[at - 1]!.point;
      expected[ordinal]! += (point - before) / 2 ** 32;
    });
    assert.deepEqual([...arcShares(members, 2)], expected);
  });

  it('has the arithmetic standard error, within sampling variation', () => {
    const { error, exact } = standardError(10, 1000, 20);
    assert.equal(exact, Math.sqrt(999 / 10_001));
    assert.ok(Math.abs(error.mean / exact - 1) < 0.02, `${error.mean}`);
  });

  it('has no error with one bucket', () => {
    assert.equal(standardError(5, 1, 2).error.mean, 0);
  });
});

describe('A-5, bounded load', () => {
  it('shares ⌈c·m⌉ places out to within one', () => {
    assert.deepEqual([...capacities(10, 4, 1.1)], [3, 3, 3, 2]);
    assert.deepEqual([...capacities(8, 4, 2)], [4, 4, 4, 4]);
    assert.deepEqual([...capacities(0, 2, 1.5)], [0, 0]);
  });

  it('puts a ball into the first bin with room, clockwise', () => {
    const bins = [10, 20, 30].map((point, at) => ({ name: `bin-${at}`, point }));
    // ⌈1.2 · 5⌉ = 6 places, two in each bin
    assert.deepEqual([...placeAll(bins, Uint32Array.of(15, 20, 11, 25, 31), 1.2)], [1, 1, 2, 2, 0]);
    assert.deepEqual([...placeAll(bins, Uint32Array.of(30, 30, 30, 30, 30), 1.2)], [2, 2, 0, 0, 1]);
  });

  it('has bins in the order of core’s points', () => {
    const bins = binsOf(['a', 'b', 'c', 'd']);
    assert.deepEqual(
      bins.map(({ point }) => point),
      ['a', 'b', 'c', 'd'].map((name) => pointsOf(name, 1)[0]!).sort((a, b) => a - b),
    );
  });

  it('moves the balancer’s pick from full owners to the next slot’s', () => {
    const placement = {
      algorithm: 'ring' as const,
      slots: 3,
      build: (_: unknown, table: Uint16Array) => table.set([0, 1, 2]),
      slotOf: (hash: number) => hash,
    };
    // bounds of the first to the fourth request: ⌈m ÷ 3⌉ = 1, 1, 1, 2
    assert.deepEqual([...placeInTurn(placement, backends(0, 3), [0, 0, 2, 0], 1)], [0, 1, 2, 0]);
  });

  it('keeps to the bound and makes no needless move', () => {
    const { bound, most, mostByPick } = studyBounded(1.1, 10, { updates: 2, seed: 1 });
    assert.deepEqual([bound, most <= bound, mostByPick <= bound], [11, true, true]);
    const roomy = studyBounded(100, 10, { updates: 20, seed: 1 });
    assert.equal(roomy.movesPerBall, 0);
  });
});

describe('A-6', () => {
  it('has balancers agree on every key but with the classic ring', () => {
    assert.equal(agreementOf(A6_PLACEMENTS.maglev, 10, 1).agree, 1);
    assert.equal(agreementOf(A6_PLACEMENTS.rendezvous, 10, 1).agree, 1);
    assert.equal(agreementOf(A6_PLACEMENTS.ring, 10, 1).agree, 1);
    assert.ok(agreementOf(A6_PLACEMENTS.classic, 10, 1).agree < 1);
  });

  it('has a balancer without known replicas differ on every key', () => {
    assert.equal(agreementOf(A6_PLACEMENTS.maglev, 1, 1).behind, 1);
  });

  it('moves keys once, twice or never, by the order of replacement', () => {
    const { comeThenGo, goThenCome, inPlace } = rollingOf(A6_PLACEMENTS.ring, 1);
    assert.deepEqual([comeThenGo, goThenCome, inPlace], [1, 2, 0]);
  });
});
