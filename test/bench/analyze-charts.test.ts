import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Growth } from '../../bench/analyze/a2.ts';
import { imbalanceChart } from '../../bench/analyze/a2-charts.ts';
import type { A6, Cost } from '../../bench/analyze/a6.ts';
import { costChart } from '../../bench/analyze/a6-charts.ts';

const FONT_PX = 12;

it('names of axes stay within the figure beside the longest numbers', () => {
  const cost = (replicas: number, buildMs: number): Cost => {
    return { placement: 'rendezvous', replicas, buildMs, lookupNs: 2, bytes: 2 ** 20, imbalance: 1 };
  };
  const { svg } = costChart({ costs: [cost(10, 0.2), cost(10_000, 15_000)] } as unknown as A6);
  const names = [...svg.matchAll(/<text[^>]* y="-(\d+)" transform="matrix\(0,-1,1,0,([\d.-]+),/g)];
  assert.equal(names.length, 3);
  for (const [, above, x] of names)
    assert.ok(Number(x) - Number(above) >= FONT_PX / 2, `the middle of a name is at ${x} - ${above}`);
});

it('owners have a line where the load bound sends requests past them, and a word where it does not', () => {
  const drawn = (owned: number) => {
    const fair = { low: 1, imbalance: 1.01, high: 1.02 };
    const size = {
      replicas: 2,
      seed: 1,
      fair,
      spread: { total: 100, imbalance: 1.1 },
      ownedSpread: { imbalance: owned },
    };
    return imbalanceChart({ sizes: [{ ...size, repeats: [size] }] } as unknown as Growth, 'off').svg;
  };
  const words = ['owned by the table', 'went to its owner'];
  assert.deepEqual(
    words.map((word) => drawn(1.2).includes(word)),
    [true, false],
  );
  assert.deepEqual(
    words.map((word) => drawn(1.1).includes(word)),
    [false, true],
  );
});
