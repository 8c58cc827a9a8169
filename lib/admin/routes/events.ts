/**
 * `/events`: what happened to the fleet, as JSON, or as a stream of server-sent events.
 * Invariant: a client that resumes with the last id it saw misses nothing that is kept, and sees nothing twice.
 * Source: HTML Living Standard, section 9.2 (server-sent events).
 */

import type { EventsView, FleetEvent } from '../../api/types.ts';
import { quote } from '../../config/suggest.ts';
import type { Clock } from '../../platform/clock.ts';
import { acceptsStream, eventStream, lastEventId } from '../event-stream.ts';
import { checkParameters, refuse } from '../query.ts';
import { type StreamReply, succeeded } from '../reply.ts';
import type { Route, RouteRequest } from './fleet.ts';

/** Where events come from. */
export interface Events {
  /** Those after the event with this id, the oldest first; all that are kept where it is not known. */
  after(id: string): readonly FleetEvent[];
  /** Calls the listener with every event from now on, until the returned function is called. */
  subscribe(listener: (event: FleetEvent) => void): () => void;
}

const PARAMETERS: readonly string[] = ['since', 'limit'];
const ID = /^[0-9a-z]{1,20}-\d{1,15}$/;
const LIMIT = /^\d{1,6}$/;

export function eventsRoute(events: Events, clock: Clock): Route {
  return {
    path: '/events',
    methods: ['GET', 'HEAD'],
    access: 'watch',
    handle(request) {
      const wanted = readQuery(request);
      // a browser that reconnects sends its first query again, and the id of the last event it saw
      const isStream = acceptsStream(request.headers.accept);
      if (isStream)
        return streamOf(events, clock, () => select(events, wanted, lastEventId(request.headers)));
      const found = select(events, wanted, undefined);
      return succeeded({ N: found.length, events: found } satisfies EventsView);
    },
  };
}

interface Wanted {
  readonly since: string | undefined;
  readonly limit: number;
}

function readQuery({ query }: RouteRequest): Wanted {
  checkParameters(query, PARAMETERS);
  const since = query.get('since') ?? undefined;
  if (since !== undefined && !ID.test(since)) refuse(`since must be the id of an event, not ${quote(since)}`);
  const limit = query.get('limit');
  if (limit !== null && !LIMIT.test(limit)) refuse(`limit must be a whole number, not ${quote(limit)}`);
  return { since, limit: limit === null ? Number.POSITIVE_INFINITY : Number(limit) };
}

/** The first `limit` after `since`; without `since`, the last `limit`. A client that reconnects gets everything. */
function select(
  events: Events,
  { since, limit }: Wanted,
  lastSeen: string | undefined,
): readonly FleetEvent[] {
  if (lastSeen !== undefined) return events.after(lastSeen);
  if (since !== undefined) return events.after(since).slice(0, limit);
  const all = events.after('');
  return all.slice(Math.max(0, all.length - limit));
}

function streamOf(events: Events, clock: Clock, backlog: () => readonly FleetEvent[]): StreamReply {
  return eventStream(clock, (write) => {
    write(backlog().map(textOf).join(''));
    return events.subscribe((event) => write(textOf(event)));
  });
}

function textOf(event: FleetEvent): string {
  return `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
