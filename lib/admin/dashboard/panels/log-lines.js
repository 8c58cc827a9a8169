/**
 * The lines of a log in the document: the newest at the bottom, the last 2,000, and in view as long as nobody scrolls up.
 */
import { html } from '../view/dom.js';
import { moment } from '../view/format.js';
import { breakBefore, lineMatches, withoutEscapes } from './log-text.js';

/** @import { LogLine } from '../../../api/types.ts' */

const MOST = 2000;
/** Nearer to the end than this it is at the end, in CSS pixels. */
const NEAR_END = 24;

export class LogLines {
  element = html('div', {
    class: 'log-lines',
    role: 'log',
    tabindex: '0',
    'aria-label': 'Lines',
    // a busy log would be spoken without end
    'aria-live': 'off',
  });
  #onEnd;
  /** What each row shows. @type {WeakMap<Element, LogLine>} */
  #lines = new WeakMap();
  /** The last instance of each replica. @type {Map<string, string>} */
  #instances = new Map();
  #filter = '';
  #isOnlyErrors = false;
  #isAtEnd = true;

  /** @param {(isAtEnd: boolean) => void} onEnd the newest line has come into view, or gone out of it */
  constructor(onEnd) {
    this.#onEnd = onEnd;
    this.element.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.element;
      this.#setAtEnd(scrollHeight - scrollTop - clientHeight < NEAR_END);
    });
  }

  clear() {
    this.element.replaceChildren();
    this.#instances.clear();
    this.#setAtEnd(true);
  }

  /** @param {readonly LogLine[]} lines the oldest first */
  add(lines) {
    const rows = lines.slice(-MOST).flatMap((line) => this.#rowsOf(line));
    this.element.append(...rows);
    while (this.element.childElementCount > MOST) this.element.firstElementChild?.remove();
    if (this.#isAtEnd) this.#scrollToEnd();
  }

  /**
   * Shows the lines with all words of a filter, of stderr alone where asked for.
   * @param {string} filter
   * @param {boolean} isOnlyErrors
   */
  show(filter, isOnlyErrors) {
    this.#filter = filter;
    this.#isOnlyErrors = isOnlyErrors;
    for (const row of this.element.children) if (row instanceof HTMLElement) row.hidden = !this.#isShown(row);
    if (this.#isAtEnd) this.#scrollToEnd();
  }

  /** How many lines there are, and how many of them are shown. */
  get counts() {
    const all = this.element.querySelectorAll('.log-line');
    return { all: all.length, shown: [...all].filter((row) => !row.hasAttribute('hidden')).length };
  }

  goToEnd() {
    this.#setAtEnd(true);
    this.#scrollToEnd();
    this.element.focus();
  }

  /** @param {LogLine} line */
  #rowsOf(line) {
    const { replica, instance, stream, text, time } = line;
    const rows = [];
    const gap = breakBefore(line, this.#instances.get(replica));
    this.#instances.set(replica, instance);
    if (gap !== '') rows.push(html('p', { class: 'log-break' }, `${replica}: ${gap}`));
    const isError = stream === 'stderr';
    const row = html(
      'p',
      { class: 'log-line', 'data-stream': stream },
      html('time', { datetime: time }, moment(Date.parse(time), Date.now())),
      html('span', { class: 'log-replica' }, replica),
      ...(isError ? [html('span', { class: 'unseen' }, 'stderr: ')] : []),
      html('span', { class: 'log-text' }, withoutEscapes(text)),
    );
    this.#lines.set(row, line);
    row.hidden = !this.#isShown(row);
    return [...rows, row];
  }

  /** @param {Element} row */
  #isShown(row) {
    const line = this.#lines.get(row);
    // what stands between lines says nothing about those that a filter leaves
    if (line === undefined) return this.#filter === '' && !this.#isOnlyErrors;
    return (!this.#isOnlyErrors || line.stream === 'stderr') && lineMatches(line, this.#filter);
  }

  #scrollToEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** @param {boolean} isAtEnd */
  #setAtEnd(isAtEnd) {
    if (this.#isAtEnd === isAtEnd) return;
    this.#isAtEnd = isAtEnd;
    this.#onEnd(isAtEnd);
  }
}
