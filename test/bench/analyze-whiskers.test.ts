import assert from 'node:assert/strict';
import { it } from 'node:test';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from '../../bench/analyze/chart.ts';
import { line, whiskers } from '../../bench/analyze/series.ts';

it('error bars stay within the area, however far they reach', () => {
  let areaTop = 0;
  const { svg } = renderChart({
    ...{ name: 'a', title: 'Title', subtitle: 'Subtitle', alt: '', sample: '' },
    data: { head: [], rows: [] },
    option(top) {
      areaTop = top;
      return {
        grid: gridAt({ top }),
        xAxis: xAxis('x', { type: 'category' as const, data: ['2', '3'] }),
        yAxis: yAxis('y', { min: 1 }),
        series: [
          line('mean', { color: COLORS.blue, symbol: 'circle', type: 'solid' }, [1.01, 1.02]),
          whiskers([{ at: 0, low: 1, high: 3 }]),
        ],
      };
    },
  });
  const bars = svg.match(/<path d="M[^"]*"[^>]*stroke="#1f2933" stroke-width="1.5"/g) ?? [];
  assert.equal(bars.length, 3, svg);
  const heights = bars.flatMap((bar) => [...bar.matchAll(/[ML][\d.]+ ([\d.-]+)/g)].map(([, y]) => Number(y)));
  assert.ok(Math.min(...heights) >= areaTop, `${heights} from ${areaTop}`);
});
