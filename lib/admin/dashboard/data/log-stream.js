/**
 * Follows `/logs` as a stream, and opens it again with growing pauses from the line that came last.
 * Invariant: at most one stream is open, and nothing of an earlier one is passed on.
 */
import { problemOf } from './api.js';
import { messagesOf } from './sse.js';
import { Token } from './token.js';

/** @import { LogLine } from '../../../api/types.ts' */
/**
 * @typedef {{ readonly kind: 'connecting' | 'following' | 'closed' }
 *   | { readonly kind: 'lost' | 'refused', readonly reason: string }} StreamState
 * @typedef {object} StreamHooks
 * @property {(state: StreamState) => void} onState
 * @property {(lines: readonly LogLine[]) => void} onLines
 */

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8000;
/** Lines that come together are passed on together. */
const BATCH_MS = 50;
/** Statuses that another try does not change: the query is wrong. */
const FINAL = new Set([400, 404]);

export class LogStream {
  #token;
  #hooks;
  #abort = new AbortController();
  #wake = () => {};

  /**
   * @param {Token} token
   * @param {StreamHooks} hooks
   */
  constructor(token, hooks) {
    this.#token = token;
    this.#hooks = hooks;
  }

  /** Follows these lines in place of others. @param {URLSearchParams} query */
  follow(query) {
    this.#abort.abort();
    const abort = new AbortController();
    this.#abort = abort;
    void this.#run(query, abort.signal);
  }

  /** Tries now where it waits for the next try. */
  tryNow() {
    this.#wake();
  }

  close() {
    this.#abort.abort();
    this.#hooks.onState({ kind: 'closed' });
  }

  /**
   * @param {URLSearchParams} query
   * @param {AbortSignal} signal
   */
  async #run(query, signal) {
    const position = { lastId: '', failures: 0 };
    while (!signal.aborted) {
      this.#hooks.onState({ kind: 'connecting' });
      const end = await this.#read(query, position, signal);
      if (signal.aborted) return;
      if (end.kind === 'again') continue;
      this.#hooks.onState(end);
      if (end.kind === 'refused') return;
      await this.#pause(signal, Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** position.failures++));
    }
  }

  /**
   * Reads one stream to its end and says why it ended.
   * @param {URLSearchParams} query
   * @param {{ lastId: string, failures: number }} position
   * @param {AbortSignal} signal
   * @returns {Promise<{ kind: 'again' } | { kind: 'lost' | 'refused', reason: string }>}
   */
  async #read(query, position, signal) {
    const used = this.#token.value;
    try {
      const response = await fetch(`logs?${query}`, {
        headers: {
          ...Token.headers(used),
          accept: 'text/event-stream',
          ...(position.lastId !== '' && { 'last-event-id': position.lastId }),
        },
        signal,
        cache: 'no-store',
      });
      if (response.status === 401) {
        if (await this.#token.refused(used)) return { kind: 'again' };
        return { kind: 'refused', reason: 'This needs the admin token' };
      }
      if (!response.ok || response.body === null)
        return { kind: FINAL.has(response.status) ? 'refused' : 'lost', reason: await problemOf(response) };
      if (used !== '') this.#token.accepted();
      position.failures = 0;
      this.#hooks.onState({ kind: 'following' });
      await this.#passOn(response.body, position, signal);
      return { kind: 'lost', reason: 'The balancer ended the connection' };
    } catch {
      return { kind: 'lost', reason: 'The balancer does not respond' };
    }
  }

  /**
   * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
   * @param {{ lastId: string }} position
   * @param {AbortSignal} signal
   */
  async #passOn(body, position, signal) {
    /** @type {LogLine[]} */
    let batch = [];
    const flush = () => {
      const lines = batch;
      batch = [];
      position.lastId = lines.at(-1)?.id ?? position.lastId;
      if (!signal.aborted) this.#hooks.onLines(lines);
    };
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    try {
      for await (const { event, data } of messagesOf(body)) {
        if (event !== 'line') continue;
        if (batch.length === 0) timer = setTimeout(flush, BATCH_MS);
        batch.push(JSON.parse(data));
      }
    } finally {
      clearTimeout(timer);
      if (batch.length > 0) flush();
    }
  }

  /**
   * @param {AbortSignal} signal
   * @param {number} ms
   */
  async #pause(signal, ms) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
      signal.addEventListener('abort', this.#wake, { once: true });
    });
    this.#wake = () => {};
  }
}
