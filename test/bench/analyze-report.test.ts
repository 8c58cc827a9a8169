/** The report: whole without anything beside it, well-formed, and saying what the numbers say. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, test } from 'node:test';
import { type Distribution, distributionOf } from '../../bench/analyze/a1.ts';
import { againstChance, viewA1 } from '../../bench/analyze/a1-view.ts';
import type { Growth } from '../../bench/analyze/a2.ts';
import { runA4 } from '../../bench/analyze/a4.ts';
import { runA6 } from '../../bench/analyze/a6.ts';
import { type Run, secondsIn } from '../../bench/analyze/a7.ts';
import { titleOf } from '../../bench/analyze/a7-charts.ts';
import type { A8 } from '../../bench/analyze/a8.ts';
import { viewA8 } from '../../bench/analyze/a8-view.ts';
import { wrap } from '../../bench/analyze/chart.ts';
import { bytes, count, duration, listed, percent, signed } from '../../bench/analyze/format.ts';
import { layoutOf } from '../../bench/analyze/numbering.ts';
import { parseOptions } from '../../bench/analyze/options.ts';
import { Progress } from '../../bench/analyze/progress.ts';
import { writeReport } from '../../bench/analyze/report.ts';
import { escapeHtml } from '../../bench/analyze/report-html.ts';
import { markdownReport } from '../../bench/analyze/report-markdown.ts';
import { table } from '../../bench/analyze/section.ts';
import type { Facts, Results } from '../../bench/analyze/study.ts';

const options = parseOptions([])!;
const none = () => Promise.reject(new Error('none'));
const lab = { options, balancer: none, unbounded: none, progress() {} };
const FACTS: Facts = {
  date: '2026-01-31',
  seconds: 12.3,
  host: { cpu: 'A <fast> one', cores: 2, memoryGiB: 4, kernel: '6', node: 'v26' },
  loadBefore: 0,
  options: { only: ['a1'], driver: 'process', requests: 100, concurrency: 1, seed: 1, seeds: 2, url: null },
  version: '1.2.3',
};

/** A-1 as it would be with these answers of S1, S2 and S3. */
const answered = (...counts: number[]) => answeredWith(1, ...counts);

function answeredWith(seed: number, ...counts: number[]): Distribution {
  const places = counts.map((_, at) => ({ name: `S${at + 1}`, id: at + 1, slots: 1, share: 1 }));
  const ring = {
    algorithm: 'maglev' as const,
    slots: 509,
    vnodes: 0,
    version: 1,
    hash: '',
    imbalance: 1,
    members: places,
  };
  const respondedBy = counts.flatMap((each, at) => new Array<string>(each).fill(`S${at + 1}`));
  const load = { failures: [], errors: 0, perSecond: 10, p50Ms: 1, p99Ms: 2 };
  return distributionOf(
    ring,
    respondedBy.map((_, at) => String(at)),
    { ...load, respondedBy },
    seed,
  ).distribution;
}

const A1 = answered(34, 33, 33);

/** One slow replica, on a machine without nginx. */
const A8_RESULT: A8 = {
  fastMs: 5,
  slowMs: 50,
  replicas: 5,
  perSecond: 160,
  warmUp: 10,
  requests: 100,
  rounds: 3,
  missing: ['nginx'],
  outcomes: [
    ['ringlb', 'hash', 2800, 0.2],
    ['ringlb', 'p2c', 95, 0.09],
    ['HAProxy', 'leastconn', 56, 0.08],
  ].map(([program, policy, p99Ms, slow]) => ({
    program: program as 'ringlb',
    policy: String(policy),
    version: '1',
    p50Ms: 6,
    p99Ms: Number(p99Ms),
    errors: 0,
    shares: [Number(slow), ...new Array<number>(4).fill((1 - Number(slow)) / 4)],
  })),
};

/** A fleet that grew from two to three. */
function grown(): Growth {
  const again = (each: Distribution) => ({ ...each, repeats: [each, each] });
  const step = {
    seed: 7,
    from: 2,
    to: 3,
    ideal: 1 / 3,
    movedOwner: 0.34,
    movedBetweenOld: 0.01,
    movedAnswer: 0.4,
  };
  return {
    sizes: [again(answered(50, 50)), again(A1)],
    steps: [{ ...step, repeats: [step, { ...step, seed: 8, movedOwner: 0.36 }] }],
  };
}

/** A load of thirty seconds that two replicas are enough for, after one. */
function autoscaled(): Run {
  const seconds = Array.from({ length: 30 }, (_, atS) => {
    const ready = atS < 10 ? 1 : 2;
    return { atS, desired: atS < 9 ? 1 : 2, ready, inFlight: 12, waiting: 0, p99Ms: 260, failed: 0 };
  });
  return { id: 'noise', title: 'Noise', seconds, requests: 1440, failed: 0, worstMs: 271 };
}

/** Every tag of XML has quoted attributes and nothing else; what is not a tag holds no bracket. */
function isWellFormed(svg: string): boolean {
  const tags = svg.match(/<[^>]*>/g) ?? [];
  const isTag = (tag: string) => /^<(\/[\w:]+|[\w:]+(\s+[\w:-]+="[^"<]*")*\s*\/?)>$/.test(tag);
  return tags.every(isTag) && !/[<>]/.test(svg.replace(/<[^>]*>/g, ''));
}

test('a run of autoscaling is told by its sizes and what was lost', () => {
  assert.equal(titleOf(autoscaled()), 'Noise: 1 → 2 replicas ready, and none of 1,440 requests failed');
});

test('the seconds of a run are those sampled since it began', () => {
  const [first, ...more] = secondsIn(
    {
      atMs: [900, 2000],
      requestsPerSecond: [0, 8],
      byClass: [
        [0, 8],
        [0, 0],
        [0, 0],
        [0, 1],
      ],
      errorsPerSecond: [0, 1],
      p50Ms: [null, 250],
      p99Ms: [null, 260],
      inFlight: [0, 4],
      queued: [0, 2],
      desired: [1, 2],
      ready: [1, 1],
    },
    1000,
  );
  assert.deepEqual(more, []);
  assert.deepEqual(first, { atS: 1, desired: 2, ready: 1, inFlight: 4, waiting: 2, p99Ms: 260, failed: 1 });
});

describe('a written report', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-analyze-'));
  after(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'a3-timeline.svg'), 'of an earlier run');
  writeFileSync(join(dir, 'notes.svg'), 'somebody’s own');
  const results: Results = {
    a1: { ...A1, repeats: [A1, answeredWith(2, 40, 30, 30)] },
    a2: { bounded: grown(), unbounded: grown() },
    a4: await runA4(lab, { ids: 512, fleets: 1, draws: 10 }),
    a6: await runA6(lab, { sizes: [10, 30], rolled: [3], compared: [3] }),
    a7: { runs: [autoscaled()] },
    a8: A8_RESULT,
  };
  const written = writeReport(dir, FACTS, results);
  const read = (name: string) => readFileSync(join(dir, name), 'utf8');
  const charts = readdirSync(dir).filter((name) => /^a\d.*svg$/.test(name));

  it('consists of the files it names and its experiments’ charts', () => {
    assert.deepEqual(
      written.map((file) => file.slice(dir.length + 1)),
      ['report.html', 'report.md', 'results.json'],
    );
    assert.deepEqual(charts.sort(), [
      'a1-requests.svg',
      'a2-bounded.svg',
      'a2-imbalance.svg',
      'a2-moved.svg',
      'a2-spread.svg',
      'a4-bounded.svg',
      'a4-map.svg',
      'a4-near.svg',
      'a6-behind.svg',
      'a6-cost.svg',
      'a6-rolling.svg',
      'a7-noise.svg',
      'a8-latency.svg',
      'a8-share.svg',
    ]);
    assert.equal(read('notes.svg'), 'somebody’s own');
  });

  it('says of A-8 what p2c is worth, and who was left out', () => {
    const { findings } = viewA8(A8_RESULT);
    assert.match(findings[0]!, /p2c the 99th percentile is 95.ms, 0\.03 times that of plain hashing/);
    assert.match(findings[1]!, /^That is above the 56.ms of HAProxy’s leastconn/);
    assert.equal(findings[2], 'Not installed, and so left out: nginx.');
  });

  it('gives a small ratio of A-8 digits that are not all zero', () => {
    const outcomes = A8_RESULT.outcomes.map((each) => (each.policy === 'p2c' ? { ...each, p99Ms: 9 } : each));
    const [first] = viewA8({ ...A8_RESULT, outcomes }).findings;
    assert.match(first!, /, 0\.00[1-9]\d times that of plain hashing/);
  });

  it('has charts that are well-formed', () => {
    for (const name of charts) assert.ok(isWellFormed(read(name)), name);
  });

  it('is one HTML file that asks for no other', () => {
    const html = read('report.html');
    assert.equal(html.match(/<figure /g)?.length, charts.length);
    assert.doesNotMatch(html, /<script|<link|<img|<iframe|\ssrc=|@import|url\((?!#)/);
    const outside = html
      .match(/https?:\/\/[^"\s<]+/g)
      ?.filter((url) => !url.startsWith('http://www.w3.org/'));
    assert.deepEqual(outside ?? [], []);
    assert.ok(html.includes('A &lt;fast&gt; one'));
  });

  it('is Markdown with every chart beside it', () => {
    assert.equal(read('report.md').match(/^\*\*Figure \d+\.\*\* /gm)?.length, charts.length);
    const named = [...read('report.md').matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map((match) => match[1]);
    assert.deepEqual(named.sort(), charts.sort());
  });

  it('numbers its figures, and gives amount, seeds and version of each', () => {
    const html = read('report.html');
    const captions = [...html.matchAll(/<figcaption><b>(Figure \d+)\.<\/b> ([^<]*)/g)];
    assert.deepEqual(
      captions.map((match) => match[1]),
      charts.map((_, at) => `Figure ${at + 1}`),
    );
    for (const [, , caption] of captions)
      assert.match(caption!, / n = \d.*; (seed 1|seeds 1 to 2); ringlb 1\.2\.3\. $/);
    assert.match(captions[0]![2]!, /100 requests with each seed; seeds 1 to 2;/);
  });

  it('has the data of each figure as CSV beside it', () => {
    for (const name of charts) {
      const [head, ...rows] = read(name.replace('.svg', '.csv')).trimEnd().split('\r\n');
      assert.ok(head!.split(',').length >= 2 && rows.length >= 2, name);
    }
    assert.match(read('a1-requests.csv'), /^replica,seed,answered,owned\r\nS1,1,34,\d+\r\n/);
    assert.match(read('a2-moved.csv'), /\r\n2,3,8,0\.33\d*,0\.36,0\.01,0\.4\r\n/);
  });

  it('tells of every seed of A-1, and of which one a table is', () => {
    const failed = answeredWith(8, 90, 5, 5);
    const load = { ...failed.load, errors: 3, failures: ['503'] };
    const seventh = answeredWith(7, 34, 33, 33);
    const { findings, parts } = viewA1({
      ...seventh,
      repeats: [seventh, { ...failed, overflow: seventh.overflow, load }],
    });
    assert.match(findings[0]!, /^3 requests failed: 503\. With 1 of 2 seeds the split is no more uneven/);
    assert.match(JSON.stringify(parts), /Requests of each replica, seed 7"/);
  });

  it('has long tables in an appendix, and says where they were', () => {
    const [report = '', appendix = ''] = read('report.html').split('<section id="appendix">');
    assert.match(report, /<a href="#table-a1">Table A1<\/a>: Imbalance and moved share/);
    assert.match(appendix, /<b>Table A1\.<\/b> Imbalance and moved share/);
  });

  it('keeps every figure, the seed and the machine', () => {
    const { results: kept, ...facts } = JSON.parse(read('results.json')) as Facts & { results: Results };
    assert.deepEqual(facts, FACTS);
    assert.deepEqual(kept.a1, JSON.parse(JSON.stringify(results.a1)));
  });
});

describe('what a report says', () => {
  it('depends on the numbers', () => {
    assert.match(
      againstChance(answered(34, 33, 33)),
      /^no more uneven than chance: 100.% of fair random splits are as uneven or more$/,
    );
    assert.match(againstChance(answered(80, 10, 10)), /^more uneven than 100.% of fair random splits$/);
  });

  it('survives what Markdown and HTML would take for theirs', () => {
    const section = {
      id: 'A-9',
      title: 't',
      findings: ['f'],
      parts: [table('c', ['h'], [['a|b <c>']])],
      limits: ['l'],
    };
    assert.ok(markdownReport(layoutOf([section], FACTS), 'x').includes('| a\\|b &lt;c> |'));
    assert.equal(escapeHtml('<a href="b">&'), '&lt;a href=&quot;b&quot;&gt;&amp;');
  });

  it('writes numbers for people', () => {
    assert.deepEqual(
      [count(10_000), percent(0.125), signed(-1.25, 1), signed(2, 0), signed(-0.001, 2), bytes(2 ** 21)],
      ['10,000', '12.5\u00a0%', '−1.3', '+2', '0.00', '2.0\u00a0MiB'],
    );
    assert.deepEqual(
      [duration(3.21), duration(321.4), duration(3214)],
      ['3.2\u00a0ms', '321\u00a0ms', '3.2\u00a0s'],
    );
    assert.equal(listed(['a', 'b', 'c']), 'a, b and c');
  });

  it('breaks long titles between words', () => {
    assert.deepEqual(wrap('one two three four', 9), ['one two', 'three', 'four']);
    assert.deepEqual(wrap('unbreakable', 3), ['unbreakable']);
  });
});

describe('the progress bar', () => {
  const written = (isTTY: boolean) => {
    const texts: string[] = [];
    const output = { isTTY, columns: 60, write: (text: string) => texts.push(text) };
    const progress = new Progress(4, output, () => 0);
    progress.begin('one', 1);
    progress.begin('two', 3);
    progress.update(1 / 3, 'half');
    progress.end();
    return texts;
  };

  it('is one line that is drawn over on a terminal', () => {
    const texts = written(true);
    assert.equal(texts.at(-2), `\r\u001b[2K${'█'.repeat(12)}${'░'.repeat(12)} 50 %  0 s  two: half`);
    assert.equal(texts.at(-1), '\r\u001b[2K');
  });

  it('is a line an experiment elsewhere', () => {
    assert.deepEqual(written(false), ['one\n', 'two\n']);
  });
});
