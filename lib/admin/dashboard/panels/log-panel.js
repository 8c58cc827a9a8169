/**
 * The panel of logs: of all replicas, of one, or of one instance, also one that has ended; it follows new lines while
 * it is open.
 */
import { LogStream } from '../data/log-stream.js';
import { html, setText } from '../view/dom.js';
import { count, plural } from '../view/format.js';
import { openWithToken } from '../view/links.js';
import { Drawer } from './drawer.js';
import { LogLines } from './log-lines.js';
import { shortId, titleOf } from './log-text.js';

/** @import { LogLine } from '../../../api/types.ts' */
/** @import { StreamState } from '../data/log-stream.js' */
/** @import { Token } from '../data/token.js' */

/** Past lines that are asked for. */
const LINES = 500;
const NO_LINE =
  'No line: nothing was printed, or it is not kept any more. Of instances that ended those of the last two are.';

export class LogPanel {
  #replica = html('select', { 'aria-label': 'Replica' });
  #instance = html('select', { 'aria-label': 'Instance' });
  #filter = html('input', {
    type: 'search',
    'aria-label': 'Filter lines',
    placeholder: 'Filter',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  #onlyErrors = html('button', { type: 'button', class: 'chip', 'aria-pressed': 'false' }, 'Only stderr');
  #asText = html('a', { target: '_blank', rel: 'noreferrer' }, 'as text');
  #newest = html('button', { type: 'button', class: 'small newest', hidden: '' }, 'Newest line');
  #empty = html('p', { class: 'empty', hidden: '' });
  #lines = new LogLines((isAtEnd) => {
    this.#newest.hidden = isAtEnd;
  });
  #drawer;
  #stream;
  #namesOf;
  /** @type {StreamState} */
  #state = { kind: 'closed' };
  /** Instances that lines came of, by replica. @type {Map<string, Set<string>>} */
  #instances = new Map();
  /** Which start of the balancer the lines are of. */
  #start = '';

  /**
   * @param {Token} token
   * @param {() => readonly string[]} namesOf the replicas there are
   */
  constructor(token, namesOf) {
    this.#namesOf = namesOf;
    this.#stream = new LogStream(token, {
      onState: (state) => this.#onState(state),
      onLines: (lines) => this.#onLines(lines),
    });
    const tools = html(
      'div',
      { class: 'tools drawer-tools' },
      ...[this.#replica, this.#instance, this.#filter, this.#onlyErrors, this.#asText],
    );
    this.#drawer = new Drawer(
      'log-panel',
      () => this.#stream.close(),
      ...[tools, this.#empty, this.#lines.element, this.#newest],
    );
    openWithToken([this.#asText], token);
    this.#listen();
  }

  #listen() {
    this.#replica.addEventListener('change', () => this.open(this.#replica.value));
    this.#instance.addEventListener('change', () => this.open(this.#replica.value, this.#instance.value));
    this.#newest.addEventListener('click', () => this.#lines.goToEnd());
    this.#filter.addEventListener('input', () => this.#applyFilter());
    this.#onlyErrors.addEventListener('click', () => {
      const isOn = this.#onlyErrors.getAttribute('aria-pressed') !== 'true';
      this.#onlyErrors.setAttribute('aria-pressed', `${isOn}`);
      this.#applyFilter();
    });
  }

  /** @param {string} replica '' for all @param {string} instance '' for all of them */
  open(replica = '', instance = '') {
    const isNew = !this.#drawer.isOpen;
    if (isNew) this.#instances.clear();
    this.#lines.clear();
    this.#offer(replica, instance);
    this.#lines.element.classList.toggle('of-one', replica !== '');
    const query = new URLSearchParams({ lines: `${LINES}` });
    if (replica !== '') query.set('replica', replica);
    if (instance !== '') query.set('instance', instance);
    this.#asText.href = `logs?${query}`;
    this.#stream.follow(query);
    const title = titleOf(replica, instance);
    if (isNew) this.#drawer.open(title);
    else this.#drawer.title = title;
  }

  /** The balancer responds again: no need to wait for the next try. */
  tryNow() {
    this.#stream.tryNow();
  }

  /** @param {StreamState} state */
  #onState(state) {
    this.#state = state;
    this.#show();
  }

  /** @param {readonly LogLine[]} lines */
  #onLines(lines) {
    // another start of the balancer has read again what is still there
    const start = lines[0]?.id.split('-')[0] ?? '';
    if (start !== this.#start) this.#lines.clear();
    this.#start = start;
    this.#lines.add(lines);
    let isNew = false;
    for (const { replica, instance } of lines) {
      const known = this.#instances.get(replica) ?? new Set();
      isNew ||= !known.has(instance);
      this.#instances.set(replica, known.add(instance));
    }
    if (isNew) this.#offer(this.#replica.value, this.#instance.value);
    this.#show();
  }

  /** What can be chosen, and what is. @param {string} replica @param {string} instance */
  #offer(replica, instance) {
    const names = [...new Set([...this.#namesOf(), ...(replica === '' ? [] : [replica])])];
    fill(this.#replica, [['', 'All replicas'], ...names.map(twice)], replica);
    const known = new Set(this.#instances.get(replica));
    if (instance !== '') known.add(instance);
    const ids = [...known].map((id) => /** @type {const} */ ([id, `Instance ${shortId(id)}`]));
    fill(this.#instance, [['', 'All instances'], ...ids], instance);
    this.#instance.hidden = replica === '';
  }

  #applyFilter() {
    this.#lines.show(this.#filter.value, this.#onlyErrors.getAttribute('aria-pressed') === 'true');
    this.#show();
  }

  #show() {
    const { all, shown } = this.#lines.counts;
    this.#drawer.note = [
      wordsOf(this.#state),
      shown === all ? '' : `${count(shown)} of ${plural(all, 'line')}`,
    ]
      .filter(Boolean)
      .join('; ');
    this.#empty.hidden = shown > 0 || this.#state.kind !== 'following';
    setText(this.#empty, all === 0 ? NO_LINE : 'No line matches.');
  }
}

/** @param {StreamState} state */
function wordsOf(state) {
  switch (state.kind) {
    case 'connecting':
      return 'Connecting…';
    case 'following':
      return 'Follows new lines';
    case 'lost':
      return `Connection lost: ${state.reason}. Trying again…`;
    case 'refused':
      return state.reason;
    default:
      return '';
  }
}

/** @param {string} text @returns {readonly [string, string]} */
function twice(text) {
  return [text, text];
}

/**
 * @param {HTMLSelectElement} select
 * @param {readonly (readonly [value: string, text: string])[]} options
 * @param {string} chosen
 */
function fill(select, options, chosen) {
  const wanted = options.map(([value]) => value).join('\n');
  const present = [...select.options].map(({ value }) => value).join('\n');
  // an open list would close
  if (wanted !== present)
    select.replaceChildren(...options.map(([value, text]) => html('option', { value }, text)));
  select.value = chosen;
}
