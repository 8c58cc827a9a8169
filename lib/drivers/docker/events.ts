/**
 * Turns the engine's event stream into hints, and reconnects forever.
 * Invariants: every subscription is followed by a hint to list again, so what happened before it is not missed;
 * `engine-lost` and `engine-back` alternate.
 */
import type { Readable } from 'node:stream';
import { type Clock, sleep } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Hint } from '../driver.ts';
import type { DockerEngine } from './engine.ts';
import { eventFilters, hintOf } from './mapper.ts';

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 5_000;

export interface EventWatchOptions {
  readonly engine: Pick<DockerEngine, 'events'>;
  /** The label of the containers whose events are wanted, `key` or `key=value`. */
  readonly label: string;
  readonly clock: Clock;
  readonly onHint: (hint: Hint) => void;
}

export class EventWatch {
  readonly #options: EventWatchOptions;
  #stream: Readable | undefined;
  #isClosed = false;
  #isLost = false;

  /** Subscribes at once. */
  constructor(options: EventWatchOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Ends the subscription; no hint follows. */
  close(): void {
    this.#isClosed = true;
    this.#stream?.destroy();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let delayMs = FIRST_DELAY_MS;
    while (!this.#isClosed) {
      const openedMs = clock.nowMs();
      const cause = await this.#followStream();
      if (this.#isClosed) return;
      if (!this.#isLost) this.#options.onHint({ kind: 'engine-lost', cause });
      this.#isLost = true;
      // a stream that lasted counts as a success, so its end starts a new backoff
      if (clock.nowMs() - openedMs > LAST_DELAY_MS) delayMs = FIRST_DELAY_MS;
      await sleep(clock, delayMs);
      delayMs = Math.min(delayMs * 2, LAST_DELAY_MS);
    }
  }

  /** Reads one stream to its end; resolves to the reason for it. */
  async #followStream(): Promise<string> {
    const { engine, label } = this.#options;
    try {
      const stream = await engine.events(eventFilters(label));
      this.#stream = stream;
      if (this.#isClosed) stream.destroy();
      else this.#subscribed();
      for await (const line of linesOf(stream)) this.#emit(hintOf(line));
      return 'the event stream ended';
    } catch (error) {
      return messageOf(error);
    }
  }

  #subscribed(): void {
    if (this.#isLost) this.#emit({ kind: 'engine-back' });
    this.#isLost = false;
    this.#emit({ kind: 'changed', cause: 'subscribed to events' });
  }

  #emit(hint: Hint | undefined): void {
    if (hint && !this.#isClosed) this.#options.onHint(hint);
  }
}

/** Throws when the stream is cut, where `node:readline` would wait forever. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const text of stream.setEncoding('utf8')) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
