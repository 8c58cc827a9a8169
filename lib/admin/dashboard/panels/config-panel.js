/** The panel of options: each with its value, its default, where it came from, and what applies another value. */
import { html, scrollable, setText } from '../view/dom.js';
import { count, plural } from '../view/format.js';
import { appliedBy, optionMatches, sourceOf } from './config-text.js';
import { Drawer } from './drawer.js';

/** @import { Api } from '../data/api.js' */
/** @import { ConfigView, OptionView } from '../../../api/types.ts' */

const COLUMNS = ['Option', 'Value', 'Default', 'From', 'Applied by'];

export class ConfigPanel {
  #api;
  #filter = html('input', {
    type: 'search',
    'aria-label': 'Filter options',
    placeholder: 'Filter',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  #onlySet = html('button', { type: 'button', class: 'chip', 'aria-pressed': 'false' }, 'Only set');
  #pending = html('p', { class: 'pending', hidden: '' });
  #problem = html('p', { class: 'problem', role: 'alert' });
  #rows = html('tbody', {});
  #drawer;
  /** @type {ConfigView | undefined} */
  #view;

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    const head = html('tr', {}, ...COLUMNS.map((title) => html('th', { scope: 'col' }, title)));
    const table = html('table', { class: 'options' }, html('thead', {}, head), this.#rows);
    const box = html('div', { class: 'options-box' }, table);
    scrollable(box, 'Options');
    const tools = html('div', { class: 'tools drawer-tools' }, this.#filter, this.#onlySet);
    this.#drawer = new Drawer('config-panel', undefined, tools, this.#pending, this.#problem, box);
    this.#filter.addEventListener('input', () => this.#show());
    this.#onlySet.addEventListener('click', () => {
      const isOn = this.#onlySet.getAttribute('aria-pressed') !== 'true';
      this.#onlySet.setAttribute('aria-pressed', `${isOn}`);
      this.#show();
    });
  }

  open() {
    this.#drawer.open('Configuration');
    void this.refresh();
  }

  /** Asks for the options anew, where they are shown. */
  async refresh() {
    if (!this.#drawer.isOpen) return;
    try {
      this.#view = /** @type {ConfigView} */ (await this.#api.repeat('GET', 'config'));
      setText(this.#problem, '');
    } catch (error) {
      setText(this.#problem, error instanceof Error ? error.message : String(error));
    }
    this.#show();
  }

  #show() {
    if (this.#view === undefined) return;
    const { options, needsRestart, file } = this.#view;
    const isOnlySet = this.#onlySet.getAttribute('aria-pressed') === 'true';
    const set = options.filter(({ source }) => source !== 'default');
    const shown = (isOnlySet ? set : options).filter((option) => optionMatches(option, this.#filter.value));
    const pending = new Set(needsRestart);
    this.#rows.replaceChildren(...shown.map((option) => rowOf(option, pending.has(option.option))));
    setText(this.#onlySet, `Only set (${count(set.length)})`);
    const some = shown.length === options.length ? '' : `${count(shown.length)} of `;
    this.#drawer.note = `${some}${plural(options.length, 'option')}; ${file === null ? 'no file' : `file ${file}`}`;
    this.#pending.hidden = needsRestart.length === 0;
    setText(
      this.#pending,
      `The file has other values of these, which a restart applies: ${needsRestart.join(', ')}.`,
    );
  }
}

/** @param {OptionView} option @param {boolean} isPending */
function rowOf(option, isPending) {
  const { value, source } = option;
  const isSet = source !== 'default';
  return html(
    'tr',
    { class: [isSet ? 'set' : '', isPending ? 'waiting' : ''].join(' ').trim() },
    html('th', { scope: 'row' }, option.option),
    html('td', { class: 'value' }, value === '' ? '–' : value),
    html('td', { class: 'default' }, isSet ? option.default || '–' : ''),
    html('td', { class: 'from' }, sourceOf(option)),
    html('td', { class: 'takes' }, isPending ? 'restart; a new value waits' : appliedBy(option)),
  );
}
