/**
 * The line that says what is wrong, the word for it in the head of the page, and the same in the title and the icon of
 * the tab.
 */
import { summaryOf, WINDOW_S } from '../replicas/trouble.js';
import { byId, setAttribute, setText } from './dom.js';

/** @import { Sample, Snapshot } from '../../../api/snapshot.ts' */
/** @import { FleetEvent } from '../../../api/types.ts' */

const ICONS = { good: 'icon', partly: 'icon-degraded', bad: 'icon-down', unknown: 'icon-unknown' };
const MOST_EVENTS = 200;

export class Headline {
  #line = byId('headline', HTMLElement);
  #text = byId('headline-text', HTMLElement);
  #word = byId('readiness', HTMLElement);
  #wordText = byId('readiness-text', HTMLElement);
  #icon = byId('icon', HTMLLinkElement);
  #say;
  /** @type {FleetEvent[]} */
  #events = [];
  /** @type {Sample[]} */
  #seconds = [];
  #last = '';

  /** @param {(sentence: string) => void} say */
  constructor(say) {
    this.#say = say;
  }

  /**
   * @param {readonly FleetEvent[]} events
   * @param {boolean} isFirst they are all there are
   */
  addEvents(events, isFirst) {
    this.#events = [...(isFirst ? [] : this.#events), ...events].slice(-MOST_EVENTS);
  }

  /** @param {Snapshot} snapshot */
  show(snapshot) {
    this.#seconds = [...this.#seconds, snapshot.totals].slice(-WINDOW_S);
    const { level, word, text, out } = summaryOf(snapshot, this.#events, this.#seconds);
    this.#set(level, word);
    setText(this.#text, `${word}: ${text}`);
    document.title = out > 0 ? `(${out} out) ringlb` : level === 'good' ? 'ringlb' : `${word} – ringlb`;
    const spoken = `${word}, ${out} out`;
    if (this.#last !== '' && this.#last !== spoken) this.#say(`${word}: ${text}`);
    this.#last = spoken;
  }

  /** What was so is not known any more. */
  forget() {
    this.#set('unknown', 'Not known');
    setText(this.#text, '');
    document.title = 'Not known – ringlb';
    this.#last = '';
    this.#seconds.length = 0;
  }

  /**
   * @param {keyof typeof ICONS} level
   * @param {string} word
   */
  #set(level, word) {
    setAttribute(this.#line, 'data-level', level);
    this.#line.hidden = level === 'unknown';
    setAttribute(this.#word, 'data-level', level);
    setText(this.#wordText, word);
    setAttribute(this.#icon, 'href', `dashboard/${ICONS[level]}.svg`);
  }
}
