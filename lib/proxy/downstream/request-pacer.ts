/**
 * Has no more than a few requests taken in one round of the event loop; those that came with them wait for the next
 * rounds, in their order. Must not hold: what is taken.
 *
 * Of a thousand clients hundreds ask within one round. Taken all at once, each request has left the processor's caches
 * by the time its answer is read, each needs a connection to a replica of its own, and most survive a collection.
 * In small groups the answers of one are there when the next goes out: with 1,000 clients a tenth less for a request.
 * Nobody waits for time to pass: while requests wait, the rounds follow one another without a pause.
 * Source: Larus and Parkes, «Using Cohort Scheduling to Enhance Server Performance», USENIX ATC 2002.
 */

/** So many are taken in a round. With 16 it is the same, with 64 half of the gain is lost. */
const MOST_A_ROUND = 32;
/** So many where others are to be seen to first: enough that nobody can keep them waiting for good. */
const FEWEST_A_ROUND = 4;

export class RequestPacer<T> {
  readonly #take: (each: T) => void;
  #deferred: T[] = [];
  /** Those before it have been taken. */
  #first = 0;
  #taken = 0;
  #most = MOST_A_ROUND;
  #isRoundEndDue = false;

  /** `take` is called for each that waited. */
  constructor(take: (each: T) => void) {
    this.#take = take;
  }

  /** One that has come may be taken now, and counts as taken; else it is to `wait`. */
  tryAdmit(): boolean {
    if (this.#first < this.#deferred.length || this.#taken >= this.#most) return false;
    this.#count();
    return true;
  }

  wait(each: T): void {
    this.#deferred.push(each);
  }

  /** Has few taken in a round, so that rounds are short for what else is seen to in them, or as many as usual again. */
  setAcceptPriority(must: boolean): void {
    this.#most = must ? FEWEST_A_ROUND : MOST_A_ROUND;
  }

  #count(): void {
    this.#taken++;
    if (this.#isRoundEndDue) return;
    this.#isRoundEndDue = true;
    setImmediate(this.#onRoundEnd);
  }

  readonly #onRoundEnd = (): void => {
    this.#isRoundEndDue = false;
    this.#taken = 0;
    while (this.#first < this.#deferred.length && this.#taken < this.#most) {
      this.#count();
      this.#take(this.#deferred[this.#first++]!);
    }
    if (this.#first < this.#deferred.length) return;
    this.#deferred = [];
    this.#first = 0;
  };
}
