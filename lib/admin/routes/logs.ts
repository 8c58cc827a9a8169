/**
 * `/logs`: what the instances of replicas printed, as JSON, or as a stream of server-sent events.
 */
import type { LogLine, LogsView } from '../../api/types.ts';
import { didYouMean, orList, quote } from '../../config/suggest.ts';
import type { DriverKind } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { acceptsStream, eventStream, lastEventId } from '../event-stream.ts';
import { checkParameters, refuse } from '../query.ts';
import { succeeded } from '../reply.ts';
import type { Route, RouteRequest } from './fleet.ts';

/** Which lines are wanted; nothing named is everything. */
interface Filter {
  readonly replicas: readonly string[];
  readonly instance: string | undefined;
}

/** Where lines come from. */
export interface Logs {
  /** Names of replicas that have a log. */
  names(): readonly string[];
  /** The last `count` lines, the oldest first. */
  last(filter: Filter, count: number): readonly LogLine[];
  /** Calls the listener at once with the last `count`, or what came after `lastId`, and then with what is new. */
  follow(
    filter: Filter,
    from: { readonly count: number; readonly lastId?: string | undefined },
    listener: (lines: readonly LogLine[]) => void,
  ): () => void;
}

export interface LogsParts {
  readonly logs: Logs;
  readonly driver: DriverKind;
  readonly fleet: { names(): readonly string[] };
  readonly clock: Clock;
}

const LINES = 200;
const LINES_PATTERN = /^\d{1,5}$/;
/** Drivers that pass on what their instances print; for the others, where it can be read instead. */
const ELSEWHERE: Readonly<Partial<Record<DriverKind, string>>> = {
  static: 'the servers are run by others',
  discover: 'the servers are run by others',
  swarm: 'read them with "docker service logs"',
};

/** True where the driver passes on what its instances print. */
export function hasLogs(driver: DriverKind): boolean {
  return ELSEWHERE[driver] === undefined;
}

export function logsRoute(parts: LogsParts): Route {
  const { logs, clock } = parts;
  return {
    path: '/logs',
    methods: ['GET', 'HEAD'],
    access: 'watch',
    handle(request) {
      const { filter, count } = readQuery(parts, request);
      if (acceptsStream(request.headers.accept)) {
        const lastId = lastEventId(request.headers);
        return eventStream(clock, (write) =>
          logs.follow(filter, { count, lastId }, (lines) => write(lines.map(textOf).join(''))),
        );
      }
      const lines = logs.last(filter, count);
      return succeeded({ N: lines.length, lines } satisfies LogsView);
    },
  };
}

function readQuery({ logs, driver, fleet }: LogsParts, { query }: RouteRequest) {
  checkParameters(query, ['lines', 'instance'], ['replica']);
  const elsewhere = ELSEWHERE[driver];
  if (elsewhere !== undefined) refuse(`The ${driver} driver has no logs of replicas: ${elsewhere}`);
  const lines = query.get('lines') ?? String(LINES);
  if (!LINES_PATTERN.test(lines)) refuse(`lines must be a whole number, not ${quote(lines)}`);
  const known = [...new Set([...fleet.names(), ...logs.names()])];
  const replicas = [...new Set(query.getAll('replica'))];
  for (const name of replicas) {
    const hint = didYouMean(name, known) || (known.length > 0 ? `; there is ${orList(known)}` : '');
    if (!known.includes(name)) refuse(`There is no log of a replica ${quote(name)}${hint}`);
  }
  return { filter: { replicas, instance: query.get('instance') ?? undefined }, count: Number(lines) };
}

function textOf(line: LogLine): string {
  return `id: ${line.id}\nevent: line\ndata: ${JSON.stringify(line)}\n\n`;
}
