/**
 * The charts together: of the whole balancer, or narrowed to one replica, whose seconds are asked for as they come.
 */
import { byId, setText } from '../view/dom.js';
import { Chart, forgetColours, WINDOW_S } from './chart.js';
import { CHART_KINDS } from './chart-kinds.js';
import { EventMarks } from './event-marks.js';
import { Series } from './series.js';

/** @import { History, Snapshot } from '../../../api/snapshot.ts' */
/** @import { ChartKind } from './chart-kinds.js' */
/** @import { FleetEvent } from '../../../api/types.ts' */

export class Charts {
  #all = new Series(WINDOW_S);
  #marks = new EventMarks();
  #charts;
  #of = byId('charts-of', HTMLElement);
  #widen = byId('charts-widen', HTMLButtonElement);
  #load;
  #onNarrow;
  /** The replica they are narrowed to, and what is known of it. @type {{ name: string, series: Series } | undefined} */
  #narrowed;
  #isLoading = false;
  #isBroken = true;
  /** The balancer's clock less this browser's. */
  #aheadMs = 0;

  /**
   * @param {(replica: string, afterMs: number) => Promise<History>} load
   * @param {(replica: string | undefined) => void} onNarrow
   */
  constructor(load, onNarrow) {
    this.#load = load;
    this.#onNarrow = onNarrow;
    const shown = (/** @type {ChartKind} */ { isOfAll }) => {
      const narrowed = isOfAll ? undefined : this.#narrowed;
      return {
        series: narrowed?.series ?? this.#all,
        marks: (/** @type {number} */ fromS, /** @type {number} */ toS) =>
          this.#marks.between(fromS, toS, narrowed?.name),
      };
    };
    this.#charts = CHART_KINDS.map((kind) => new Chart(kind, () => shown(kind)));
    this.#widen.addEventListener('click', () => this.narrow(undefined));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      forgetColours();
      this.#draw();
    });
    // what is known moves on to the left while nothing new comes
    setInterval(() => this.#isBroken && this.#draw(), 1000);
  }

  /** The replica they are narrowed to. */
  get of() {
    return this.#narrowed?.name;
  }

  /** @param {History} history */
  load(history) {
    this.#all.load(history);
  }

  /** @param {Snapshot} snapshot */
  add({ atMs, totals, replicas }) {
    this.#isBroken = false;
    this.#aheadMs = atMs - Date.now();
    // the first one of a stream is in the history already
    if (atMs / 1000 > (this.#all.times.at(-1) ?? 0)) this.#all.push(atMs, totals);
    const narrowed = this.#narrowed;
    if (narrowed !== undefined && !replicas.some(({ name }) => name === narrowed.name))
      this.narrow(undefined);
    void this.#follow();
    this.#draw();
  }

  /**
   * @param {readonly FleetEvent[]} events
   * @param {boolean} isFirst
   */
  addEvents(events, isFirst) {
    this.#marks.add(events, isFirst);
  }

  /** Shows one replica alone, or the whole balancer. @param {string | undefined} name */
  narrow(name) {
    if (name === this.#narrowed?.name) return;
    this.#narrowed = name === undefined ? undefined : { name, series: new Series(WINDOW_S) };
    setText(this.#of, name === undefined ? 'The whole balancer' : `Replica ${name} alone`);
    this.#widen.hidden = name === undefined;
    this.#onNarrow(name);
    void this.#follow();
    this.#draw();
  }

  breakOff() {
    if (this.#isBroken) return;
    this.#isBroken = true;
    for (const series of [this.#all, this.#narrowed?.series]) series?.breakOff();
    this.#draw();
  }

  /** Asks for the seconds of the replica that are not known yet. */
  async #follow() {
    const narrowed = this.#narrowed;
    if (narrowed === undefined || this.#isLoading) return;
    this.#isLoading = true;
    try {
      const { name, series } = narrowed;
      const last = series.times.at(-1);
      series.append(await this.#load(name, last === undefined ? 0 : Math.ceil(last * 1000)));
      if (this.#narrowed === narrowed) this.#draw();
    } catch {
      // it is asked again with the next second
    } finally {
      this.#isLoading = false;
      if (this.#narrowed !== undefined && this.#narrowed !== narrowed) void this.#follow();
    }
  }

  #draw() {
    const nowMs = Date.now() + this.#aheadMs;
    for (const chart of this.#charts) chart.draw(nowMs, !this.#isBroken);
  }
}
