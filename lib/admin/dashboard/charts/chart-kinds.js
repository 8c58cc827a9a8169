/**
 * The charts: what each draws, how its axis ends, and how its numbers read.
 */
import { axisCount, axisTime, count, latency, rate } from '../view/format.js';

/** @import { Field } from './series.js' */

/**
 * @typedef {object} Line
 * @property {string} name '' where the chart has only one
 * @property {Field} field
 * @property {string} [figure] id of the element with its value of now
 * @property {string} colour a custom property
 * @property {'area' | 'thick' | 'thin' | 'layer'} look layers stand upon each other, the first at the bottom
 * @typedef {object} ChartKind
 * @property {string} id
 * @property {(value: number | null) => string} say
 * @property {number} least the axis reaches at least here
 * @property {(value: number) => string} axis a number at it
 * @property {readonly Line[]} lines
 * @property {boolean} [isOfAll] it says nothing of one replica, and is never narrowed to one
 */

/** @type {readonly ChartKind[]} */
export const CHART_KINDS = [
  {
    id: 'requests',
    say: rate,
    least: 10,
    axis: axisCount,
    lines: [
      { name: '2xx', field: '2xx', colour: '--class-2xx', look: 'layer' },
      { name: '3xx', field: '3xx', colour: '--class-3xx', look: 'layer' },
      { name: '4xx', field: '4xx', colour: '--class-4xx', look: 'layer' },
      { name: '5xx', field: '5xx', colour: '--class-5xx', look: 'layer' },
      { name: 'all', field: 'requests', figure: 'requests-now', colour: '--chart-1', look: 'thin' },
    ],
  },
  {
    id: 'latency',
    say: latency,
    least: 5,
    axis: axisTime,
    lines: [
      { name: 'p50', field: 'p50', figure: 'p50-now', colour: '--chart-1', look: 'thick' },
      { name: 'p99', field: 'p99', figure: 'p99-now', colour: '--chart-2', look: 'thin' },
    ],
  },
  {
    id: 'errors',
    say: rate,
    least: 1,
    axis: axisCount,
    lines: [{ name: '', field: 'errors', figure: 'errors-now', colour: '--chart-bad', look: 'area' }],
  },
  {
    id: 'load',
    say: count,
    least: 10,
    axis: axisCount,
    lines: [
      { name: 'in flight', field: 'inFlight', figure: 'in-flight-now', colour: '--chart-1', look: 'thick' },
      { name: 'queued', field: 'queued', figure: 'queued-now', colour: '--chart-2', look: 'thin' },
    ],
  },
  {
    id: 'size',
    say: count,
    least: 5,
    axis: axisCount,
    isOfAll: true,
    lines: [
      { name: 'ready', field: 'ready', colour: '--chart-1', look: 'area' },
      { name: 'wanted', field: 'desired', colour: '--chart-2', look: 'thin' },
    ],
  },
];
