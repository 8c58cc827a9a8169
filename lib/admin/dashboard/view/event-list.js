/** What happened, the newest first. */
import { BAD_KINDS } from '../charts/event-marks.js';
import { byId, html, scrollable, setAttribute } from './dom.js';
import { moment, took, visible } from './format.js';

/** @import { FleetEvent } from '../../../api/types.ts' */

const MOST = 200;

const GOOD = new Set(['healthy', 'replaced', 'added', 'adopted', 'engine-back', 'source-back', 'panic-over']);

/** Events of an instance whose log tells more. */
const LOGGED = new Set(['died', 'start-failed', 'unhealthy', 'ejected']);

export class EventList {
  #body = byId('event-rows', HTMLTableSectionElement);
  #empty = byId('no-events', HTMLElement);

  #onLog;

  /** @param {(replica: string, instance: string) => void} onLog a press asks for the log of an instance */
  constructor(onLog) {
    this.#onLog = onLog;
    scrollable(byId('event-box', HTMLElement), 'List of events');
  }

  /**
   * @param {readonly FleetEvent[]} events the oldest first
   * @param {boolean} isFirst they are all there are, whatever was shown before
   */
  add(events, isFirst) {
    if (isFirst) this.#body.replaceChildren();
    for (const event of events.slice(-MOST)) {
      if (event.count > 1) this.#remove(seriesOf(event));
      this.#body.prepend(this.#rowOf(event));
    }
    while (this.#body.rows.length > MOST) this.#body.deleteRow(-1);
    this.#empty.hidden = this.#body.rows.length > 0;
  }

  /** @param {FleetEvent} event */
  #rowOf(event) {
    const row = rowOf(event);
    const { kind, replica, instance } = event;
    if (replica === null || instance === null || !LOGGED.has(kind)) return row;
    const button = html('button', { type: 'button', class: 'small log' }, 'Log');
    setAttribute(button, 'aria-label', `Log of ${replica}, ${kind.replaceAll('-', ' ')}`);
    button.addEventListener('click', () => this.#onLog(replica, instance));
    row.querySelector('.why')?.append(button);
    return row;
  }

  /** @param {string} series what stood for it until now */
  #remove(series) {
    for (const row of this.#body.rows) {
      if (row.dataset.series !== series) continue;
      row.remove();
      return;
    }
  }
}

/** What repeats of an event have in common, as an attribute has it. @param {FleetEvent} event */
function seriesOf({ kind, replica, cause, since }) {
  return visible([kind, replica, cause, since].join(' '));
}

/** @param {FleetEvent} event */
function rowOf(event) {
  const { time, kind, replica, image, cause, ms, cost, count } = event;
  const atMs = Date.parse(time);
  const why = [cause, image].filter(Boolean).join('; ');
  const mood = BAD_KINDS.has(kind) ? 'bad' : GOOD.has(kind) ? 'good' : 'plain';
  return html(
    'tr',
    { 'data-series': seriesOf(event) },
    html('td', { class: 'time' }, html('time', { datetime: time }, moment(atMs, Date.now()))),
    html(
      'td',
      {},
      html('span', { class: `kind ${mood}` }, kind.replaceAll('-', ' ')),
      count > 1 ? ` × ${count}` : '',
    ),
    html('td', { class: replica === null ? 'who none' : 'who', title: replica ?? '' }, replica ?? '–'),
    html('td', { class: why === '' ? 'why none' : 'why' }, why || '–'),
    html('td', { class: 'number' }, took(ms)),
    html('td', { class: cost === null ? 'cost none' : 'cost' }, costOf(cost)),
  );
}

/** @param {FleetEvent['cost']} cost */
function costOf(cost) {
  if (cost === null) return '–';
  const { retried, held, failed } = cost;
  const parts = [
    [failed, 'failed'],
    [retried, 'retried'],
    [held, 'held'],
  ].filter(([amount]) => Number(amount) > 0);
  return parts.length === 0 ? 'no request' : parts.map(([amount, what]) => `${amount} ${what}`).join(', ');
}
