/**
 * Adding and removing replicas: what is asked for, what it would do, and then doing it.
 * Must not hold: requests themselves (`api.js`). Invariant: nothing is done whose preview was not shown.
 */
import { byId, html, setText } from './dom.js';
import { count, percent, plural } from './format.js';

/** @import { Api } from './api.js' */
/** @typedef {'add' | 'remove'} Kind */
/**
 * What a dry run answers.
 * @typedef {object} Preview
 * @property {number} N
 * @property {readonly string[]} added
 * @property {readonly string[]} removed
 * @property {number} moved share of all keys, 0 to 1
 * @property {readonly { readonly from: string | null, readonly to: string | null, readonly share: number }[]} moves
 * @property {number} inFlight
 * @property {number} tunnels
 */

const WORDS = {
  add: {
    heading: 'Add replicas',
    hint: 'Names that are not given are chosen. Separate several with commas.',
    method: 'POST',
    path: 'add',
    doing: 'Starting, and waiting for probes…',
  },
  remove: {
    heading: 'Remove replicas',
    hint: 'Those not named are the ones with the fewest requests in flight.',
    method: 'DELETE',
    path: 'rm',
    doing: 'Removing…',
  },
};
const PAUSE_MS = 200;
const MOST_MOVES = 8;

export class ChangeDialog {
  #dialog = byId('change-dialog', HTMLDialogElement);
  #heading = byId('change-heading', HTMLElement);
  #count = byId('change-count', HTMLInputElement);
  #names = byId('change-names', HTMLInputElement);
  #hint = byId('change-hint', HTMLElement);
  #text = byId('preview-text', HTMLElement);
  #moves = byId('preview-moves', HTMLTableElement);
  #rows = byId('preview-rows', HTMLTableSectionElement);
  #more = byId('preview-more', HTMLElement);
  #problem = byId('change-problem', HTMLElement);
  #cancel = byId('change-cancel', HTMLButtonElement);
  #do = byId('change-do', HTMLButtonElement);
  #api;
  #onDone;
  /** @type {Kind} */
  #kind = 'add';
  #asked = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Api} api
   * @param {(sentence: string) => void} onDone
   */
  constructor(api, onDone) {
    this.#api = api;
    this.#onDone = onDone;
    this.#count.addEventListener('input', () => this.#changed());
    this.#names.addEventListener('input', () => this.#changed());
    this.#cancel.addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#forget());
    byId('change-form', HTMLFormElement).addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      if (!this.#do.disabled) void this.#change();
    });
  }

  /**
   * @param {Kind} kind
   * @param {readonly string[]} names
   */
  open(kind, names = []) {
    this.#kind = kind;
    const words = WORDS[kind];
    setText(this.#heading, words.heading);
    setText(this.#hint, words.hint);
    this.#count.value = `${Math.max(1, names.length)}`;
    this.#names.value = names.join(', ');
    this.#setBusy(false);
    this.#clear('');
    this.#dialog.showModal();
    (names.length > 0 ? this.#cancel : this.#count).focus();
    void this.#preview();
  }

  get #wanted() {
    const hostnames = this.#names.value.split(/[\s,]+/).filter(Boolean);
    return { n: this.#count.valueAsNumber, hostnames };
  }

  #changed() {
    const { n, hostnames } = this.#wanted;
    if (hostnames.length > n) this.#count.value = `${hostnames.length}`;
    this.#forget();
    this.#do.disabled = true;
    this.#timer = setTimeout(() => void this.#preview(), PAUSE_MS);
  }

  /** What was asked before does not matter any more. */
  #forget() {
    clearTimeout(this.#timer);
    this.#asked.abort();
    this.#asked = new AbortController();
  }

  async #preview() {
    const { signal } = this.#asked;
    const wanted = this.#wanted;
    if (!Number.isInteger(wanted.n) || wanted.n < 1) return this.#clear('How many is a whole number from 1.');
    const { method, path } = WORDS[this.#kind];
    try {
      const answer = await this.#api.call(method, `${path}?dry-run`, wanted, signal);
      if (!signal.aborted) this.#show(/** @type {Preview} */ (answer));
    } catch (error) {
      if (!signal.aborted) this.#clear(messageOf(error));
    }
  }

  /** @param {Preview} preview */
  #show(preview) {
    const isAdd = this.#kind === 'add';
    const names = isAdd ? preview.added : preview.removed;
    const before = isAdd ? preview.N - names.length : preview.N + names.length;
    const who = `${listOf(names)} ${names.length === 1 ? (isAdd ? 'joins' : 'leaves') : isAdd ? 'join' : 'leave'}`;
    const keys = `${percent(preview.moved)} of all keys ${isAdd ? 'move to another replica' : 'move'}.`;
    const traffic = `${plural(preview.inFlight, 'request')} in flight and ${plural(preview.tunnels, 'open tunnel')} there may finish first.`;
    setText(
      this.#text,
      `${who}: from ${before} to ${plural(preview.N, 'replica')}. ${keys}${isAdd ? '' : ` ${traffic}`}`,
    );
    const moves = preview.moves.toSorted((one, other) => other.share - one.share);
    this.#rows.replaceChildren(
      ...moves
        .slice(0, MOST_MOVES)
        .map(({ from, to, share }) =>
          html(
            'tr',
            {},
            html('td', {}, from ?? 'nobody'),
            html('td', {}, to ?? 'nobody'),
            html('td', { class: 'number' }, percent(share)),
          ),
        ),
    );
    this.#moves.hidden = moves.length === 0;
    const rest = moves.slice(MOST_MOVES);
    const restShare = rest.reduce((sum, { share }) => sum + share, 0);
    setText(
      this.#more,
      rest.length === 0 ? '' : `and ${plural(rest.length, 'more move')}, ${percent(restShare)} together`,
    );
    setText(this.#problem, '');
    setText(
      this.#do,
      `${isAdd ? 'Add' : 'Remove'} ${names.length === 1 ? names[0] : plural(names.length, 'replica')}`,
    );
    this.#do.disabled = false;
  }

  /** @param {string} problem */
  #clear(problem) {
    setText(this.#text, problem === '' ? 'Working it out…' : 'Nothing can be done as it stands.');
    this.#rows.replaceChildren();
    this.#moves.hidden = true;
    setText(this.#more, '');
    setText(this.#problem, problem);
    setText(this.#do, this.#kind === 'add' ? 'Add' : 'Remove');
    this.#do.disabled = true;
  }

  async #change() {
    const { method, path, doing } = WORDS[this.#kind];
    const wanted = this.#wanted;
    const label = this.#do.textContent ?? '';
    this.#setBusy(true);
    setText(this.#do, doing);
    try {
      await this.#api.call(method, path, wanted);
      this.#dialog.close();
      this.#onDone(`${label.replace(/^Add/, 'Added').replace(/^Remove/, 'Removed')}.`);
    } catch (error) {
      const problem = messageOf(error);
      if (this.#dialog.open) setText(this.#problem, problem);
      else this.#onDone(problem);
      setText(this.#do, label);
    } finally {
      this.#setBusy(false);
    }
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    for (const field of [this.#count, this.#names, this.#do]) field.disabled = isBusy;
    setText(this.#cancel, isBusy ? 'Hide' : 'Cancel');
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** `S1`, `S1 and S2`, `S1, S2 and 3 more`. @param {readonly string[]} names */
function listOf(names) {
  if (names.length <= 4) return new Intl.ListFormat('en', { type: 'conjunction' }).format(names);
  return `${names.slice(0, 3).join(', ')} and ${count(names.length - 3)} more`;
}
