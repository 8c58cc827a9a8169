/**
 * A panel at the side of the page, as a dialog: the focus stays in it, Escape closes it, and the page behind is read
 * only meanwhile.
 */
import { html, setText } from '../view/dom.js';

export class Drawer {
  #heading;
  #note = html('p', { class: 'note drawer-note', role: 'status' });

  /**
   * @param {string} id
   * @param {(() => void) | undefined} onClose
   * @param {...Node} children
   */
  constructor(id, onClose, ...children) {
    this.#heading = html('h2', { id: `${id}-heading`, tabindex: '-1' });
    const close = html('button', { type: 'button', class: 'small' }, 'Close');
    // `closedby` has a press beside it close it, where the browser knows that
    const attributes = { id, class: 'drawer', 'aria-labelledby': `${id}-heading`, closedby: 'any' };
    this.element = html(
      'dialog',
      attributes,
      html('div', { class: 'drawer-head' }, this.#heading, this.#note, close),
      ...children,
    );
    close.addEventListener('click', () => this.element.close());
    if (onClose !== undefined) this.element.addEventListener('close', onClose);
    document.body.append(this.element);
  }

  get isOpen() {
    return this.element.open;
  }

  /** @param {string} title */
  open(title) {
    this.title = title;
    if (!this.element.open) this.element.showModal();
    this.#heading.focus();
  }

  /** @param {string} title */
  set title(title) {
    setText(this.#heading, title);
  }

  /** A line below the heading, spoken as it changes. @param {string} text */
  set note(text) {
    setText(this.#note, text);
  }
}
