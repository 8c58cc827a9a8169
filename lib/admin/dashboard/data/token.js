/**
 * The admin token: kept in this tab's session storage, sent as a header, asked for when the balancer refuses.
 * Must not hold: requests. Invariants: the token is never part of an address; one dialog serves all who wait.
 */
import { byId, setText } from '../view/dom.js';

const KEY = 'ringlb-token';

export class Token {
  #dialog = byId('token-dialog', HTMLDialogElement);
  #input = byId('token-input', HTMLInputElement);
  #problem = byId('token-problem', HTMLElement);
  #forget = byId('forget-token', HTMLButtonElement);
  /** @type {Promise<boolean> | undefined} */
  #asking;

  /** @param {() => void} onForget */
  constructor(onForget) {
    this.#forget.addEventListener('click', () => {
      sessionStorage.removeItem(KEY);
      this.#forget.hidden = true;
      onForget();
    });
    byId('token-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    byId('token-form', HTMLFormElement).addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      sessionStorage.setItem(KEY, this.#input.value.trim());
      this.#dialog.close('given');
    });
    this.#forget.hidden = this.value === '';
  }

  /** '' where there is none. */
  get value() {
    return sessionStorage.getItem(KEY) ?? '';
  }

  /** @param {string} value what was sent */
  static headers(value) {
    /** @type {Record<string, string>} */
    const headers = value === '' ? {} : { authorization: `Bearer ${value}` };
    return headers;
  }

  /** The token that was sent has been taken. */
  accepted() {
    this.#forget.hidden = this.value === '';
  }

  /**
   * The balancer refused `used`: asks for another, unless there is one already. False where none was given.
   * @param {string} used
   * @returns {Promise<boolean>}
   */
  refused(used) {
    if (this.value !== used) return Promise.resolve(true);
    this.#asking ??= this.#ask(used).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /**
   * @param {string} used
   * @returns {Promise<boolean>}
   */
  #ask(used) {
    sessionStorage.removeItem(KEY);
    this.#forget.hidden = true;
    this.#input.value = '';
    setText(this.#problem, used === '' ? '' : 'The balancer does not take that token.');
    this.#dialog.returnValue = '';
    this.#dialog.showModal();
    return new Promise((resolve) => {
      this.#dialog.addEventListener('close', () => resolve(this.#dialog.returnValue === 'given'), {
        once: true,
      });
    });
  }
}
