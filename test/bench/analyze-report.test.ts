/** The report: whole without anything beside it, well-formed, and saying what the numbers say. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type Distribution, distributionOf } from '../../bench/analyze/a1.ts';
import { againstChance } from '../../bench/analyze/a1-view.ts';
import { runA4 } from '../../bench/analyze/a4.ts';
import { runA6 } from '../../bench/analyze/a6.ts';
import { wrap } from '../../bench/analyze/chart.ts';
import { bytes, count, duration, listed, percent, signed } from '../../bench/analyze/format.ts';
import { parseOptions } from '../../bench/analyze/options.ts';
import { Progress } from '../../bench/analyze/progress.ts';
import { writeReport } from '../../bench/analyze/report.ts';
import { escapeHtml } from '../../bench/analyze/report-html.ts';
import { markdownReport } from '../../bench/analyze/report-markdown.ts';
import { table } from '../../bench/analyze/section.ts';
import type { Facts, Results } from '../../bench/analyze/study.ts';

const options = parseOptions([])!;
const lab = { options, balancer: () => Promise.reject(new Error('none')), progress() {} };
const FACTS: Facts = {
  date: '2026-01-31',
  seconds: 12.3,
  host: { cpu: 'A <fast> one', cores: 2, memoryGiB: 4, kernel: '6', node: 'v26' },
  loadBefore: 0,
  options: { only: ['a1'], driver: 'process', requests: 100, concurrency: 1, seed: 1, url: null },
};

/** A-1 as it would be with these answers of S1, S2 and S3. */
function answered(...counts: number[]): Distribution {
  const places = counts.map((_, at) => ({ name: `S${at + 1}`, id: at + 1, slots: 1, share: 1 }));
  const ring = {
    algorithm: 'maglev' as const,
    slots: 509,
    vnodes: 0,
    version: 1,
    imbalance: 1,
    members: places,
  };
  const answeredBy = counts.flatMap((each, at) => new Array<string>(each).fill(`S${at + 1}`));
  const load = { failures: [], errors: 0, perSecond: 10, p50Ms: 1, p99Ms: 2 };
  return distributionOf(
    ring,
    answeredBy.map((_, at) => String(at)),
    { ...load, answeredBy },
    1,
  ).distribution;
}

/** Every tag of XML has quoted attributes and nothing else; what is not a tag holds no bracket. */
function isWellFormed(svg: string): boolean {
  const tags = svg.match(/<[^>]*>/g) ?? [];
  const isTag = (tag: string) => /^<(\/[\w:]+|[\w:]+(\s+[\w:-]+="[^"<]*")*\s*\/?)>$/.test(tag);
  return tags.every(isTag) && !/[<>]/.test(svg.replace(/<[^>]*>/g, ''));
}

describe('a written report', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-analyze-'));
  after(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'a3-timeline.svg'), 'of an earlier run');
  writeFileSync(join(dir, 'notes.svg'), 'somebody’s own');
  const results: Results = {
    a1: answered(34, 33, 33),
    a4: await runA4(lab, { ids: 512, fleets: 1, draws: 10 }),
    a6: await runA6(lab, { sizes: [10, 30], rolled: [3], compared: [3] }),
  };
  const written = writeReport(dir, FACTS, results);
  const read = (name: string) => readFileSync(join(dir, name), 'utf8');
  const charts = readdirSync(dir).filter((name) => /^a\d.*svg$/.test(name));

  it('consists of the files that it names and the charts of its experiments', () => {
    assert.deepEqual(
      written.map((file) => file.slice(dir.length + 1)),
      ['report.html', 'report.md', 'results.json'],
    );
    assert.deepEqual(charts.sort(), [
      'a1-requests.svg',
      'a4-map.svg',
      'a6-behind.svg',
      'a6-cost.svg',
      'a6-rolling.svg',
    ]);
    assert.equal(read('notes.svg'), 'somebody’s own');
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
    const named = [...read('report.md').matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map((match) => match[1]);
    assert.deepEqual(named.sort(), charts.sort());
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
    assert.ok(markdownReport([section], 'x').includes('| a\\|b &lt;c> |'));
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
