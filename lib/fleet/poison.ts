/**
 * Finds requests that crash instances, so that retries of one request do not end the whole fleet.
 * A request is poison when two instances ended by their own doing while it was on them; of a kind of request (a
 * method and a path) `#reconsider` says when it is.
 * Invariants: only requests that have lost an instance are known here; `isPoison` of a kind changes with `publish`
 * alone.
 */

import { type Ending, isFromOutside } from '../core/ending.ts';
import { kindOf, type LosingRequest, type Loss, type Settlement } from '../core/policy/poison.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Journal } from './journal.ts';

export interface PoisonParts {
  readonly clock: Clock;
  readonly journal: Pick<Journal, 'note'>;
  /** Sends every data thread the kinds of request that are poison now. */
  readonly publish: (kinds: readonly string[]) => void;
}

/** An instance that has ended. */
export interface End {
  readonly generation: number;
  readonly replica: string;
  readonly ending: Ending;
}

/** Two ends within this time count together, and a kind stays poison for this long after the last. */
const WINDOW_MS = 60_000;
/** A connection that closed within this time of an end was closed by it. */
const SAME_MOMENT_MS = 5000;
/** The longest wait for the news that an instance has ended, and how. */
const VERDICT_MS = 1000;
/** The most that is kept: kinds, losses of each, ends. */
const MOST_KINDS = 256;
const MOST_LOSSES = 256;
const MOST_ENDS = 1024;
/** How many names, and how much of each, stand in an event. */
const NAMED = 4;
const NAMED_CHARS = 48;

interface KnownEnd {
  readonly replica: string;
  readonly isOwn: boolean;
  readonly atMs: number;
}

interface KnownLoss {
  readonly id: string;
  readonly generation: number;
  readonly atMs: number;
}

interface Kind {
  readonly name: string;
  losses: KnownLoss[];
  /** Ids of requests that have lost an instance and are not over. */
  readonly open: Set<string>;
  /** When one of them was served by another replica. */
  servedMs: number;
  /** It is poison until then. */
  untilMs: number;
}

interface Question {
  readonly generations: readonly number[];
  readonly onVerdict: (isPoison: boolean) => void;
  readonly timer: Timer;
}

export class Poison {
  readonly #parts: PoisonParts;
  /** In the order in which they last lost an instance. */
  readonly #kinds = new Map<string, Kind>();
  /** By generation, in the order of the ends. */
  readonly #ends = new Map<number, KnownEnd>();
  readonly #questions = new Set<Question>();
  #published: readonly string[] = [];
  #expiry: Timer | undefined;

  constructor(parts: PoisonParts) {
    this.#parts = parts;
  }

  /** Records that a request was on an instance that was lost. */
  recordLoss(loss: Loss): void {
    const kind = this.#kindOf(loss);
    kind.losses = this.#recent([...kind.losses, { ...loss, atMs: this.#nowMs }]).slice(-MOST_LOSSES);
    kind.open.add(loss.id);
    this.#reconsider(kind);
  }

  /** Records that a request which had lost an instance is over. */
  recordSettlement(request: Settlement): void {
    const kind = this.#kinds.get(kindOf(request));
    if (kind === undefined) return;
    kind.open.delete(request.id);
    if (request.isServed) {
      kind.servedMs = this.#nowMs;
      kind.untilMs = Number.NEGATIVE_INFINITY;
      this.#publish();
    }
    this.#reconsider(kind);
  }

  /**
   * Records how an instance ended. What was ended from outside (kill -9, an operator, the balancer) says nothing
   * about any request.
   */
  recordEnd({ generation, replica, ending }: End): void {
    this.#ends.set(generation, { replica, isOwn: !isFromOutside(ending), atMs: this.#nowMs });
    dropOldest(this.#ends, MOST_ENDS);
    for (const kind of this.#kinds.values())
      if (kind.losses.some((loss) => loss.generation === generation)) this.#reconsider(kind);
    for (const question of [...this.#questions]) this.#decide(question);
  }

  /** Asks whether two of these instances ended by their own doing; `onVerdict` is called once, a second later at most. */
  judge(generations: readonly number[], onVerdict: (isPoison: boolean) => void): void {
    const timer = this.#parts.clock.after(VERDICT_MS, () => this.#decideAs(question, false));
    const question: Question = { generations, onVerdict, timer };
    this.#questions.add(question);
    this.#decide(question);
  }

  close(): void {
    this.#expiry?.cancel();
    for (const { timer } of this.#questions) timer.cancel();
    this.#questions.clear();
  }

  get #nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  #decide(question: Question): void {
    const ends = question.generations.map((generation) => this.#ends.get(generation));
    if (ends.filter((end) => end?.isOwn === true).length > 1) this.#decideAs(question, true);
    // those not known yet may still end, but cannot make two of them
    else if (ends.filter((end) => end?.isOwn !== false).length < 2) this.#decideAs(question, false);
  }

  #decideAs(question: Question, isPoison: boolean): void {
    if (!this.#questions.delete(question)) return;
    question.timer.cancel();
    question.onVerdict(isPoison);
  }

  #kindOf(request: LosingRequest): Kind {
    const name = kindOf(request);
    const kind = this.#kinds.get(name) ?? {
      name,
      losses: [],
      open: new Set(),
      servedMs: Number.NEGATIVE_INFINITY,
      untilMs: Number.NEGATIVE_INFINITY,
    };
    this.#kinds.delete(name);
    this.#kinds.set(name, kind);
    dropOldest(this.#kinds, MOST_KINDS);
    return kind;
  }

  #recent(losses: readonly KnownLoss[]): KnownLoss[] {
    return losses.filter(({ atMs }) => this.#nowMs - atMs < WINDOW_MS);
  }

  /**
   * Marks the kind as poison where it is, and notes that once: when two instances ended within a minute by their own
   * doing, unless a request of the kind which had lost an instance was then served by another replica: it was there
   * by chance, as most requests are when an instance ends.
   */
  #reconsider(kind: Kind): void {
    const guilty = this.#recent(kind.losses).filter((loss) => this.#hasEndedWith(loss));
    const generations = new Set(guilty.map(({ generation }) => generation));
    if (generations.size < 2 || this.#nowMs - kind.servedMs < WINDOW_MS) return;
    const ids = new Set(guilty.map(({ id }) => id));
    // requests that were each on one instance, and are under way again, may yet be served
    if (ids.size === guilty.length && kind.open.size > 0) return;
    const wasPoison = kind.untilMs > this.#nowMs;
    const lastMs = Math.max(...[...generations].map((generation) => this.#ends.get(generation)!.atMs));
    if (this.#nowMs >= lastMs + WINDOW_MS) return;
    kind.untilMs = lastMs + WINDOW_MS;
    if (!wasPoison) this.#noteInJournal(kind.name, [...ids], [...generations]);
    this.#publish();
  }

  #hasEndedWith({ generation, atMs }: KnownLoss): boolean {
    const end = this.#ends.get(generation);
    return end?.isOwn === true && Math.abs(end.atMs - atMs) < SAME_MOMENT_MS;
  }

  #noteInJournal(name: string, ids: readonly string[], generations: readonly number[]): void {
    const replicas = generations.map((generation) => this.#ends.get(generation)!.replica);
    const cause = `${shortened(name)} was on ${named(replicas)} when they ended; requests ${named(ids)}`;
    this.#parts.journal.note({ kind: 'poison', cause });
  }

  /** Publishes the kinds where they have changed, and again when the first of them expires. */
  #publish(): void {
    const nowMs = this.#nowMs;
    const poison = [...this.#kinds.values()].filter(({ untilMs }) => untilMs > nowMs);
    const names = poison.map(({ name }) => name);
    if (names.join('\n') !== this.#published.join('\n')) {
      this.#published = names;
      this.#parts.publish(names);
    }
    this.#expiry?.cancel();
    if (poison.length === 0) return;
    const nextMs = Math.min(...poison.map(({ untilMs }) => untilMs));
    this.#expiry = this.#parts.clock.after(nextMs - nowMs, () => this.#publish());
  }
}

function dropOldest<Key>(map: Map<Key, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}

function shortened(text: string): string {
  return text.length > NAMED_CHARS ? `${text.slice(0, NAMED_CHARS - 1)}…` : text;
}

function named(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).map(shortened).join(', ')}${more}`;
}
