/** Events as columns: a table of past ones, and lines of the same columns for those that are followed. */
import type { FleetEvent } from '../../api/types.ts';
import {
  type Column,
  counted,
  cut,
  duration,
  LEAST_NAME,
  type Output,
  padded,
  printable,
  widthOf,
} from '../output.ts';

const KIND_COLOURS = {
  healthy: 'green',
  unhealthy: 'red',
  ejected: 'red',
  died: 'red',
  poison: 'red',
  'start-failed': 'red',
  'engine-lost': 'red',
  'source-lost': 'red',
  panic: 'red',
  'panic-over': 'green',
  'engine-back': 'green',
  'source-back': 'green',
} as const satisfies Readonly<Record<string, 'green' | 'red'>>;

/** Terminals narrower than these get a shorter time: without the fraction, and without the date. */
const WHOLE_TIME = 100;
const WITH_DATE = 70;
/** Narrower ones have event and cause as one text, which has room for more of the cause than two columns. */
const WITH_COLUMNS = 60;
/** What a long name is cut to there. */
const SHORT_NAME = 10;
/** `start-failed`: how often may be cut. */
const LEAST_KIND = 12;

/** Columns of a table of events; in a narrow terminal those with the highest `drop` go first, and the replica last. */
export function eventColumns(output: Output): readonly Column<FleetEvent>[] {
  if (output.columns < WITH_COLUMNS) return narrowColumns(output);
  return [
    { title: 'TIME', cell: ({ time }) => timeFor(output, time) },
    { title: 'REPLICA', cell: ({ replica }) => printable(replica ?? ''), least: LEAST_NAME, drop: 0 },
    { title: 'EVENT', cell: (event) => kindOf(output, event), least: LEAST_KIND },
    { title: 'TOOK', align: 'right', cell: tookOf, drop: 2 },
    { title: 'COST', cell: costOf, drop: 3 },
    { title: 'CAUSE', cell: causeOf, isFlexible: true, drop: 1 },
  ];
}

function narrowColumns(output: Output): readonly Column<FleetEvent>[] {
  return [
    { title: 'TIME', cell: ({ time }) => timeFor(output, time) },
    { title: 'REPLICA', cell: ({ replica }) => cut(printable(replica ?? ''), SHORT_NAME), drop: 0 },
    { title: 'EVENT', cell: (event) => eventAndCause(output, event), isFlexible: true },
  ];
}

/** `2026-11-21T03:12:00.000Z`, `11-21 03:12:00` or `03:12:00`. */
function timeFor({ columns }: Output, time: string): string {
  if (columns >= WHOLE_TIME) return printable(time);
  return printable(time)
    .slice(columns >= WITH_DATE ? 5 : 11, 19)
    .replace('T', ' ');
}

/** Lines for followed events: a column grows with what it has to hold, since what comes is not known. */
export class EventLines {
  readonly #output: Output;
  #replicaWidth = 'REPLICA'.length;
  #kindWidth = 'start-failed'.length;

  constructor(output: Output) {
    this.#output = output;
  }

  lineOf(event: FleetEvent): string {
    const { columns } = this.#output;
    if (columns < WITH_COLUMNS) return this.#narrowLineOf(event);
    const replica = printable(event.replica ?? '');
    const kind = kindOf(this.#output, event);
    // columns that grow too much would leave nothing for the cause
    const mostOfReplica = Math.max(LEAST_NAME, Math.floor(columns / 4));
    const mostOfKind = Math.max(LEAST_KIND, Math.floor(columns / 3));
    this.#replicaWidth = Math.min(mostOfReplica, Math.max(this.#replicaWidth, widthOf(replica)));
    this.#kindWidth = Math.min(mostOfKind, Math.max(this.#kindWidth, widthOf(kind)));
    const rest = [tookOf(event), causeOf(event), costOf(event)].filter((part) => part !== '').join('  ');
    const line = [
      timeFor(this.#output, event.time),
      padded(cut(replica, this.#replicaWidth), this.#replicaWidth),
      padded(cut(kind, this.#kindWidth), this.#kindWidth),
      rest,
    ];
    return cut(line.join('  ').trimEnd(), columns);
  }

  /** Without columns: a name that comes later would move them. */
  #narrowLineOf(event: FleetEvent): string {
    const parts = [
      timeFor(this.#output, event.time),
      cut(printable(event.replica ?? ''), SHORT_NAME),
      eventAndCause(this.#output, event),
    ];
    return cut(parts.filter((part) => part !== '').join('  '), this.#output.columns);
  }
}

/** `died: SIGKILL`, `start-failed: exit 1 (× 3)`: how often comes last, since the end may be cut. */
function eventAndCause(output: Output, event: FleetEvent): string {
  const cause = causeOf(event);
  const { count = 1 } = event;
  const kind = kindOf(output, { ...event, count: 1 });
  return `${kind}${cause === '' ? '' : `: ${cause}`}${count > 1 ? ` (× ${count})` : ''}`;
}

/** The kind in its colour, ` × 3` behind it for what happened three times by now. */
function kindOf(output: Output, { kind, count = 1 }: FleetEvent): string {
  const colour = kind in KIND_COLOURS ? KIND_COLOURS[kind as keyof typeof KIND_COLOURS] : undefined;
  const name = colour === undefined ? printable(kind) : output.paint(colour, kind);
  return count > 1 ? `${name} × ${count}` : name;
}

function tookOf({ ms }: FleetEvent): string {
  return ms === null ? '' : duration(ms);
}

/** The cause, and the image that was started. */
function causeOf({ cause, image }: FleetEvent): string {
  return [cause, image]
    .filter((part) => typeof part === 'string')
    .map(printable)
    .join('; ');
}

/** `2 requests retried, 1 request failed`; '' where it cost nothing. */
function costOf({ cost }: FleetEvent): string {
  return Object.entries(cost ?? {})
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${counted(count, 'request')} ${what}`)
    .join(', ');
}
