/**
 * A steady load of requests from keep-alive clients, and what came of each. It is over with the test that started it at the
 * latest. Must not hold: assertions.
 */
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { getTestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './eventually.ts';

export interface LoadOptions {
  readonly clients?: number;
  /** Between the answer to a client's request and its next one. */
  readonly pauseMs?: number;
  readonly path?: string;
  /** False: each request opens a connection of its own. */
  readonly keepAlive?: boolean;
}

/** Longer than all time limits of a request together. What has no answer by then never has one. */
const NEVER_MS = 30_000;

export class SteadyLoad {
  /** How many were answered 200. */
  answered = 0;
  /** What became of every other one. */
  readonly failures: string[] = [];
  readonly #agent: Agent;
  readonly #clients: Promise<void>[];
  /** How many requests of each client are over. */
  readonly #over: number[];
  #isOver = false;

  constructor(
    port: number,
    { clients = 6, pauseMs = 3, path = '/home', keepAlive = true }: LoadOptions = {},
  ) {
    this.#agent = new Agent({ keepAlive, maxSockets: clients });
    this.#over = Array(clients).fill(0);
    this.#clients = this.#over.map((_, client) => this.#run(client, port, path, pauseMs));
    const context = getTestContext();
    // a test that failed did not come to its end
    if (context !== undefined && 'after' in context) context.after(() => this.#abort());
  }

  /** Waits until so many more were answered. */
  more(count: number): Promise<true> {
    const goal = this.answered + count;
    return eventually(`${count} more answers`, () => this.answered >= goal || this.failures.length > 0);
  }

  /** Waits until whatever was asked by now is answered, and of every client a request after that. */
  async everyone(): Promise<void> {
    const goals = this.#over.map((count) => count + 2);
    await eventually('an answer to every client', () =>
      this.#over.every((count, client) => count >= goals[client]!),
    );
  }

  /** Resolves once every request has its answer. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #abort(): Promise<void> {
    this.#isOver = true;
    this.#agent.destroy();
    await Promise.all(this.#clients);
  }

  async #run(client: number, port: number, path: string, pauseMs: number): Promise<void> {
    while (!this.#isOver) {
      try {
        const { status, body } = await this.#get(port, path);
        if (status === 200) this.answered++;
        else this.failures.push(`${status} ${body}`);
      } catch (error) {
        this.failures.push(String(error));
      }
      this.#over[client]!++;
      if (pauseMs > 0) await delay(pauseMs);
    }
  }

  #get(port: number, path: string): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, agent: this.#agent }, (response) => {
        text(response)
          .then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
          .finally(() => clearTimeout(timer));
      });
      const timer = setTimeout(() => asked.destroy(new Error('never answered')), NEVER_MS);
      asked.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      asked.end();
    });
  }
}
