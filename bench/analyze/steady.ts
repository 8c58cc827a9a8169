/**
 * A-3's load: requests that are due at even distances and do not wait for one another, with what became of each.
 * Latency runs from when a request was due, so that one that could not be sent in time counts as late.
 */
import { Client, replicaIn } from './client.ts';

export interface Sample {
  /** When it was due, from the start of the load. */
  readonly dueMs: number;
  readonly doneMs: number;
  /** What went wrong; undefined where a replica answered. */
  readonly failure: string | undefined;
}

/** Below the grain of timers: what is due within a tick is sent together. */
const TICK_MS = 5;
const CONNECTIONS = 512;

export class SteadyLoad {
  readonly samples: Sample[] = [];
  readonly #client: Client;
  readonly #startMs = performance.now();
  readonly #ids: readonly string[];
  readonly #perSecond: number;
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();
  #sent = 0;

  /** Begins at once; the ids are sent in turn, and again from the first one. */
  constructor(url: URL, ids: readonly string[], perSecond: number) {
    this.#client = new Client(url, CONNECTIONS);
    this.#ids = ids;
    this.#perSecond = perSecond;
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  /** Milliseconds since the start. */
  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  get perSecond(): number {
    return this.#perSecond;
  }

  get failed(): number {
    return this.samples.filter(({ failure }) => failure !== undefined).length;
  }

  /** Sends no more; resolves when every request has its answer. */
  async end(): Promise<readonly Sample[]> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#client.close();
    return this.samples;
  }

  #sendDue(): void {
    const due = Math.floor((this.nowMs * this.#perSecond) / 1000);
    while (this.#sent < due) {
      const sending = this.#send(this.#sent++);
      this.#underWay.add(sending);
      void sending.then(() => this.#underWay.delete(sending));
    }
  }

  async #send(number: number): Promise<void> {
    const dueMs = (number * 1000) / this.#perSecond;
    const failure = await this.#failureOf(this.#ids[number % this.#ids.length]!);
    this.samples.push({ dueMs, doneMs: this.nowMs, failure });
  }

  async #failureOf(id: string): Promise<string | undefined> {
    try {
      const answer = await this.#client.ask('GET', '/home', { headers: { 'x-request-id': id } });
      return replicaIn(answer) === undefined ? `${answer.status} ${answer.body}` : undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
