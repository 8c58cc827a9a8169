/**
 * What both planes share, in one SharedArrayBuffer: slot → ordinal, and for each ordinal a state word, a weight and
 * its counts.
 * The control plane alone writes slots, state words, weights and the counts of those eligible; data threads write
 * `failures` and the in-flight and waiting counts, of which the control plane only clears failures and gives back
 * what a dead thread held.
 * Invariants: all but the slots and each thread's own row of `held` is written through Atomics; slots are written to
 * the bank that is not published, then one version bump publishes it as bank `version & 1`, so a reader that sees the
 * same version before and after has read one table. What a pick reads of a replica it reads plainly, since V8 makes a
 * call of each `Atomics.load`, but only after an atomic load, of `version` or `changes`: on no processor do later loads
 * pass that one, so that a request that has begun to wait does not miss the place that was freed meanwhile.
 * Source: H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012 (sequence lock).
 */
import { NO_OWNER } from '../hashing/slot-table.ts';
import { KeyWatch } from './key-watch.ts';
import { SharedQueue } from './shared-queue.ts';
import {
  CHANGES,
  ELIGIBLE,
  ELIGIBLE_WEIGHT,
  IN_FLIGHT,
  KNOWN,
  NO_TICKET,
  type RouteTableShape,
  routeTableBytes,
  TICKET,
  TICKETS,
  VERSION,
  type Views,
  viewsOver,
  WAITING,
  WATCHED,
} from './table-memory.ts';

/**
 * What a state word's lowest three bits say. The word is `epoch * 8 + code`, and the epoch grows at every change, so
 * a word is never seen twice in a row for two different situations.
 */
export const STATE_CODES = {
  free: 0,
  starting: 1,
  healthy: 2,
  unhealthy: 3,
  draining: 4,
  /** Healthy, and drained by an operator: it gets requests of the clients that have its sticky cookie, and no others. */
  'sessions-only': 5,
} as const;
export type StateCode = keyof typeof STATE_CODES;
const CODE_MASK = 7;
const EPOCH_STEP = 8;
const HEALTHY: number = STATE_CODES.healthy;
const SESSIONS_ONLY: number = STATE_CODES['sessions-only'];
/** A weight of 1: weights are kept in hundredths, so that a replica in its slow start may have a part of its own. */
export const WEIGHT_UNIT = 100;
/** A speed of 1: as fast as the others. */
const SPEED_UNIT = 100;

/** True where the state word says the replica may be given requests. */
export function isEligible(word: number): boolean {
  return (word & CODE_MASK) === HEALTHY;
}

/** True where the state word says the replica may be given requests of clients that have its sticky cookie. */
export function servesSessions(word: number): boolean {
  const code = word & CODE_MASK;
  return code === HEALTHY || code === SESSIONS_ONLY;
}

/** True where the replica is on its way back to health, or is healthy: a client that waits a moment finds it again. */
export function isStaying(word: number): boolean {
  const code = word & CODE_MASK;
  return code !== STATE_CODES.free && code !== STATE_CODES.draining;
}

/** What a data thread sees, and the counting it does. Every method is a few loads; none allocates. */
export class RouteTable {
  readonly shape: RouteTableShape;
  readonly queue: SharedQueue;
  readonly #views: Views;
  /**
   * Where this thread's row of `held` begins: what it has in flight itself, so that it can be given back if the
   * thread dies.
   */
  readonly #row: number;

  /** `worker` is the calling thread's row, from 0. */
  constructor(buffer: SharedArrayBuffer, shape: RouteTableShape, worker: number) {
    this.shape = shape;
    this.#views = viewsOver(buffer, shape);
    this.queue = new SharedQueue(this.#views, worker);
    this.#row = worker * shape.ordinals;
  }

  get version(): number {
    return Atomics.load(this.#views.header, VERSION);
  }

  /** The slots published as `version`; read them only between two equal reads of `version`. */
  bankOf(version: number): Uint16Array {
    return this.#views.banks[(version & 1) as 0 | 1];
  }

  /** One more than the highest ordinal that ever had a state: a scan of all replicas ends here. */
  get known(): number {
    return Atomics.load(this.#views.header, KNOWN);
  }

  /** A plain load, as are `inFlight`, `weight` and their sums: read an atomic one first. */
  stateWord(ordinal: number): number {
    return this.#views.states[ordinal]!;
  }

  /** Requests in flight on the replica, from all threads. */
  inFlight(ordinal: number): number {
    return this.#views.inFlight[ordinal]!;
  }

  get eligible(): number {
    return Atomics.load(this.#views.header, ELIGIBLE);
  }

  /** In WEIGHT_UNITs, from 1. */
  weight(ordinal: number): number {
    return this.#views.weights[ordinal]!;
  }

  /** From 1 to 100: how fast it responds beside the others. */
  speed(ordinal: number): number {
    return this.#views.speeds[ordinal]!;
  }

  /** The weights of all eligible replicas together. */
  get eligibleWeight(): number {
    return this.#views.header[ELIGIBLE_WEIGHT]!;
  }

  /** Another number after every change of a state, a weight or a speed. */
  get changes(): number {
    return Atomics.load(this.#views.header, CHANGES);
  }

  get totalInFlight(): number {
    return this.#views.header[IN_FLIGHT]!;
  }

  get totalWaiting(): number {
    return Atomics.load(this.#views.header, WAITING);
  }

  /** Counts one more request in flight, unless that would pass `bound`; false then, and nothing changed. */
  acquire(ordinal: number, bound: number): boolean {
    const { inFlight, held, header } = this.#views;
    if (Atomics.add(inFlight, ordinal, 1) >= bound) {
      Atomics.sub(inFlight, ordinal, 1);
      return false;
    }
    Atomics.add(header, IN_FLIGHT, 1);
    held[this.#row + ordinal] = held[this.#row + ordinal]! + 1;
    return true;
  }

  /** The reverse of one `acquire`. */
  release(ordinal: number): void {
    const { inFlight, held, header } = this.#views;
    held[this.#row + ordinal] = held[this.#row + ordinal]! - 1;
    Atomics.sub(header, IN_FLIGHT, 1);
    Atomics.sub(inFlight, ordinal, 1);
  }

  /** The replica whose most common key the control plane looks for; below 0 for none. */
  get watched(): number {
    return Atomics.load(this.#views.header, WATCHED) - 1;
  }

  /** The hash that most requests of this thread on the watched replica have, and how many have it. */
  setCommonKey(hash: number, count: number): void {
    const { commonHash, commonCount } = this.#views;
    const worker = this.#row / this.shape.ordinals;
    Atomics.store(commonHash, worker, hash | 0);
    Atomics.store(commonCount, worker, count);
  }

  /** Counts one more failure in a row; gives how many that makes. */
  addFailure(ordinal: number): number {
    return Atomics.add(this.#views.failures, ordinal, 1) + 1;
  }

  /** A request succeeded: failures count from the beginning. A plain load where there are none, as nearly always. */
  clearFailures(ordinal: number): void {
    const { failures } = this.#views;
    if (failures[ordinal] !== 0) Atomics.store(failures, ordinal, 0);
  }
}

/** What the control plane does to the table. There is one writer. */
export class RouteTableWriter {
  readonly shape: RouteTableShape;
  readonly buffer: SharedArrayBuffer;
  readonly keyWatch: KeyWatch;
  readonly #views: Views;

  constructor(shape: RouteTableShape) {
    if (shape.ordinals >= NO_OWNER)
      throw new RangeError(`at most ${NO_OWNER - 1} ordinals, not ${shape.ordinals}`);
    this.shape = shape;
    this.buffer = new SharedArrayBuffer(routeTableBytes(shape));
    this.#views = viewsOver(this.buffer, shape);
    this.keyWatch = new KeyWatch(this.#views);
    this.#views.banks[0].fill(NO_OWNER);
    this.#views.heads.fill(NO_TICKET);
    this.#views.weights.fill(WEIGHT_UNIT);
    this.#views.speeds.fill(SPEED_UNIT);
  }

  get version(): number {
    return Atomics.load(this.#views.header, VERSION);
  }

  /** The published slots. */
  get slots(): Uint16Array {
    return this.#views.banks[(this.version & 1) as 0 | 1];
  }

  /** Lets `fill` write a whole new slot array, then publishes it. Readers see the old one or the new one. */
  publish(fill: (slots: Uint16Array) => void): void {
    const next = (this.version + 1) | 0;
    fill(this.#views.banks[(next & 1) as 0 | 1]);
    Atomics.store(this.#views.header, VERSION, next);
  }

  stateWord(ordinal: number): number {
    return Atomics.load(this.#views.states, ordinal);
  }

  /** Sets the state under a new epoch, counts who is eligible, and wakes who waits for that. */
  setState(ordinal: number, state: StateCode): void {
    const { states, header, weights } = this.#views;
    const before = Atomics.load(states, ordinal);
    const word = (before - (before & CODE_MASK) + EPOCH_STEP) | STATE_CODES[state] | 0;
    Atomics.store(states, ordinal, word);
    if (ordinal >= Atomics.load(header, KNOWN)) Atomics.store(header, KNOWN, ordinal + 1);
    const change = Number(isEligible(word)) - Number(isEligible(before));
    if (change !== 0) {
      Atomics.add(header, ELIGIBLE, change);
      Atomics.add(header, ELIGIBLE_WEIGHT, change * Atomics.load(weights, ordinal));
    }
    Atomics.add(header, CHANGES, 1);
    this.wakeAll();
  }

  /** Sets the weight by which the replica's load is judged: from 0.01, 1 where it was never set. */
  setWeight(ordinal: number, weight: number): void {
    const { states, weights, header } = this.#views;
    const units = Math.max(1, Math.round(weight * WEIGHT_UNIT));
    const change = units - Atomics.exchange(weights, ordinal, units);
    if (change === 0) return;
    if (isEligible(Atomics.load(states, ordinal))) Atomics.add(header, ELIGIBLE_WEIGHT, change);
    Atomics.add(header, CHANGES, 1);
    this.wakeAll();
  }

  /** Sets how fast the replica responds beside the others: from 0.01 to 1, 1 where it was never set. */
  setSpeed(ordinal: number, speed: number): void {
    Atomics.store(this.#views.speeds, ordinal, Math.max(1, Math.round(speed * SPEED_UNIT)));
    Atomics.add(this.#views.header, CHANGES, 1);
  }

  /** What failed in a row until now counts no more. */
  clearFailures(ordinal: number): void {
    Atomics.store(this.#views.failures, ordinal, 0);
  }

  get eligible(): number {
    return Atomics.load(this.#views.header, ELIGIBLE);
  }

  inFlight(ordinal: number): number {
    return Atomics.load(this.#views.inFlight, ordinal);
  }

  get totalInFlight(): number {
    return Atomics.load(this.#views.header, IN_FLIGHT);
  }

  get totalWaiting(): number {
    return Atomics.load(this.#views.header, WAITING);
  }

  /** The ticket of the request that begins to wait next. */
  get nextTicket(): number {
    return Atomics.load(this.#views.header, TICKET) & TICKETS;
  }

  /** True where a request waits that began to before `ticket` was the next one. */
  isWaitingSince(ticket: number): boolean {
    const { heads } = this.#views;
    for (let worker = 0; worker < heads.length; worker++) {
      const head = Atomics.load(heads, worker);
      // tickets begin anew, so which of two is older is a matter of the shorter way round
      if (head !== NO_TICKET && ((ticket - head - 1) & TICKETS) < TICKETS / 2) return true;
    }
    return false;
  }

  /** What a data thread sees at this moment, in memory of its own: what is counted there is counted nowhere else. */
  snapshot(): RouteTable {
    const { shape, buffer } = this;
    const copy = new SharedArrayBuffer(buffer.byteLength);
    const words = (buffer.byteLength - 2 * this.slots.byteLength) / Int32Array.BYTES_PER_ELEMENT;
    const [from, to] = [new Int32Array(buffer, 0, words), new Int32Array(copy, 0, words)];
    for (let word = 0; word < words; word++) to[word] = Atomics.load(from, word);
    const views = viewsOver(copy, shape);
    for (const bank of [0, 1] as const) views.banks[bank].set(this.#views.banks[bank]);
    return new RouteTable(copy, shape, 0);
  }

  wakeAll(): void {
    const { wake } = this.#views;
    for (let worker = 0; worker < wake.length; worker++) {
      Atomics.add(wake, worker, 1);
      Atomics.notify(wake, worker);
    }
  }

  /** Gives back what a data thread that died held in flight and waiting; `worker` is its row. */
  releaseRow(worker: number): void {
    const { held, inFlight, header, waiting } = this.#views;
    for (let ordinal = 0; ordinal < this.shape.ordinals; ordinal++) {
      const count = Atomics.exchange(held, worker * this.shape.ordinals + ordinal, 0);
      if (count === 0) continue;
      Atomics.sub(inFlight, ordinal, count);
      Atomics.sub(header, IN_FLIGHT, count);
    }
    Atomics.sub(header, WAITING, Atomics.exchange(waiting, worker, 0));
    Atomics.store(this.#views.heads, worker, NO_TICKET);
    this.wakeAll();
  }
}
