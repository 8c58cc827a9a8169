/**
 * Requests while balancers take over from each other, a process of its own: `node load.ts <port> <connections a second>
 * <kept alive>`. New connections come at a fixed rate and wait for nothing; kept-alive clients send one request after the
 * other. Any message from the parent ends the load, and the reply is what came of it.
 * Invariant: nothing is retried, so that each reset counts.
 */
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** What came of the requests of one kind. */
export interface Outcome {
  readonly requests: number;
  readonly failed: number;
  /** What failed, in words, with how often. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface LoadResult {
  readonly opened: Outcome;
  readonly kept: Outcome;
}

const MOST_SECONDS = 3600;
const NEVER_MS = 20_000;
/** Between two requests of a kept-alive client. */
const PAUSE_MS = 20;

const [port = 0, perSecond = 0, clients = 0] = process.argv.slice(2).map(Number);

class Counts {
  requests = 0;
  failed = 0;
  underWay = 0;
  readonly failures: Record<string, number> = {};

  get outcome(): Outcome {
    return { requests: this.requests, failed: this.failed, failures: this.failures };
  }

  /** Resolves when the request is over, whatever came of it. */
  send(agent: Agent | false): Promise<void> {
    this.requests++;
    this.underWay++;
    return new Promise((resolve) => {
      const end = (failure?: string): void => {
        this.underWay--;
        if (failure !== undefined) {
          this.failed++;
          this.failures[failure] = (this.failures[failure] ?? 0) + 1;
        }
        resolve();
      };
      const asked = get({ host: '127.0.0.1', port, path: '/home', agent, timeout: NEVER_MS }, (response) => {
        response.resume();
        response.once('end', () => end(response.statusCode === 200 ? undefined : `${response.statusCode}`));
        response.once('error', (error) => end(error.message));
      });
      asked.once('timeout', () => asked.destroy(new Error('no response')));
      asked.once('error', (error) => end(error.message));
    });
  }
}

const [opened, kept] = [new Counts(), new Counts()];
let isOver = false;

async function runClient(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while (!isOver) {
    await kept.send(agent);
    await delay(PAUSE_MS);
  }
  agent.destroy();
}

const workerData = { perSecond, count: perSecond * MOST_SECONDS };
const pacer = new Worker(join(import.meta.dirname, '../proxy/pacer.ts'), { workerData });
pacer.on('message', () => void (isOver || opened.send(false)));
const clientsEnded = Promise.all(Array.from({ length: clients }, runClient));

process.once('message', async () => {
  isOver = true;
  await clientsEnded;
  while (opened.underWay > 0) await delay(5);
  const result: LoadResult = { opened: opened.outcome, kept: kept.outcome };
  process.send?.(result);
});
process.once('disconnect', () => process.exit(0));
