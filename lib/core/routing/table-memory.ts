/**
 * The layout of the route table's shared memory: a header of counters, columns by ordinal and by thread, and two banks
 * of slots. `route-table.ts` says who writes what.
 */

export interface RouteTableShape {
  readonly slots: number;
  /** How many replicas can have a number at once. */
  readonly ordinals: number;
  /** How many data threads. */
  readonly workers: number;
}

/** Words of the header. */
export const VERSION = 0;
export const ELIGIBLE = 1;
export const IN_FLIGHT = 2;
export const WAITING = 3;
export const TICKET = 4;
export const KNOWN = 5;
export const ELIGIBLE_WEIGHT = 6;
export const CHANGES = 7;
/** One more than the ordinal whose most common key is looked for; 0 for none. */
export const WATCHED = 8;
const HEADER_WORDS = 9;
/** Tickets begin anew after 2^30 requests that waited. */
export const TICKETS = 0x3fffffff;
/** The ticket of a thread in which nobody waits. */
export const NO_TICKET = 0x7fffffff;

/** The views that both planes make over the same buffer. */
export interface Views {
  readonly header: Int32Array;
  readonly states: Int32Array;
  readonly inFlight: Int32Array;
  /** [ordinal]: its weight, in WEIGHT_UNITs. */
  readonly weights: Int32Array;
  /** [ordinal]: how fast it responds beside the others, in SPEED_UNITs; choices by load go by it. */
  readonly speeds: Int32Array;
  /** [ordinal]: requests that failed at the replica in a row, as all threads together have seen them. */
  readonly failures: Int32Array;
  /** [worker][ordinal]: the part of inFlight that this thread holds. */
  readonly held: Int32Array;
  /** [worker]: the part of the waiting count that is this thread's. */
  readonly waiting: Int32Array;
  /** [worker]: the ticket of the request that has waited longest in this thread, or NO_TICKET. */
  readonly heads: Int32Array;
  /** [worker]: raised and notified when waiting requests may have become placeable. */
  readonly wake: Int32Array;
  /** [worker]: the hash that most of its requests on the watched replica have, and how many have it. */
  readonly commonHash: Int32Array;
  readonly commonCount: Int32Array;
  readonly banks: readonly [Uint16Array, Uint16Array];
}

export function viewsOver(buffer: SharedArrayBuffer, shape: RouteTableShape): Views {
  let offset = 0;
  const words = (count: number): Int32Array => {
    const view = new Int32Array(buffer, offset, count);
    offset += view.byteLength;
    return view;
  };
  const bank = (): Uint16Array => {
    const view = new Uint16Array(buffer, offset, shape.slots);
    offset += view.byteLength;
    return view;
  };
  return {
    header: words(HEADER_WORDS),
    states: words(shape.ordinals),
    inFlight: words(shape.ordinals),
    weights: words(shape.ordinals),
    speeds: words(shape.ordinals),
    failures: words(shape.ordinals),
    held: words(shape.ordinals * shape.workers),
    waiting: words(shape.workers),
    heads: words(shape.workers),
    wake: words(shape.workers),
    commonHash: words(shape.workers),
    commonCount: words(shape.workers),
    banks: [bank(), bank()],
  };
}

/** Bytes of the shared memory for `shape`. */
export function routeTableBytes({ slots, ordinals, workers }: RouteTableShape): number {
  const words = HEADER_WORDS + ordinals * (5 + workers) + 5 * workers;
  return words * Int32Array.BYTES_PER_ELEMENT + 2 * slots * Uint16Array.BYTES_PER_ELEMENT;
}
