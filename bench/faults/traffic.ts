/**
 * GETs and POSTs at a fixed rate, whatever becomes of them, half of them on kept connections and half on new ones; with
 * what was lost. A request is lost where no whole response came, or one of 500 and above.
 */
import { Agent, request } from 'node:http';

/** Below the grain of timers: what is due within a tick is sent together. */
const TICK_MS = 10;
const RESPONSE_MS = 45_000;
/**
 * What was due longer ago than this is not sent: where this process gets no processor for seconds, all of it at once
 * would be a fault of its own, from which it does not recover.
 */
const MOST_LATE_MS = 500;

export interface Rates {
  readonly getsPerSecond: number;
  readonly postsPerSecond: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

const USUAL: Rates = { getsPerSecond: 100, postsPerSecond: 20 };

/** A request that was lost. */
export interface Loss {
  readonly id: string;
  /** The one that it was sent to. */
  readonly address: Address;
  /** From the start of the traffic. */
  readonly sentMs: number;
  readonly lostMs: number;
  readonly reason: string;
}

interface Counts {
  sent: number;
  lost: number;
}

export class Traffic {
  readonly gets: Counts = { sent: 0, lost: 0 };
  readonly posts: Counts = { sent: 0, lost: 0 };
  readonly losses: Loss[] = [];
  longestMs = 0;
  /** The longest time for which this process had no processor: losses about that time need not be the balancer's. */
  stallMs = 0;
  /** Bodies of responses: how many had each, and when the last request that got it was sent. */
  readonly bodies = new Map<string, { lastMs: number; count: number }>();
  readonly #addresses: readonly Address[];
  readonly #rates: Rates;
  readonly #kept = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();
  readonly #inFlight = new Map<Address, number>();
  readonly #sent = new Map<Address, number>();
  #isHeld = false;

  /**
   * At several addresses in turn, as clients that know them all: where no connection comes about, the next address
   * is asked, and that is no loss.
   */
  constructor(target: number | readonly Address[], rates: Rates = USUAL) {
    this.#addresses = typeof target === 'number' ? [{ host: '127.0.0.1', port: target }] : target;
    this.#rates = rates;
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** When the last was lost, in ms from the start; 0 where none was. */
  get lastLossMs(): number {
    return this.losses.at(-1)?.lostMs ?? 0;
  }

  /** Why requests were lost, and how many for that. */
  get reasons(): ReadonlyMap<string, number> {
    const groups = Map.groupBy(this.losses, ({ reason }) => reason);
    return new Map([...groups].map(([reason, losses]) => [reason, losses.length]));
  }

  /** Requests that are at the address now. */
  inFlightAt(address: Address): number {
    return this.#inFlight.get(address) ?? 0;
  }

  /** Requests that were sent to the address so far. */
  sentTo(address: Address): number {
    return this.#sent.get(address) ?? 0;
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

  #lookedMs = 0;

  #sendDue(): void {
    const nowMs = this.nowMs;
    this.stallMs = Math.max(this.stallMs, nowMs - this.#lookedMs);
    const fromMs = Math.max(this.#lookedMs, nowMs - MOST_LATE_MS);
    this.#lookedMs = nowMs;
    if (this.#isHeld) return;
    const { getsPerSecond, postsPerSecond } = this.#rates;
    for (let left = dueBetween(fromMs, nowMs, getsPerSecond); left > 0; left--) this.#send('GET', this.gets);
    for (let left = dueBetween(fromMs, nowMs, postsPerSecond); left > 0; left--)
      this.#send('POST', this.posts);
  }

  #send(method: string, counts: Counts): void {
    const number = counts.sent++;
    const id = `${method}-${process.pid}-${Math.round(this.#startMs)}-${number}`;
    const agent = counts.sent % 2 === 0 ? this.#kept : false;
    const sentMs = this.nowMs;
    const sending = this.#askInTurn(method, { id, agent }, number >> 1).then(
      (body) => {
        this.longestMs = Math.max(this.longestMs, this.nowMs - sentMs);
        const seen = this.bodies.get(body) ?? { lastMs: 0, count: 0 };
        this.bodies.set(body, { lastMs: Math.max(seen.lastMs, sentMs), count: seen.count + 1 });
      },
      ({ address, reason }: LostError) => {
        counts.lost++;
        this.losses.push({ id, address, sentMs, lostMs: this.nowMs, reason: `${method} ${reason}` });
      },
    );
    this.#underWay.add(sending);
    void sending.then(() => this.#underWay.delete(sending));
  }

  async #askInTurn(method: string, asking: Asking, first: number): Promise<string> {
    for (let tried = 1; ; tried++) {
      const address = this.#addresses[(first + tried) % this.#addresses.length]!;
      this.#inFlight.set(address, this.inFlightAt(address) + 1);
      this.#sent.set(address, this.sentTo(address) + 1);
      try {
        return await ask(address.port, method, '/work', { ...asking, host: address.host });
      } catch (error) {
        // a listener that is closed resets what it has not accepted
        const hasNotConnected = (error as NodeJS.ErrnoException).syscall === 'connect';
        if (!hasNotConnected || tried === this.#addresses.length)
          throw new LostError(address, (error as Error).message);
      } finally {
        this.#inFlight.set(address, this.inFlightAt(address) - 1);
      }
    }
  }
}

function dueBetween(fromMs: number, toMs: number, perSecond: number): number {
  return Math.floor((toMs * perSecond) / 1000) - Math.floor((fromMs * perSecond) / 1000);
}

/** No response of the address that was asked last, or none below 500. */
class LostError extends Error {
  readonly address: Address;
  readonly reason: string;

  constructor(address: Address, reason: string) {
    super(reason);
    this.address = address;
    this.reason = reason;
  }
}

export interface Asking {
  readonly id?: string;
  readonly agent?: Agent | false;
  readonly body?: string;
  /** This machine unless said. */
  readonly host?: string;
  readonly token?: string;
}

/** The body of the response; rejects where none came whole, or one of 500 and above. */
export function ask(
  port: number,
  method: string,
  path: string,
  { id, agent = false, body = '', host = '127.0.0.1', token }: Asking = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-length': Buffer.byteLength(body),
      ...(id && { 'x-request-id': id }),
      ...(token && { authorization: `Bearer ${token}` }),
    };
    const asked = request({ host, port, method, path, agent, headers }, (response) => {
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
