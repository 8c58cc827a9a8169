/**
 * One chart: lines or layers of the last fifteen minutes, marks of events, its figures of now, and a sentence on what
 * is under the pointer, or on the whole for those who see no chart. Colours are the style sheet's.
 */
import uPlot from '../uplot.js';
import { byId, setText } from '../view/dom.js';
import { clock } from '../view/format.js';
import { merged } from './event-marks.js';
import { axisEnd } from './series.js';

/** @import { ChartKind, Line } from './chart-kinds.js' */
/** @import { Mark } from './event-marks.js' */
/** @import { Field, Series } from './series.js' */

export const WINDOW_S = 900;
/** The pointer is on a second, or a mark, so near to it. */
const NEAR_S = 6;
/** A mark is faint, so that the numbers behind it are seen; nearer ones are one, or they would hide them. */
const MARK = { width: 1, head: 5, opacity: 0.55, apart: 6 };

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
    this.#tell(this.#plot);
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

  /** Says what is under the pointer, or all of it. @param {uPlot} plot */
  #tell(plot) {
    const { lines, say } = this.#kind;
    const { series, marks } = this.#shown();
    const { idx, left = -1 } = plot.cursor;
    if (series.times.length === 0) return setText(this.#says, '');
    if (idx === null || idx === undefined || left < 0) {
      const words = lines.map(({ name, field }) => `${name} ${rangeOf(series, field, say)}`.trim());
      return setText(this.#says, `Last 15 min: ${words.join('; ')}`);
    }
    const isKnown = isNear(plot, idx, plot.posToVal(left, 'x'));
    const atS = isKnown ? (series.times[idx] ?? 0) : plot.posToVal(left, 'x');
    const words = isKnown
      ? lines.map(({ name, field }) => `${name} ${say(series.column(field)[idx] ?? null)}`.trim())
      : ['not known'];
    const near = marks(atS - NEAR_S, atS + NEAR_S).map(({ text }) => text);
    setText(this.#says, `${clock(atS * 1000)}: ${[...words, ...near.slice(-2)].join('; ')}`);
  }

  /** @param {uPlot} plot */
  #drawMarks(plot) {
    const [fromS, toS] = [plot.scales.x?.min ?? 0, plot.scales.x?.max ?? 0];
    const { ctx, bbox } = plot;
    const scale = devicePixelRatio;
    const apartS = plot.posToVal(MARK.apart, 'x') - fromS;
    ctx.save();
    for (const { atS, isBad } of merged(this.#shown().marks(fromS, toS), apartS)) {
      const x = Math.round(plot.valToPos(atS, 'x', true));
      ctx.strokeStyle = colour(isBad ? '--bad' : '--muted');
      ctx.fillStyle = ctx.strokeStyle;
      ctx.lineWidth = MARK.width * scale;
      ctx.setLineDash(isBad ? [] : [2 * scale, 3 * scale]);
      ctx.globalAlpha = MARK.opacity;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
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
      cursor: {
        sync: { key: 'ringlb' },
        drag: { x: false, y: false },
        points: { size: 7 },
        y: false,
        // by itself it takes the nearest value, however far that is
        dataIdx: (plot, _, idx, atS) => (isNear(plot, idx, atS) ? idx : null),
      },
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
        setCursor: [(plot) => this.#tell(plot)],
      },
    };
  }
}

/**
 * True where the second at an index is what a pointer at this time is on.
 * @param {uPlot} plot
 * @param {number} index
 * @param {number} atS
 */
function isNear(plot, index, atS) {
  return Math.abs((plot.data[0][index] ?? 0) - atS) < NEAR_S;
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
