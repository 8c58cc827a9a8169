/**
 * Follows a stream of server-sent events of the balancer.
 * Invariant: every event is passed on exactly once, however often the connection is lost.
 */
import type { IncomingMessage } from 'node:http';
import type { Call } from '../command.ts';
import { sleepReferenced } from '../sleep.ts';
import { CommandError, EXIT } from '../usage.ts';
import { EventStreamParser } from './stream.ts';

/** Reconnection time until the balancer sets one. */
const RETRY_MS = 2000;
/** The balancer sends a comment every 15 s. */
const SILENCE_MS = 45_000;

/**
 * Calls `show` with the JSON of every event until the process ends; throws if the balancer refuses, or is unreachable at
 * the beginning.
 */
export async function followStream(call: Call, path: string, show: (data: unknown) => void): Promise<never> {
  let lastId = '';
  let retryMs = RETRY_MS;
  for (let isFirst = true, isLost = false; ; isFirst = false) {
    const stream = await open(call, path, lastId, isFirst);
    if (stream !== undefined) {
      if (isLost) call.output.note('reconnected');
      isLost = false;
      const parser = new EventStreamParser();
      for await (const text of textOf(stream)) {
        for (const { id, data } of parser.take(text)) {
          show(parsed(data));
          lastId = id;
        }
      }
      retryMs = parser.retryMs ?? RETRY_MS;
    }
    if (!isLost) call.output.note('connection lost, reconnecting');
    isLost = true;
    await sleepReferenced(retryMs);
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new CommandError(EXIT.unreachable, 'what responds is no balancer: its events are no JSON');
  }
}

/** The stream, or undefined if the balancer is unreachable and worth a retry. */
async function open(
  call: Call,
  path: string,
  lastId: string,
  isFirst: boolean,
): Promise<IncomingMessage | undefined> {
  const resume = lastId === '' ? {} : { 'last-event-id': lastId };
  try {
    return await call.admin.stream(path, {
      headers: { accept: 'text/event-stream', ...resume },
      timeoutMs: SILENCE_MS,
    });
  } catch (error) {
    const isAway = error instanceof CommandError && error.exitStatus === EXIT.unreachable;
    if (isFirst || !isAway) throw error;
    return undefined;
  }
}

/** The text of the stream until the connection ends, however it ends. */
async function* textOf(stream: IncomingMessage): AsyncGenerator<string> {
  stream.on('error', () => stream.destroy());
  try {
    for await (const text of stream) yield text as string;
  } catch {
    // cut: the caller reconnects
  }
}
