/**
 * Requests to the balancer that served the page: JSON both ways, with the token, failures in the balancer's own words.
 * Must not hold: the live stream (`link.js`), what is done with a response.
 */
import { Token } from './token.js';

/** The connection broke before a response came; what was asked for may have been done all the same. */
export class BrokenConnection extends Error {
  constructor() {
    super('The balancer does not respond');
  }
}

/** Browsers break every connection when a network comes or goes on their machine, as with each container. */
const TRIES = 4;
const PAUSE_MS = 400;

export class Api {
  #token;

  /** @param {Token} token */
  constructor(token) {
    this.#token = token;
  }

  /**
   * The `message` of the response; throws an Error whose message can be shown. Asks for the token where one is needed.
   * @param {string} method
   * @param {string} path relative to the page, so that it may lie below a prefix
   * @param {unknown} [content]
   * @param {AbortSignal} [signal]
   * @returns {Promise<unknown>}
   */
  async call(method, path, content, signal) {
    for (;;) {
      const used = this.#token.value;
      const response = await send(method, path, content, used, signal);
      if (response.status === 401) {
        if (await this.#token.refused(used)) continue;
        throw new Error('This needs the admin token');
      }
      if (response.ok) {
        if (used !== '') this.#token.accepted();
        return messageIn(await response.json());
      }
      throw new Error(await problemOf(response));
    }
  }

  /**
   * The same for what may be asked twice: it is, where the connection broke.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [content]
   * @param {AbortSignal} [signal]
   * @returns {Promise<unknown>}
   */
  async repeat(method, path, content, signal) {
    for (let left = TRIES - 1; ; left--) {
      try {
        return await this.call(method, path, content, signal);
      } catch (error) {
        if (!(error instanceof BrokenConnection) || left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} content
 * @param {string} token
 * @param {AbortSignal | undefined} signal
 */
async function send(method, path, content, token, signal) {
  /** @type {RequestInit} */
  const request = { method, headers: Token.headers(token), cache: 'no-store' };
  if (content !== undefined) {
    request.headers = { ...request.headers, 'content-type': 'application/json' };
    request.body = JSON.stringify(content);
  }
  if (signal !== undefined) request.signal = signal;
  try {
    return await fetch(path, request);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new BrokenConnection();
  }
}

/**
 * What a response that is no success says, without the mark of an error.
 * @param {Response} response
 */
export async function problemOf(response) {
  const unnamed = `The balancer responds with ${response.status}`;
  try {
    const message = messageIn(await response.json());
    return typeof message === 'string' ? message.replace(/^<Error> /, '') : unnamed;
  } catch {
    return unnamed;
  }
}

/** @param {unknown} response */
function messageIn(response) {
  return typeof response === 'object' && response !== null && 'message' in response
    ? response.message
    : undefined;
}
