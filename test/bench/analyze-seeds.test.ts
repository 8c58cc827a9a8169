/** A-2 with several seeds: what is drawn and said holds for all of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Growth, Step } from '../../bench/analyze/a2.ts';
import { imbalanceChart, movedChart, spreadChart } from '../../bench/analyze/a2-charts.ts';
import { COLORS } from '../../bench/analyze/chart.ts';

const FAIR = { low: 1, imbalance: 1.01, high: 1.02, deviation: 5 };
const size = (seed: number, imbalance: number) => ({
  replicas: 2,
  seed,
  fair: FAIR,
  fairAsUneven: 0.5,
  names: ['S1', 'S2'],
  counts: [100 * imbalance, 100 * (2 - imbalance)],
  spread: {
    total: 200,
    mean: 100,
    imbalance,
    least: 100 * (2 - imbalance),
    most: 100 * imbalance,
    deviation: 5,
  },
  ownedSpread: { imbalance },
});
const step = (seed: number, movedOwner: number, movedAnswer: number): Step => ({
  ...{ seed, from: 2, to: 3, ideal: 1 / 3, movedBetweenOld: 0 },
  movedOwner,
  movedAnswer,
});

function grown(...seeds: readonly number[]): Growth {
  const sizes = seeds.map((seed) => size(seed, 1 + seed / 10));
  const steps = seeds.map((seed) => step(seed, (1 + seed / 10) / 3, (1 + seed / 10) / 3 + seed / 10));
  return {
    sizes: [{ ...sizes[0]!, repeats: sizes }],
    steps: [{ ...steps[0]!, repeats: steps }],
  } as unknown as Growth;
}

/** The lines of error bars: each has three. */
const whiskersIn = (svg: string) =>
  svg.match(new RegExp(`<path d="M[^"]*"[^>]*stroke="${COLORS.ink}" stroke-width="1.5"`, 'g')) ?? [];

describe('A-2 with several seeds', () => {
  it('says at most what the most uneven seed came to', () => {
    assert.match(imbalanceChart(grown(1, 2, 3), 'off').title, /at most 1\.300 times its share$/);
  });

  it('says at most what the seed moved that moved the most', () => {
    const { title } = movedChart(grown(1, 3));
    assert.match(title, /at most 30\.0\s% more owners than it must; .* up to 30\s% of the ids/);
  });

  it('has error bars at what moved, each over the middle of its bar', () => {
    assert.equal(whiskersIn(movedChart(grown(1)).svg).length, 0);
    const { svg } = movedChart(grown(1, 2));
    const middles = whiskersIn(svg)
      .map((bar) => /M([\d.]+) [\d.]+L([\d.]+) /.exec(bar)!.slice(1).map(Number))
      .filter(([from, to]) => from === to)
      .map(([x]) => x!.toFixed(0));
    const bars = [COLORS.blue, COLORS.orange].map((color) => {
      const bar = new RegExp(`<path d="M([\\d.]+) [\\d.]+l([\\d.]+) [^"]*" fill="${color}" ecmeta_series`);
      const [, left, width] = bar.exec(svg) ?? [];
      return (Number(left) + Number(width) / 2).toFixed(0);
    });
    assert.deepEqual(middles, bars);
  });

  it('describes in words what is drawn, the mean', () => {
    assert.match(movedChart(grown(1, 3)).alt, /owner 40\.0\s%, answer 60\.0\s%/);
    assert.match(spreadChart(grown(1, 3), 'off').alt, /70 to 130/);
  });

  it('tells whether the load bound was on where loads are drawn', () => {
    assert.match(spreadChart(grown(1), 'off').svg, /load bound off/);
    assert.match(spreadChart(grown(1), 'as it is').svg, /load bound as it is/);
  });
});
