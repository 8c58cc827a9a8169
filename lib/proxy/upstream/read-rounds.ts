/**
 * Calls back when what had reached a socket by now has been read: once the poll phase after this one is over.
 * A response is read in one poll phase, and a FIN or RST right behind it in the next: libuv does not read again after a
 * read that did not fill its buffer. All that waits for a poll is called together, once a round of the event loop.
 * Source: libuv `uv__read` (src/unix/stream.c); the phases of the event loop, in Node's guide to it.
 */
import { writeBatcher } from '../io/write-batcher.ts';

/** Is called in the check phase of this round, and of the next. */
export interface PollListener {
  /** A poll phase is over. True where it is to be called after the next one too. */
  onPolled(): boolean;
}

let listeners: PollListener[] = [];
let spare: PollListener[] = [];
let immediate: NodeJS.Immediate | undefined;
let isHastened = false;

/** Calls `listener.onPolled` at the end of this round, and for as long as it says. To be called once until then. */
export function callAfterPoll(listener: PollListener): void {
  listeners.push(listener);
  immediate ??= setImmediate(onCheck);
}

/** The next poll phase takes what is there and does not wait for more, since a request waits for it. */
export function hastenPoll(): void {
  isHastened = true;
  immediate?.ref();
}

function onCheck(): void {
  immediate = undefined;
  isHastened = false;
  const now = listeners;
  listeners = spare;
  for (const listener of now) if (listener.onPolled()) listeners.push(listener);
  now.length = 0;
  spare = now;
  if (listeners.length > 0 && immediate === undefined) {
    immediate = setImmediate(onCheck);
    // nothing is waiting for it, so it does not make the event loop spin
    if (!isHastened) immediate.unref();
  }
  // requests that have just been given their connections need not wait for another round
  writeBatcher.flushAll();
}
