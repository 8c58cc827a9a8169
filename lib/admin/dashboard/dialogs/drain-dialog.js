/**
 * Draining a replica: what it means now, then doing it. It can be undone, which asks nothing.
 * Must not hold: requests themselves (`api.js`).
 */
import { byId, setText } from '../view/dom.js';
import { percent, plural } from '../view/format.js';

/** @import { ReplicaSnapshot } from '../../../api/snapshot.ts' */
/** @import { Api } from '../data/api.js' */

export class DrainDialog {
  #dialog = byId('drain-dialog', HTMLDialogElement);
  #heading = byId('drain-heading', HTMLElement);
  #text = byId('drain-text', HTMLElement);
  #problem = byId('drain-problem', HTMLElement);
  #cancel = byId('drain-cancel', HTMLButtonElement);
  #do = byId('drain-do', HTMLButtonElement);
  #api;
  #onDone;
  #name = '';

  /**
   * @param {Api} api
   * @param {(sentence: string) => void} onDone
   */
  constructor(api, onDone) {
    this.#api = api;
    this.#onDone = onDone;
    this.#cancel.addEventListener('click', () => this.#dialog.close());
    byId('drain-form', HTMLFormElement).addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      void this.#drain();
    });
  }

  /** @param {ReplicaSnapshot} replica */
  open({ name, share, inFlight }) {
    this.#name = name;
    setText(this.#heading, `Drain ${name}`);
    setText(
      this.#text,
      `${name} gets no new requests; ${plural(inFlight, 'request')} in flight may finish. Its keys, ${percent(share)} of all, go to the replicas behind it on the ring until it is undrained. Its place and its instance stay.`,
    );
    setText(this.#problem, '');
    this.#dialog.showModal();
    this.#cancel.focus();
  }

  /** @param {string} name */
  async undrain(name) {
    try {
      await this.#api.repeat('POST', 'undrain', { hostnames: [name] });
      this.#onDone(`${name} is undrained.`);
    } catch (error) {
      this.#onDone(error instanceof Error ? error.message : String(error));
    }
  }

  async #drain() {
    const name = this.#name;
    this.#do.disabled = true;
    try {
      await this.#api.repeat('POST', 'drain', { hostnames: [name] });
      this.#dialog.close();
      this.#onDone(`${name} is drained.`);
    } catch (error) {
      setText(this.#problem, error instanceof Error ? error.message : String(error));
    } finally {
      this.#do.disabled = false;
    }
  }
}
