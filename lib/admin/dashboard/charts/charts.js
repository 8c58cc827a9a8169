/**
 * The four charts of the last five minutes, their figures of now, and a sentence on each for those who see none.
 * Must not hold: where the numbers come from. Colours are the style sheet's, read again when the scheme changes.
 */

import uPlot from '../uplot.js';
import { byId, setText } from '../view/dom.js';
import { clock, count, latency, rate } from '../view/format.js';
import { axisEnd, Series } from './series.js';

/** @import { Snapshot } from '../../../api/snapshot.ts' */

const WINDOW_S = 300;

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {string} figure id of the element with its value of now
 * @property {string} colour a custom property
 * @property {'area' | 'thick' | 'thin'} look
 * @typedef {object} ChartOf
 * @property {string} id
 * @property {(value: number | null) => string} say
 * @property {number} least the axis reaches at least here
 * @property {string} unit of the axis
 * @property {readonly Line[]} lines
 * @property {(totals: Snapshot['totals']) => readonly (number | null)[]} row
 */

/** @type {readonly ChartOf[]} */
const CHARTS = [
  {
    id: 'requests',
    say: rate,
    least: 10,
    unit: '',
    lines: [{ name: '', figure: 'requests-now', colour: '--chart-1', look: 'area' }],
    row: (totals) => [totals.requestsPerSecond],
  },
  {
    id: 'latency',
    say: latency,
    least: 5,
    unit: ' ms',
    lines: [
      { name: 'p50', figure: 'p50-now', colour: '--chart-1', look: 'thick' },
      { name: 'p99', figure: 'p99-now', colour: '--chart-2', look: 'thin' },
    ],
    row: (totals) => [totals.p50Ms, totals.p99Ms],
  },
  {
    id: 'errors',
    say: rate,
    least: 1,
    unit: '',
    lines: [{ name: '', figure: 'errors-now', colour: '--chart-bad', look: 'area' }],
    row: (totals) => [totals.errorsPerSecond],
  },
  {
    id: 'load',
    say: count,
    least: 10,
    unit: '',
    lines: [
      { name: 'in flight', figure: 'in-flight-now', colour: '--chart-1', look: 'thick' },
      { name: 'queued', figure: 'queued-now', colour: '--chart-2', look: 'thin' },
    ],
    row: (totals) => [totals.inFlight, totals.queued],
  },
];

class Chart {
  #of;
  #series;
  #plot;
  #figures;
  #says;
  #nowMs = Date.now();

  /** @param {ChartOf} of */
  constructor(of) {
    this.#of = of;
    this.#series = new Series(of.lines.length, WINDOW_S);
    this.#figures = of.lines.map(({ figure }) => byId(figure, HTMLElement));
    this.#says = byId(`${of.id}-says`, HTMLElement);
    const box = byId(`${of.id}-chart`, HTMLElement);
    const size = () => ({ width: box.clientWidth, height: box.clientHeight });
    this.#plot = new uPlot({ ...this.#options(), ...size() }, this.#series.table, box);
    new ResizeObserver(() => this.#plot.setSize(size())).observe(box);
  }

  /** @param {Snapshot} snapshot */
  add({ atMs, totals }) {
    const row = this.#of.row(totals);
    this.#series.push(atMs, row);
    for (const [line, figure] of this.#figures.entries()) setText(figure, this.#of.say(row[line] ?? null));
  }

  /** Nothing is known of now. */
  breakOff() {
    this.#series.breakOff();
    for (const figure of this.#figures) setText(figure, '–');
  }

  clear() {
    this.#series.clear();
  }

  /** @param {number} nowMs */
  draw(nowMs) {
    this.#nowMs = nowMs;
    this.#plot.setData(this.#series.table);
    this.#tell(this.#plot.cursor.idx ?? null);
  }

  /** @param {number | null} index of a second under the pointer */
  #tell(index) {
    const { lines, say } = this.#of;
    const [times, ...columns] = this.#series.table;
    const at = index === null ? undefined : times[index];
    const words = lines.map(({ name }, line) => {
      if (index !== null && at !== undefined) return `${name} ${say(columns[line]?.[index] ?? null)}`.trim();
      const range = this.#series.range(line);
      if (range === undefined) return `${name} none`.trim();
      return `${name} ${say(range.lowest)} to ${say(range.highest)}, mean ${say(range.mean)}`.trim();
    });
    setText(this.#says, `${at === undefined ? 'Last 5 min' : clock(at * 1000)}: ${words.join('; ')}`);
  }

  /** @returns {Omit<uPlot.Options, 'width' | 'height'>} */
  #options() {
    const { lines, least, unit } = this.#of;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const common = {
      font,
      stroke: () => colour('--muted'),
      ticks: { show: false },
      grid: { stroke: () => colour('--line'), width: 1 },
    };
    return {
      legend: { show: false },
      cursor: { sync: { key: 'ringlb' }, drag: { x: false, y: false }, points: { size: 7 }, y: false },
      scales: {
        x: { time: true, range: () => [this.#nowMs / 1000 - WINDOW_S, this.#nowMs / 1000] },
        y: { range: (_, __, highest) => [0, axisEnd(highest ?? 0, least)] },
      },
      axes: [
        { ...common, size: 24, incrs: [60, 120, 300], space: 50, values: (_, splits) => splits.map(minute) },
        {
          ...common,
          size: 50,
          space: 30,
          values: (_, splits) => splits.map((value) => axisText(value) + unit),
        },
      ],
      series: [{}, ...lines.map(lineOf)],
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx ?? null)] },
    };
  }
}

/**
 * @param {Line} line
 * @returns {uPlot.Series}
 */
function lineOf({ name, colour: property, look }) {
  return {
    label: name,
    stroke: () => colour(property),
    width: look === 'thick' ? 2 : look === 'area' ? 1.5 : 1,
    points: { show: false },
    ...(look === 'area' && { fill: () => colour(`${property}-fill`) }),
  };
}

/** @param {number} epochS */
function minute(epochS) {
  return clock(epochS * 1000).slice(0, 5);
}

/** @param {number} value */
function axisText(value) {
  return value >= 1000 ? `${value / 1000}k` : `${value}`;
}

/** @type {Map<string, string>} */
const colours = new Map();

/** @param {string} property */
function colour(property) {
  const known = colours.get(property) ?? getComputedStyle(document.body).getPropertyValue(property).trim();
  colours.set(property, known);
  return known;
}

export class Charts {
  #charts = CHARTS.map((of) => new Chart(of));
  #isBroken = true;
  /** The balancer's clock less this browser's. */
  #aheadMs = 0;

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      colours.clear();
      this.#draw();
    });
    // what is known moves on to the left while nothing new comes
    setInterval(() => this.#isBroken && this.#draw(), 1000);
  }

  /** @param {Snapshot} snapshot */
  add(snapshot) {
    this.#isBroken = false;
    this.#aheadMs = snapshot.atMs - Date.now();
    for (const chart of this.#charts) chart.add(snapshot);
    this.#draw();
  }

  breakOff() {
    if (this.#isBroken) return;
    this.#isBroken = true;
    for (const chart of this.#charts) chart.breakOff();
    this.#draw();
  }

  #draw() {
    const nowMs = Date.now() + this.#aheadMs;
    for (const chart of this.#charts) chart.draw(nowMs);
  }
}
