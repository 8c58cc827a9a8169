import assert from 'node:assert/strict';
import { it } from 'node:test';
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
