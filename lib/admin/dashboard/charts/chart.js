/**
 * One chart: lines or layers of the last fifteen minutes, marks of events, its figures of now, and a sentence on what
 * is under the pointer, or on the whole for those who see no chart. Colours are the style sheet's.
 */
import uPlot from '../uplot.js';
import { byId, setText } from '../view/dom.js';
import { clock } from '../view/format.js';
import { axisEnd } from './series.js';

/** @import { ChartKind, Line } from './chart-kinds.js' */
/** @import { Mark } from './event-marks.js' */
/** @import { Field, Series } from './series.js' */

export const WINDOW_S = 900;
/** The pointer is on a mark so near to it. */
const NEAR_S = 6;
const MARK = { width: 1, head: 5 };

/**
 * @typedef {object} Shown
 * @property {Series} series
 * @property {(fromS: number, toS: number) => readonly Mark[]} marks
 */

export class Chart {
  #kind;
  #shown;
  #plot;
  #says;
  #nowMs = Date.now();

  /**
   * @param {ChartKind} kind
   * @param {() => Shown} shown what the charts are of
   */
  constructor(kind, shown) {
    this.#kind = kind;
    this.#shown = shown;
    this.#says = byId(`${kind.id}-says`, HTMLElement);
    const box = byId(`${kind.id}-chart`, HTMLElement);
    const size = () => ({ width: box.clientWidth, height: box.clientHeight });
    this.#plot = new uPlot({ ...this.#options(), ...size() }, this.#data(), box);
    new ResizeObserver(() => this.#plot.setSize(size())).observe(box);
  }

  /** @param {number} nowMs @param {boolean} isKnown false where nothing is known of now */
  draw(nowMs, isKnown) {
    this.#nowMs = nowMs;
    this.#plot.setData(this.#data());
    this.#tell(this.#plot.cursor.idx ?? null);
    const { series } = this.#shown();
    for (const { figure, field } of this.#kind.lines)
      if (figure !== undefined)
        setText(
          byId(figure, HTMLElement),
          this.#kind.say(isKnown ? (series.column(field).at(-1) ?? null) : null),
        );
  }

  /** Lines in the order they are drawn in: layers from the top one down, since each is filled down to the axis. */
  get #drawn() {
    const { lines } = this.#kind;
    return [
      ...lines.filter(({ look }) => look === 'layer').toReversed(),
      ...lines.filter(({ look }) => look !== 'layer'),
    ];
  }

  #data() {
    const { series } = this.#shown();
    /** @type {(number | null)[] | undefined} */
    let below;
    const layers = this.#kind.lines
      .filter(({ look }) => look === 'layer')
      .map(({ field }) => {
        const under = below;
        below = series.column(field).map((value, at) => (value === null ? null : value + (under?.[at] ?? 0)));
        return below;
      });
    const others = this.#kind.lines
      .filter(({ look }) => look !== 'layer')
      .map(({ field }) => series.column(field));
    return /** @type {[number[], ...(number | null)[][]]} */ ([
      series.times,
      ...layers.toReversed(),
      ...others,
    ]);
  }

  /** @param {number | null} index of a second under the pointer */
  #tell(index) {
    const { lines, say } = this.#kind;
    const { series, marks } = this.#shown();
    const atS = index === null ? undefined : series.times[index];
    if (index === null || atS === undefined) {
      const words = lines.map(({ name, field }) => `${name} ${rangeOf(series, field, say)}`.trim());
      return setText(this.#says, `Last 15 min: ${words.join('; ')}`);
    }
    const words = lines.map(({ name, field }) =>
      `${name} ${say(series.column(field)[index] ?? null)}`.trim(),
    );
    const near = marks(atS - NEAR_S, atS + NEAR_S).map(({ text }) => text);
    setText(this.#says, `${clock(atS * 1000)}: ${[...words, ...near.slice(-2)].join('; ')}`);
  }

  /** @param {uPlot} plot */
  #drawMarks(plot) {
    const [fromS, toS] = [plot.scales.x?.min ?? 0, plot.scales.x?.max ?? 0];
    const { ctx, bbox } = plot;
    const scale = devicePixelRatio;
    ctx.save();
    for (const { atS, isBad } of this.#shown().marks(fromS, toS)) {
      const x = Math.round(plot.valToPos(atS, 'x', true));
      ctx.strokeStyle = colour(isBad ? '--bad' : '--muted');
      ctx.fillStyle = ctx.strokeStyle;
      ctx.lineWidth = MARK.width * scale;
      ctx.setLineDash(isBad ? [] : [2 * scale, 3 * scale]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const head = MARK.head * scale;
      ctx.beginPath();
      ctx.moveTo(x - head, bbox.top);
      ctx.lineTo(x + head, bbox.top);
      ctx.lineTo(x, bbox.top + head);
      ctx.fill();
    }
    ctx.restore();
  }

  /** @returns {Omit<uPlot.Options, 'width' | 'height'>} */
  #options() {
    const { least, axis } = this.#kind;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const common = {
      font,
      stroke: () => colour('--muted'),
      ticks: { show: false },
      grid: { stroke: () => colour('--line'), width: 1 },
    };
    return {
      legend: { show: false },
      // a time below the right end is half outside
      padding: [6, 16, 0, 0],
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
          values: (_, splits) => splits.map((value) => axis(value)),
        },
      ],
      series: [{}, ...this.#drawn.map(lineOf)],
      hooks: {
        draw: [(plot) => this.#drawMarks(plot)],
        setCursor: [(plot) => this.#tell(plot.cursor.idx ?? null)],
      },
    };
  }
}

/**
 * @param {Series} series
 * @param {Field} field
 * @param {(value: number | null) => string} say
 */
function rangeOf(series, field, say) {
  const range = series.range(field);
  if (range === undefined) return 'none';
  return `${say(range.lowest)} to ${say(range.highest)}, mean ${say(range.mean)}`;
}

const WIDTHS = { thick: 2, area: 1.5, thin: 1, layer: 0 };

/**
 * @param {Line} line
 * @returns {uPlot.Series}
 */
function lineOf({ name, colour: property, look }) {
  const fill = look === 'area' ? `${property}-fill` : property;
  return {
    label: name,
    stroke: () => colour(property),
    width: WIDTHS[look],
    points: { show: false },
    ...((look === 'area' || look === 'layer') && { fill: () => colour(fill) }),
  };
}

/** @param {number} epochS */
function minute(epochS) {
  return clock(epochS * 1000).slice(0, 5);
}

/** @type {Map<string, string>} */
const colours = new Map();

/** The scheme has changed. */
export function forgetColours() {
  colours.clear();
}

/** @param {string} property */
function colour(property) {
  const known = colours.get(property) ?? getComputedStyle(document.body).getPropertyValue(property).trim();
  colours.set(property, known);
  return known;
}
