/**
 * One row of the table: made once for a replica, then changed cell by cell where something differs.
 * Invariant: whatever a cell says with colour or form it says in words as well.
 */
import { breakable, html, hueOf, setAttribute, setText, svg } from '../view/dom.js';
import { count, duration, latency, percent, rate } from '../view/format.js';

/** @import { Entry } from './order.js' */
/** @import { ReplicaSnapshot } from '../../../api/snapshot.ts' */
/** @typedef {'drain' | 'undrain' | 'remove' | 'show' | 'log'} Action */

/** A name beyond this has no room beside its numbers where rows are short and narrow. */
const SHORT_NAME = 8;
const PROBES = 20;
const BAR = { width: 3, step: 4, height: 16, passed: 6 };

/**
 * A cell of the table; its label shows where rows are cards.
 * @param {string} label
 * @param {string} kind
 * @param {...(Node | string)} children
 */
function cell(label, kind, ...children) {
  return html('td', { role: 'cell', class: kind, 'data-label': label }, ...children);
}

export class ReplicaRow {
  #name;
  #endpoint = html('span', { class: 'endpoint' });
  #image = html('span', { class: 'image' });
  #state = html('span', { class: 'state' });
  #since = html('span', { class: 'since' });
  #cause = html('span', { class: 'cause' });
  #inFlight = html('span', { class: 'value' });
  #bar = html('span', { class: 'bar', 'aria-hidden': 'true' });
  #fill = html('span', { class: 'fill' });
  #queued = cell('Queue', 'number minor');
  #share = html('span', { class: 'value' });
  #weight = html('span', { class: 'weight' });
  #requests = cell('Req/s', 'number');
  #p50 = cell('p50', 'number');
  #p99 = cell('p99', 'number minor');
  #errors = cell('Errors/s', 'number');
  #probes = svg('svg', { class: 'probes', role: 'img', width: PROBES * BAR.step, height: BAR.height });
  #probesDrawn = '';
  #restarts = cell('Restarts', 'number minor');
  #log = html('button', { type: 'button', class: 'small log' }, 'Log');
  #drain = html('button', { type: 'button', class: 'small' });
  #remove = html('button', { type: 'button', class: 'small danger' }, 'Remove');
  #title;
  /** What the drain button would do. @type {Action} */
  #drainAction = 'drain';

  /**
   * @param {ReplicaSnapshot} replica
   * @param {(action: Action) => void} onAction
   */
  constructor({ name, id }, onAction) {
    this.#name = name;
    const swatch = html('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.setProperty('--hue', `${hueOf(id)}`);
    // a press shows it alone in the charts, and all of it where rows are short
    this.#title = html(
      'button',
      { type: 'button', class: 'name', 'aria-pressed': 'false' },
      ...breakable(name),
    );
    setAttribute(this.#title, 'title', `Show ${name} alone in the charts`);
    this.#title.addEventListener('click', () => onAction('show'));
    const title = html('span', { class: 'title' }, swatch, this.#title);
    this.#bar.append(this.#fill);
    setAttribute(this.#remove, 'aria-label', `Remove ${name}`);
    setAttribute(this.#log, 'aria-label', `Log of ${name}`);
    this.#log.addEventListener('click', () => onAction('log'));
    this.#drain.addEventListener('click', () => onAction(this.#drainAction));
    this.#remove.addEventListener('click', () => onAction('remove'));
    this.element = html(
      'tr',
      { role: 'row', class: name.length > SHORT_NAME ? 'long' : '' },
      html('th', { role: 'rowheader', scope: 'row' }, title, this.#endpoint, this.#image),
      cell(
        'State',
        'state-cell',
        html('span', { class: 'state-line' }, this.#state, this.#since),
        this.#cause,
      ),
      this.#restarts,
      cell('In flight', 'number in-flight minor', this.#inFlight, this.#bar),
      this.#queued,
      cell('Share', 'number minor', this.#share, ' ', this.#weight),
      this.#requests,
      this.#p50,
      this.#p99,
      this.#errors,
      cell('Probes', 'probes-cell minor', this.#probes),
      cell('', 'row-actions minor', this.#log, this.#drain, this.#remove),
    );
  }

  /**
   * @param {Entry} entry
   * @param {number} cap
   * @param {boolean} canRemove
   */
  update({ replica, outlier }, cap, canRemove) {
    setText(this.#endpoint, replica.endpoint ?? 'no instance');
    setAttribute(this.#endpoint, 'title', replica.endpoint ?? '');
    setText(this.#image, replica.image ?? '');
    setAttribute(this.#image, 'title', replica.image ?? '');
    setAttribute(this.element, 'data-outlier', outlier === undefined ? 'no' : 'yes');
    this.#updateState(replica, outlier);
    setText(this.#inFlight, `${count(replica.inFlight)} / ${count(cap)}`);
    const width = `${Math.min(100, (100 * replica.inFlight) / cap).toFixed(1)}%`;
    if (this.#fill.style.width !== width) this.#fill.style.width = width;
    setText(this.#queued, count(replica.queued));
    setText(this.#share, percent(replica.share));
    setAttribute(this.#share, 'title', `weight ${replica.weight}, ${count(replica.slots)} slots`);
    setText(this.#weight, replica.weight === 1 ? '' : `weight ${replica.weight}`);
    setText(this.#requests, rate(replica.requestsPerSecond));
    setText(this.#p50, latency(replica.p50Ms));
    setText(this.#p99, latency(replica.p99Ms));
    setText(this.#errors, rate(replica.errorsPerSecond));
    this.#errors.classList.toggle('bad', (replica.errorsPerSecond ?? 0) > 0);
    setText(this.#restarts, count(replica.restarts));
    this.#updateProbes(replica.probes);
    this.#updateButtons(replica, canRemove);
  }

  /** It is the one that the charts are narrowed to. @param {boolean} isChosen */
  choose(isChosen) {
    this.element.classList.toggle('chosen', isChosen);
    setAttribute(this.#title, 'aria-pressed', `${isChosen}`);
  }

  /**
   * @param {ReplicaSnapshot} replica
   * @param {string | undefined} outlier
   */
  #updateState({ state, drained, sinceMs, cause, nextStartInMs }, outlier) {
    const word = drained ? 'drained' : state;
    setAttribute(this.element, 'data-state', word);
    setText(this.#state, word);
    setText(this.#since, drained ? '' : `for ${duration(sinceMs)}`);
    const next = nextStartInMs === null ? '' : `; starts again in ${duration(nextStartInMs + 999)}`;
    // why it is well needs no words
    const reason = state === 'healthy' ? (outlier ?? '') : `${cause ?? ''}${next}`;
    const words = drained ? `gets no new requests; its instance is ${state}` : reason;
    setText(this.#cause, words);
    setAttribute(this.#cause, 'title', words);
  }

  /** @param {ReplicaSnapshot['probes']} probes */
  #updateProbes({ recent, last }) {
    const look = recent.map(Number).join('');
    const passed = recent.filter(Boolean).length;
    const label =
      recent.length === 0
        ? 'No probe yet'
        : `${passed} of the last ${recent.length} passed; the last one said: ${last ?? 'nothing'}`;
    setAttribute(this.#probes, 'aria-label', label);
    if (look === this.#probesDrawn) return;
    this.#probesDrawn = look;
    const bars = recent.map((isPassed, place) => {
      const height = isPassed ? BAR.passed : BAR.height;
      const x = (PROBES - recent.length + place) * BAR.step;
      const shape = { x, y: BAR.height - height, width: BAR.width, height };
      return svg('rect', { ...shape, class: isPassed ? 'passed' : 'failed' });
    });
    const title = svg('title', {});
    setText(title, label);
    this.#probes.replaceChildren(title, ...bars);
  }

  /**
   * @param {ReplicaSnapshot} replica
   * @param {boolean} canRemove
   */
  #updateButtons({ state, drained }, canRemove) {
    const isLeaving = state === 'draining' && !drained;
    this.#drainAction = drained ? 'undrain' : 'drain';
    const word = drained ? 'Undrain' : 'Drain';
    setText(this.#drain, word);
    setAttribute(this.#drain, 'aria-label', `${word} ${this.#name}`);
    this.#drain.hidden = isLeaving;
    this.#remove.hidden = isLeaving || !canRemove;
  }
}
