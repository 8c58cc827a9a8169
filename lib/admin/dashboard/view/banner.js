/** How the page says that it is not live: a banner with the reason and what happens next, and one spoken sentence. */
import { byId, setText } from './dom.js';
import { clock } from './format.js';

/** @import { LinkState } from '../data/link.js' */

const WORDS = { connecting: 'Connecting', live: 'Live', locked: 'Locked', lost: 'Connection lost' };

export class Banner {
  #box = byId('banner', HTMLElement);
  #text = byId('banner-text', HTMLElement);
  #button = byId('banner-button', HTMLButtonElement);
  #link = byId('link-text', HTMLElement);
  #announcer = byId('announcer', HTMLElement);
  /** @type {LinkState} */
  #state = { kind: 'connecting' };
  #wasLost = false;
  /** When the last snapshot was made; 0 before the first. */
  #asOfMs = 0;

  /** @param {() => void} onTry */
  constructor(onTry) {
    this.#button.addEventListener('click', onTry);
    setInterval(() => this.#draw(), 1000);
  }

  /** @param {LinkState} state */
  show(state) {
    if (state.kind === 'live') {
      if (this.#wasLost) this.say('Connected again');
      this.#wasLost = false;
    } else if (state.kind === 'lost') {
      if (!this.#wasLost) this.say('Connection lost');
      this.#wasLost = true;
    }
    this.#state = state;
    document.body.dataset.link = state.kind;
    this.#draw();
  }

  /** @param {number} atMs */
  noteSnapshot(atMs) {
    this.#asOfMs = atMs;
  }

  /** Speaks one sentence. @param {string} sentence */
  say(sentence) {
    setText(this.#announcer, sentence);
  }

  #draw() {
    const { kind } = this.#state;
    setText(this.#link, WORDS[kind]);
    const isLive = kind === 'live';
    const asOf = isLive || this.#asOfMs === 0 ? '' : `Last known, ${clock(this.#asOfMs)}`;
    for (const place of document.querySelectorAll('.as-of')) setText(place, asOf);
    // while it tries again after a failure the banner stays, or the page would jump
    this.#box.hidden = isLive || (kind === 'connecting' && !this.#wasLost);
    setText(this.#button, kind === 'locked' ? 'Enter token' : 'Try now');
    setText(this.#text, this.#sentence());
  }

  #sentence() {
    const state = this.#state;
    if (state.kind === 'locked') return 'This balancer shows itself only to those who have its admin token.';
    const since = this.#asOfMs === 0 ? '' : ` What is shown is from ${clock(this.#asOfMs)}.`;
    if (state.kind === 'connecting') return `Connection lost. Trying again…${since}`;
    if (state.kind !== 'lost') return '';
    const seconds = Math.max(1, Math.ceil((state.retryAtMs - Date.now()) / 1000));
    return `Connection lost. ${state.reason}. Trying again in ${seconds} s.${since}`;
  }
}
