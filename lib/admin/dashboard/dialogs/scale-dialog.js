/**
 * Setting the size of the fleet, or the bounds within which autoscaling chooses it: what it would do, then doing it.
 * Which replicas go is decided when it is done, since those with the fewest requests in flight go first.
 */
import { stateOf } from '../panels/scale-text.js';
import { byId, setText } from '../view/dom.js';
import { plural } from '../view/format.js';
import { resizeOf } from './preview.js';
import { addScaleDialog } from './scale-form.js';

/** @import { ScaleView } from '../../../api/scale.ts' */
/** @import { Preview } from '../../../api/types.ts' */
/** @import { Api } from '../data/api.js' */

const PAUSE_MS = 200;

addScaleDialog();

export class ScaleDialog {
  #dialog = byId('scale-dialog', HTMLDialogElement);
  #form = byId('scale-form', HTMLFormElement);
  #heading = byId('scale-dialog-heading', HTMLElement);
  #sizeFields = byId('scale-size-fields', HTMLFieldSetElement);
  #boundsFields = byId('scale-bounds-fields', HTMLFieldSetElement);
  #n = byId('scale-n', HTMLInputElement);
  #force = byId('scale-force', HTMLInputElement);
  #forceLine = byId('scale-force-line', HTMLElement);
  #min = byId('scale-min', HTMLInputElement);
  #max = byId('scale-max', HTMLInputElement);
  #target = byId('scale-target', HTMLInputElement);
  #text = byId('scale-text', HTMLElement);
  #problem = byId('scale-problem', HTMLElement);
  #do = byId('scale-do', HTMLButtonElement);
  #api;
  #onDone;
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
    byId('scale-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#forget());
    this.#form.addEventListener('input', () => this.#changed());
    this.#form.addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      if (!this.#do.disabled) void this.#set();
    });
  }

  /** @param {ScaleView} scale */
  openSize({ n, state }) {
    this.#open('Set the size', false);
    this.#force.checked = false;
    // without autoscaling there are no bounds
    this.#forceLine.hidden = state === 'off';
    this.#n.value = `${n}`;
    this.#n.select();
    this.#say('');
  }

  /** @param {ScaleView} scale */
  openBounds({ min, max, target }) {
    this.#open('Bounds of autoscaling', true);
    this.#min.value = `${min}`;
    this.#max.value = `${max}`;
    this.#target.value = `${target}`;
    this.#say('');
  }

  /** @param {string} heading @param {boolean} isBounds */
  #open(heading, isBounds) {
    setText(this.#heading, heading);
    this.#sizeFields.hidden = isBounds;
    this.#boundsFields.hidden = !isBounds;
    // what is disabled is neither required nor sent
    this.#sizeFields.disabled = isBounds;
    this.#boundsFields.disabled = !isBounds;
    this.#dialog.showModal();
    (isBounds ? this.#min : this.#n).focus();
  }

  get #wanted() {
    const fields = [...new FormData(this.#form)];
    return Object.fromEntries(fields.map(([name, value]) => [name, name === 'force' ? true : Number(value)]));
  }

  #changed() {
    this.#forget();
    this.#say('Working it out…');
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
    if (!this.#form.checkValidity()) return this.#say('', 'Each is a whole number.');
    try {
      const preview = await this.#api.repeat('PUT', 'scale?dry-run', this.#wanted, signal);
      if (signal.aborted) return;
      this.#say(this.#sentenceOf(preview));
      this.#offer(preview);
    } catch (error) {
      if (!signal.aborted) this.#say('', messageOf(error));
    }
  }

  /** @param {unknown} preview of a size or of bounds */
  #sentenceOf(preview) {
    if (!this.#sizeFields.disabled) return resizeOf(/** @type {Preview} */ (preview));
    const view = /** @type {ScaleView} */ (preview);
    return `${stateOf(view)} ${view.why}`;
  }

  /** Which ones are removed may change until then, and how many does not. @param {unknown} preview */
  #offer(preview) {
    const { removed = [] } = /** @type {Partial<Preview>} */ (preview);
    this.#do.disabled = false;
    if (removed.length === 0) return;
    setText(this.#do, `Remove ${plural(removed.length, 'replica')}`);
    this.#do.className = 'danger';
  }

  /** @param {string} text @param {string} [problem] */
  #say(text, problem = '') {
    setText(this.#text, text || (problem ? 'Nothing can be done as it stands.' : 'Nothing would change.'));
    setText(this.#problem, problem);
    this.#do.disabled = true;
    setText(this.#do, 'Set');
    this.#do.className = 'primary';
  }

  async #set() {
    const wanted = this.#wanted;
    this.#do.disabled = true;
    try {
      await this.#api.repeat('PUT', 'scale', wanted);
      this.#dialog.close();
      this.#onDone(
        wanted.n === undefined
          ? 'The bounds are set.'
          : `The fleet has ${plural(Number(wanted.n), 'replica')}.`,
      );
    } catch (error) {
      this.#say('', messageOf(error));
    }
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
