/**
 * What A-8's load balancers stand between: servers of unequal speed, and an open load of requests at random moments.
 * Latency runs from the moment a request was due, so that a queue is charged with all whom it held up.
 */
import { once } from 'node:events';
import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { percentile } from '../proxy/stats.ts';
import type { Random } from './random.ts';

/** A server that works on one request at a time, for a fixed time each; the others wait in line. */
export class QueueingServer {
  /** Requests that came. */
  requests = 0;
  readonly #serviceMs: number;
  readonly #line: ServerResponse[] = [];
  readonly #server: Server;
  #freeAtMs = 0;

  constructor(serviceMs: number) {
    this.#serviceMs = serviceMs;
    this.#server = createServer((_, response) => {
      this.requests++;
      this.#line.push(response);
      if (this.#line.length === 1) this.#work(performance.now());
    });
  }

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Works on the first in line from `fromMs` on: what a timer is late by is not added up over a busy period. */
  #work(fromMs: number): void {
    this.#freeAtMs = fromMs + this.#serviceMs;
    setTimeout(() => this.#finish(), Math.max(0, this.#freeAtMs - performance.now()));
  }

  #finish(): void {
    this.#line.shift()!.end('done');
    if (this.#line.length > 0) this.#work(this.#freeAtMs);
  }
}

export interface LoadOptions {
  readonly port: number;
  readonly perSecond: number;
  /** So many requests are sent before those that count. */
  readonly warmUp: number;
  readonly requests: number;
  /** Of the distances between requests, which are exponential: a Poisson process. */
  readonly random: Random;
  /** Called when the first that counts is due. */
  readonly onMeasure?: () => void;
  readonly onSent?: (share: number) => void;
}

export interface LoadReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Requests that got no 200. */
  readonly errors: number;
}

/** Sends requests when they are due, whatever has come of those before; resolves when every one is responded to. */
export async function openLoad(options: LoadOptions): Promise<LoadReport> {
  const { port, perSecond, warmUp, requests, random, onMeasure, onSent } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const all = warmUp + requests;
  const latenciesMs: number[] = [];
  const pending: Promise<void>[] = [];
  let errors = 0;
  const send = async (dueMs: number, counts: boolean): Promise<void> => {
    const isServed = await get(port, agent);
    if (!counts) return;
    if (isServed) latenciesMs.push(performance.now() - dueMs);
    else errors++;
  };
  let dueMs = performance.now();
  for (let sent = 0; sent < all; sent++) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (sent === warmUp) onMeasure?.();
    pending.push(send(dueMs, sent >= warmUp));
    if (sent % perSecond === 0) onSent?.(sent / all);
    dueMs -= (Math.log(1 - random()) / perSecond) * 1000;
  }
  await Promise.all(pending);
  agent.destroy();
  latenciesMs.sort((a, b) => a - b);
  return { p50Ms: percentile(latenciesMs, 0.5), p99Ms: percentile(latenciesMs, 0.99), errors };
}

/** True for a 200. */
function get(port: number, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path: '/', agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', () => resolve(false));
    });
    sent.once('error', () => resolve(false));
    sent.end();
  });
}
