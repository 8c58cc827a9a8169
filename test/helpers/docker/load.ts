/** A steady load of GETs, and what became of them. Must not hold: what should have become of them. */
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface LoadResult {
  readonly answered: number;
  /** What was not answered 200, in words, with how often. */
  readonly failures: ReadonlyMap<string, number>;
}

export interface LoadOptions {
  readonly clients?: number;
  /** Between the response to a client's request and its next one. */
  readonly pauseMs?: number;
}

/** Clients that each send one GET after the other on a kept connection, until `stop`. */
export class Load {
  readonly #agent: Agent;
  readonly #clients: readonly Promise<void>[];
  readonly #failures = new Map<string, number>();
  #answered = 0;
  #isOver = false;

  constructor(port: number, path: string, { clients = 8, pauseMs = 0 }: LoadOptions = {}) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients });
    this.#clients = Array.from({ length: clients }, () => this.#run(port, path, pauseMs));
  }

  get answered(): number {
    return this.#answered;
  }

  /** Ends the load; resolves when every request has its answer. */
  async stop(): Promise<LoadResult> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
    return { answered: this.#answered, failures: this.#failures };
  }

  async #run(port: number, path: string, pauseMs: number): Promise<void> {
    while (!this.#isOver) {
      const outcome = await this.#one(port, path);
      if (outcome === '') this.#answered++;
      else this.#failures.set(outcome, (this.#failures.get(outcome) ?? 0) + 1);
      if (pauseMs > 0) await delay(pauseMs);
    }
  }

  /** '' for an answer 200 that came whole, else what came. */
  #one(port: number, path: string): Promise<string> {
    return new Promise((resolve) => {
      const request = get({ host: '127.0.0.1', port, path, agent: this.#agent }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          body += part;
        });
        response.on('end', () =>
          resolve(response.statusCode === 200 ? '' : `${response.statusCode} ${body}`),
        );
        response.on('error', (error) => resolve(error.message));
      });
      request.on('error', (error) => resolve(error.message));
    });
  }
}
