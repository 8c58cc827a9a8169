/**
 * The live stream: opened, read, watched, and opened again for ever, with growing pauses.
 * Must not hold: what a snapshot means, or how a lost connection looks.
 *
 * Invariants: at most one stream is open; `onState('live')` comes with every first snapshot of a stream and nothing
 * is told after it was lost; a hidden page gives its connection back after a while, for a browser has six of them.
 */
import { problemOf } from './api.js';
import { messagesOf } from './sse.js';
import { Token } from './token.js';

/** @import { History, Snapshot } from '../../../api/snapshot.ts' */
/** @import { FleetEvent } from '../../../api/types.ts' */

/**
 * @typedef {{ readonly kind: 'connecting' } | { readonly kind: 'live' } | { readonly kind: 'locked' }
 *   | { readonly kind: 'lost', readonly reason: string, readonly retryAtMs: number }} LinkState
 * @typedef {object} Hooks
 * @property {(state: LinkState) => void} onState
 * @property {(history: History) => void} onHistory the traffic before this stream, again with each stream
 * @property {(snapshot: Snapshot) => void} onSnapshot
 * @property {(events: readonly FleetEvent[], isFirst: boolean) => void} onEvents the first of a stream are all there are
 */

/** A snapshot comes every second. */
const SILENCE_MS = 5000;
/** A timer that is so late says that this page was held up, and not the balancer. */
const LATE_MS = 1000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8000;
const HIDDEN_MS = 60_000;

export class Link {
  #token;
  #hooks;
  #abort = new AbortController();
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  #wake = () => {};
  /** Why the stream that is open was given up; '' for its own reasons. */
  #gaveUp = '';

  /**
   * @param {Token} token
   * @param {Hooks} hooks
   */
  constructor(token, hooks) {
    this.#token = token;
    this.#hooks = hooks;
    this.#leaveWhileHidden();
  }

  /** Never resolves. */
  async run() {
    for (;;) {
      const reason = await this.#listen();
      if (document.hidden) await this.#untilWoken();
      else if (reason === 'locked') {
        this.#hooks.onState({ kind: 'locked' });
        await this.#untilWoken();
      } else if (reason !== 'again') {
        const pauseMs = pauseAfter(this.#failures++);
        this.#hooks.onState({ kind: 'lost', reason, retryAtMs: Date.now() + pauseMs });
        await this.#untilWoken(pauseMs);
      }
    }
  }

  /** Tries now, whatever it waits for. */
  tryNow() {
    this.#wake();
  }

  /** Opens the stream anew, with another token. */
  reopen() {
    this.#giveUp('again');
    this.#wake();
  }

  /** Reads one stream to its end and says why it ended. */
  async #listen() {
    this.#abort = new AbortController();
    this.#gaveUp = '';
    const used = this.#token.value;
    this.#watch();
    try {
      const { signal } = this.#abort;
      const response = await fetch('live', { headers: Token.headers(used), signal, cache: 'no-store' });
      if (response.status === 401) {
        clearTimeout(this.#watchdog);
        // the page stands behind the dialog, and must not say that it is connecting
        if (this.#token.value === used) this.#hooks.onState({ kind: 'locked' });
        return (await this.#token.refused(used)) ? 'again' : 'locked';
      }
      if (!response.ok || response.body === null) return await problemOf(response);
      if (used !== '') this.#token.accepted();
      const heard = { isFirst: true, isLive: false };
      for await (const { event, data } of messagesOf(response.body)) {
        this.#watch();
        const content = JSON.parse(data);
        try {
          this.#hear(event, content, heard);
        } catch (error) {
          // a fault of the page, and not of the connection
          reportError(error);
        }
      }
      return 'The balancer ended the connection';
    } catch {
      return this.#gaveUp || 'The balancer does not respond';
    } finally {
      clearTimeout(this.#watchdog);
    }
  }

  /**
   * @param {string} event
   * @param {any} content
   * @param {{ isFirst: boolean, isLive: boolean }} heard
   */
  #hear(event, content, heard) {
    if (event === 'events') {
      this.#hooks.onEvents(content, heard.isFirst);
      heard.isFirst = false;
    } else if (event === 'history') {
      this.#hooks.onHistory(content);
    } else if (event === 'snapshot') {
      this.#failures = 0;
      if (!heard.isLive) this.#hooks.onState({ kind: 'live' });
      heard.isLive = true;
      this.#hooks.onSnapshot(content);
    }
  }

  /** Gives the stream up unless something is heard, and this is called again, in time. */
  #watch() {
    clearTimeout(this.#watchdog);
    const dueMs = performance.now() + SILENCE_MS;
    this.#watchdog = setTimeout(() => {
      if (performance.now() - dueMs > LATE_MS) this.#watch();
      else this.#giveUp('The balancer has been silent');
    }, SILENCE_MS);
  }

  /** @param {string} reason */
  #giveUp(reason) {
    this.#gaveUp = reason;
    this.#abort.abort();
  }

  /** @param {number} [atMostMs] */
  async #untilWoken(atMostMs) {
    await new Promise((resolve) => {
      const timer = atMostMs === undefined ? undefined : setTimeout(resolve, atMostMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.#wake = () => {};
    this.#hooks.onState({ kind: 'connecting' });
  }

  #leaveWhileHidden() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    document.addEventListener('visibilitychange', () => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(() => this.#giveUp('The page was hidden'), HIDDEN_MS);
      else this.#wake();
    });
  }
}

/**
 * Doubles, with a fifth of chance in it, so that many pages do not come back at once.
 * @param {number} failures
 */
function pauseAfter(failures) {
  const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  return pauseMs * (0.9 + 0.2 * Math.random());
}
