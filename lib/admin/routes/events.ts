/**
 * `/events`: what happened to the fleet, as JSON, or as a stream of server-sent events.
 * Invariant: a client that resumes with the last id it saw misses nothing that is kept, and sees nothing twice.
 * Source: HTML Living Standard, section 9.2 (server-sent events).
 */

import type { EventsView, FleetEvent } from '../../api/types.ts';
import { quote } from '../../config/suggest.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
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
/** Keeps proxies from closing a silent stream, and shows us a client that is gone. */
const HEARTBEAT_MS = 15_000;
/** How long a client waits before it reconnects. */
const RETRY_MS = 2000;

export function eventsRoute(events: Events, clock: Clock): Route {
  return {
    path: '/events',
    methods: ['GET', 'HEAD'],
    access: 'watch',
    handle(request) {
      const wanted = readQuery(request);
      const isStream = acceptsStream(request.headers.accept);
      if (isStream) return streamOf(events, clock, () => select(events, wanted, lastSeenBy(request)));
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

/** A browser that reconnects sends the id of the last event it saw; its query is still the first one. */
function lastSeenBy({ headers }: RouteRequest): string | undefined {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id : undefined;
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

function acceptsStream(accept = ''): boolean {
  return accept
    .toLowerCase()
    .split(',')
    .some((range) => /^\s*text\/event-stream\s*(;(?!.*\bq=0(\.0*)?\s*(;|$))|$)/.test(range));
}

function streamOf(events: Events, clock: Clock, backlog: () => readonly FleetEvent[]): StreamReply {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    begin(write) {
      write(`retry: ${RETRY_MS}\n\n${backlog().map(textOf).join('')}`);
      const end = events.subscribe((event) => write(textOf(event)));
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

function textOf(event: FleetEvent): string {
  return `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
