/**
 * GETs at a fixed rate that wait for no response, a process of its own: `node load.ts <port> <requests a second>`. A
 * message from the parent ends a period, and the reply is what came of the requests that were due in it.
 * Invariant: latency runs from the moment a request was due, so that a pause is charged with every request it held up.
 */
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { percentile } from '../proxy/stats.ts';

export interface Period {
  readonly requests: number;
  /** Responses other than 200, and requests without a response. */
  readonly lost: number;
  readonly p99Ms: number;
  /** What was lost, in words, with how often. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Longer than any load goes on. */
const MOST_SECONDS = 3600;
/** What has no response by then is lost. */
const NEVER_MS = 20_000;

const [port = 0, perSecond = 0] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 512 });
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

class Counts {
  readonly latenciesMs: number[] = [];
  readonly failures = new Map<string, number>();
  requests = 0;
  underWay = 0;

  /** Waits until all have ended. */
  async settled(): Promise<Period> {
    while (this.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const sorted = Float64Array.from(this.latenciesMs).sort();
    return {
      requests: this.requests,
      lost: this.requests - sorted.length,
      p99Ms: percentile(sorted, 0.99),
      failures: Object.fromEntries(this.failures),
    };
  }
}

let counts = new Counts();

function send(dueMs: number, own: Counts): void {
  own.requests++;
  own.underWay++;
  const end = (failure?: string): void => {
    own.underWay--;
    if (failure === undefined) own.latenciesMs.push(nowMs() - dueMs);
    else own.failures.set(failure, (own.failures.get(failure) ?? 0) + 1);
  };
  const asked = get({ host: '127.0.0.1', port, path: '/', agent, timeout: NEVER_MS }, (response) => {
    response.resume();
    response.once('end', () => end(response.statusCode === 200 ? undefined : `${response.statusCode}`));
    response.once('error', (error) => end(error.message));
  });
  asked.once('timeout', () => asked.destroy(new Error('no response')));
  asked.once('error', (error) => end(error.message));
}

const workerData = { perSecond, count: perSecond * MOST_SECONDS };
const pacer = new Worker(join(import.meta.dirname, '../proxy/pacer.ts'), { workerData });
pacer.on('message', (dueNs: number) => send(dueNs / 1e6, counts));

process.on('message', () => {
  const ended = counts;
  counts = new Counts();
  void ended.settled().then((period) => process.send?.(period));
});
process.once('disconnect', () => process.exit(0));
