/**
 * Adding and removing replicas: what is asked for, what it would do, and then doing it.
 * Invariant: what is done is what the preview shows, names included, also where the balancer chose them.
 */
import { BrokenConnection } from '../data/api.js';
import { byId, html, setText } from '../view/dom.js';
import { percent, plural } from '../view/format.js';
import { namesIn, sentencesOf, wordsOf } from './preview.js';

/** @import { Api } from '../data/api.js' */
/** @import { Preview } from '../../../api/types.ts' */
/** @import { Kind } from './preview.js' */

const WORDS = {
  add: {
    heading: 'Add replicas',
    button: 'Add',
    look: 'primary',
    hint: 'Names that are not given are chosen. Separate several with commas.',
    method: 'POST',
    path: 'add',
    doing: 'Starting, and waiting for probes…',
  },
  remove: {
    heading: 'Remove replicas',
    button: 'Remove',
    look: 'danger',
    hint: 'Those not named are the ones with the fewest requests in flight.',
    method: 'DELETE',
    path: 'rm',
    doing: 'Removing…',
  },
};
const PAUSE_MS = 200;
const MOST_MOVES = 8;
/** A move of less is not worth a row. */
const LEAST_MOVE = 0.001;
/** Between two looks at what became of a change. */
const LOOK_MS = 500;

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
  /** What it shows, and so what is to be done. @type {Preview | undefined} */
  #shown;
  /** How often it was opened: what began in an earlier dialog must not touch this one. */
  #openings = 0;
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
    this.#openings++;
    const words = WORDS[kind];
    setText(this.#heading, names.length === 0 ? words.heading : `${words.button} ${names.join(', ')}`);
    this.#do.className = words.look;
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
      const preview = await this.#api.repeat(method, `${path}?dry-run`, wanted, signal);
      if (!signal.aborted) this.#show(/** @type {Preview} */ (preview));
    } catch (error) {
      if (!signal.aborted) this.#clear(messageOf(error));
    }
  }

  /** @param {Preview} preview */
  #show(preview) {
    this.#shown = preview;
    setText(this.#text, sentencesOf(this.#kind, preview));
    this.#showMoves(preview.moves.toSorted((one, other) => other.share - one.share));
    setText(this.#problem, '');
    setText(this.#do, wordsOf(this.#kind, preview).act);
    this.#do.disabled = false;
  }

  /** @param {Preview['moves']} moves the largest first */
  #showMoves(moves) {
    const row = (/** @type {Preview['moves'][number]} */ { from, to, share }) => {
      const part = html('td', { class: 'number' }, percent(share));
      return html('tr', {}, html('td', {}, from ?? 'nobody'), html('td', {}, to ?? 'nobody'), part);
    };
    const rows = moves.filter(({ share }) => share >= LEAST_MOVE).slice(0, MOST_MOVES);
    this.#rows.replaceChildren(...rows.map(row));
    this.#moves.hidden = rows.length === 0;
    const rest = moves.slice(rows.length);
    const share = percent(rest.reduce((sum, move) => sum + move.share, 0));
    const each = rest[0] !== undefined && rest[0].share < LEAST_MOVE ? ', each below 0.1\u202f%' : '';
    const more = rows.length === 0 ? plural(rest.length, 'move') : `and ${plural(rest.length, 'more move')}`;
    setText(this.#more, rest.length === 0 ? '' : `${more}${each}, ${share} together`);
  }

  /** Shows no preview. @param {string} problem why there is none; '' where it is on its way */
  #clear(problem) {
    this.#shown = undefined;
    setText(this.#text, problem === '' ? 'Working it out…' : 'Nothing can be done as it stands.');
    this.#showMoves([]);
    setText(this.#problem, problem);
    setText(this.#do, WORDS[this.#kind].button);
    this.#do.disabled = true;
  }

  async #change() {
    const [kind, shown, opening] = [this.#kind, this.#shown, this.#openings];
    if (shown === undefined) return;
    const hostnames = namesIn(kind, shown);
    const isStillThere = () => this.#dialog.open && this.#openings === opening;
    const { act, done } = wordsOf(kind, shown);
    this.#setBusy(true);
    setText(this.#do, WORDS[kind].doing);
    try {
      await this.#carryOut(kind, hostnames);
      if (isStillThere()) this.#dialog.close();
      this.#onDone(done);
    } catch (error) {
      if (!isStillThere()) return this.#onDone(messageOf(error));
      setText(this.#problem, messageOf(error));
      setText(this.#do, act);
      this.#setBusy(false);
    }
  }

  /**
   * @param {Kind} kind
   * @param {readonly string[]} hostnames
   */
  async #carryOut(kind, hostnames) {
    const { method, path } = WORDS[kind];
    try {
      await this.#api.call(method, path, { n: hostnames.length, hostnames });
    } catch (error) {
      if (!(error instanceof BrokenConnection)) throw error;
      if (!(await this.#cameTrue(kind, hostnames)))
        throw new Error('The connection broke, and nothing was changed');
    }
  }

  /**
   * Whether a change whose response was lost has been made: the fleet itself says so, once it is over.
   * @param {Kind} kind
   * @param {readonly string[]} names
   * @returns {Promise<boolean>}
   */
  async #cameTrue(kind, names) {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const { replicas } = /** @type {{ replicas: readonly string[] }} */ (
        await this.#api.repeat('GET', 'rep')
      );
      const are = names.filter((name) => replicas.includes(name)).length;
      if (kind === 'remove') return are === 0;
      if (are === names.length) return true;
      const { replicas: all } = /** @type {{ replicas: readonly { name: string }[] }} */ (
        await this.#api.repeat('GET', 'replicas')
      );
      if (!all.some(({ name }) => names.includes(name))) return false;
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
