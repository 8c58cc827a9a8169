/**
 * `ringlb events`: lists past events of the fleet, and with `-f` follows new ones.
 * Invariant: while following, every event is shown exactly once, however often the connection is lost.
 */
import type { IncomingMessage } from 'node:http';
import type { EventsView, FleetEvent } from '../../api/types.ts';
import type { Call, Command } from '../command.ts';
import { table } from '../output.ts';
import { sleepReferenced } from '../sleep.ts';
import { CommandError, EXIT, type ExitStatus, wrongUsage } from '../usage.ts';
import { EventLines, eventColumns } from './columns.ts';
import { EventStreamParser } from './stream.ts';

/** Default of --limit with --follow. */
const FOLLOWED = '10';
/** Reconnection time until the balancer sets one. */
const RETRY_MS = 2000;
/** The balancer sends a comment every 15 s. */
const SILENCE_MS = 45_000;

export const EVENTS: Command = {
  name: 'events',
  operands: '',
  summary: 'lists events of the fleet, and follows new ones with -f',
  help: ['With -f it reconnects when the balancer restarts; with --json each event is then a line.'],
  options: {
    follow: { type: 'boolean', short: 'f', help: 'follows new events, until Ctrl-C' },
    limit: {
      type: 'string',
      short: 'n',
      unit: 'number',
      help: `maximum of past events, 0 for none; with -f ${FOLLOWED} if not given`,
    },
  },
  run: (call) => (call.has('follow') ? follow(call) : list(call)),
};

function limitOf(call: Call): string | undefined {
  const limit = call.value('limit');
  if (limit !== undefined && !/^\d{1,6}$/.test(limit)) wrongUsage('--limit must be a whole number');
  return limit;
}

async function list(call: Call): Promise<ExitStatus> {
  const { admin, output } = call;
  const limit = limitOf(call);
  const message = (await admin.requestMessage(
    'GET',
    limit === undefined ? '/events' : `/events?limit=${limit}`,
  )) as EventsView;
  if (output.isJson) output.json(message);
  else if (message.events.length === 0) output.line('no events');
  else for (const line of table(eventColumns(output), message.events, output.columns)) output.line(line);
  return EXIT.done;
}

/** Follows until the process ends; throws if the balancer refuses, or is unreachable at the beginning. */
async function follow(call: Call): Promise<never> {
  const limit = limitOf(call) ?? FOLLOWED;
  const lines = new EventLines(call.output);
  const show = (event: FleetEvent): void => {
    if (call.output.isJson) call.output.json(event, 'line');
    else call.output.line(lines.lineOf(event));
  };
  let lastId = '';
  let retryMs = RETRY_MS;
  for (let isFirst = true, isLost = false; ; isFirst = false) {
    const stream = await open(call, limit, lastId, isFirst);
    if (stream !== undefined) {
      if (isLost) call.output.note('reconnected');
      isLost = false;
      const parser = new EventStreamParser();
      for await (const text of textOf(stream)) {
        for (const { id, data } of parser.take(text)) {
          show(eventOf(data));
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

function eventOf(data: string): FleetEvent {
  try {
    return JSON.parse(data) as FleetEvent;
  } catch {
    throw new CommandError(EXIT.unreachable, 'what answers is no balancer: its events are no JSON');
  }
}

/** The stream, or undefined if the balancer is unreachable and worth a retry. */
async function open(
  call: Call,
  limit: string,
  lastId: string,
  isFirst: boolean,
): Promise<IncomingMessage | undefined> {
  const resume = lastId === '' ? {} : { 'last-event-id': lastId };
  try {
    return await call.admin.stream(`/events?limit=${limit}`, {
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
