/**
 * GETs and POSTs at a fixed rate, whatever becomes of them, half of them on kept connections and half on new ones; with
 * what was lost. A request is lost where no whole response came, or one of 500 and above.
 */
import { Agent, request } from 'node:http';

/** Below the grain of timers: what is due within a tick is sent together. */
const TICK_MS = 10;
const RESPONSE_MS = 45_000;

export interface Rates {
  readonly getsPerSecond: number;
  readonly postsPerSecond: number;
}

const USUAL: Rates = { getsPerSecond: 100, postsPerSecond: 20 };

interface Counts {
  sent: number;
  lost: number;
}

export class Traffic {
  readonly gets: Counts = { sent: 0, lost: 0 };
  readonly posts: Counts = { sent: 0, lost: 0 };
  /** Why requests were lost, and how many for that. */
  readonly reasons = new Map<string, number>();
  /** When the last was lost, in ms from the start; 0 where none was. */
  lastLossMs = 0;
  longestMs = 0;
  readonly #port: number;
  readonly #rates: Rates;
  readonly #kept = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();
  #isHeld = false;

  constructor(port: number, rates: Rates = USUAL) {
    this.#port = port;
    this.#rates = rates;
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Nobody is there to be asked; what was due meanwhile is not sent. */
  set isHeld(isHeld: boolean) {
    this.#isHeld = isHeld;
  }

  /** Sends no more; resolves when all has its response. */
  async end(): Promise<this> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#kept.destroy();
    return this;
  }

  #due = { gets: 0, posts: 0 };

  #sendDue(): void {
    const seconds = this.nowMs / 1000;
    const due = {
      gets: Math.floor(seconds * this.#rates.getsPerSecond),
      posts: Math.floor(seconds * this.#rates.postsPerSecond),
    };
    if (!this.#isHeld) {
      for (let left = due.gets - this.#due.gets; left > 0; left--) this.#send('GET', this.gets);
      for (let left = due.posts - this.#due.posts; left > 0; left--) this.#send('POST', this.posts);
    }
    this.#due = due;
  }

  #send(method: string, counts: Counts): void {
    const id = `${method}-${process.pid}-${Math.round(this.#startMs)}-${counts.sent++}`;
    const agent = counts.sent % 2 === 0 ? this.#kept : false;
    const sentMs = this.nowMs;
    const sending = ask(this.#port, method, '/work', { id, agent }).then(
      () => {
        this.longestMs = Math.max(this.longestMs, this.nowMs - sentMs);
      },
      (error: Error) => {
        counts.lost++;
        this.lastLossMs = this.nowMs;
        const reason = `${method} ${error.message}`;
        this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
      },
    );
    this.#underWay.add(sending);
    void sending.then(() => this.#underWay.delete(sending));
  }
}

export interface Asking {
  readonly id?: string;
  readonly agent?: Agent | false;
  readonly body?: string;
}

/** The body of the response; rejects where none came whole, or one of 500 and above. */
export function ask(
  port: number,
  method: string,
  path: string,
  { id, agent = false, body = '' }: Asking = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body), ...(id && { 'x-request-id': id }) };
    const asked = request({ host: '127.0.0.1', port, method, path, agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', fail);
      response.once('end', () => {
        clearTimeout(timer);
        const { statusCode = 0 } = response;
        if (statusCode < 500) resolve(text);
        else reject(new Error(`${statusCode} ${text.slice(0, 90).trim()}`));
      });
    });
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => asked.destroy(new Error('no response in time')), RESPONSE_MS);
    asked.once('error', fail);
    asked.end(body);
  });
}
