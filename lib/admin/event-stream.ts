/**
 * A response of server-sent events.
 * Source: HTML Living Standard, section 9.2 (server-sent events).
 */
import type { Clock, Timer } from '../platform/clock.ts';
import type { StreamReply } from './reply.ts';

/** Keeps proxies from closing a silent stream, and shows us a client that is gone. */
const HEARTBEAT_MS = 15_000;
/** How long a client waits before it reconnects. */
const RETRY_MS = 2000;

/** True where an `Accept` header names event streams. */
export function acceptsStream(accept = ''): boolean {
  return accept
    .toLowerCase()
    .split(',')
    .some((range) => /^\s*text\/event-stream\s*(;(?!.*\bq=0(\.0*)?\s*(;|$))|$)/.test(range));
}

/** The id of the last event that a client saw before it reconnected; undefined where it says none. */
export function lastEventId(headers: { readonly [name: string]: unknown }): string | undefined {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** The stream; `begin` is called with a function that writes, and returns what to call at the end. */
export function eventStream(clock: Clock, begin: (write: (text: string) => void) => () => void): StreamReply {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    begin(write) {
      // one write for all that is there at the beginning
      let first: string | undefined = `retry: ${RETRY_MS}\n\n`;
      const end = begin((text) => {
        if (first === undefined) write(text);
        else first += text;
      });
      write(first);
      first = undefined;
      let timer: Timer;
      const beat = (): void => {
        timer = clock.after(HEARTBEAT_MS, () => {
          write(': still here\n\n');
          beat();
        });
      };
      beat();
      return () => {
        timer.cancel();
        end();
      };
    },
  };
}
