/**
 * Serves requests before the first client comes, so that the first crowd does not meet code that V8 has yet to compile.
 * Invariants: it ends in time, whatever happens; what it does is seen by nobody else, and nothing of it is left.
 */
import { messageOf } from '../../platform/errors.ts';
import { TICK_MS } from '../exchange/worker-context.ts';
import type { RehearsalReport, WorkerStart } from '../worker-protocol.ts';
import { Stage } from './stage.ts';
import { CHUNKED_PATH } from './stand-in.ts';
import { Visitor } from './visitor.ts';

/** When it is over, also where requests still become cheaper. */
export interface RehearsalLimits {
  readonly ms: number;
  readonly waves: number;
}

const LIMITS: RehearsalLimits = { ms: 500, waves: Number.POSITIVE_INFINITY };
/** Clients of one wave: a crowd, as far as the acceptor and the request pacer treat one in another way. */
const MOST_CLIENTS = 40;
/** Of the clients that the worker may have, since each has two connections, and both ends of them are here. */
const SHARE_OF_CLIENTS = 1 / 8;
/** A wave that costs more than this part of the cheapest one before it has gained nothing; … */
const GAIN = 0.95;
/** … after so many in a row there is nothing left to gain. */
const WAVES_WITHOUT_GAIN = 4;

const HEADERS = 'Host: rehearsal\r\nUser-Agent: ringlb\r\nAccept: */*\r\n';
const GET = `GET /rehearsal HTTP/1.1\r\n${HEADERS}\r\n`;
const LAST = `GET /rehearsal HTTP/1.1\r\n${HEADERS}Connection: close\r\n\r\n`;
const POST = `POST /rehearsal HTTP/1.1\r\n${HEADERS}Content-Length: 12\r\n\r\nhello=world!`;
const CHUNKED = `GET ${CHUNKED_PATH} HTTP/1.1\r\n${HEADERS}\r\n`;
/** What each client sends, over one connection. */
const REQUESTS: readonly string[] = [GET, POST, CHUNKED, GET, GET, LAST];

/** Rehearses what a worker that is started with `start` will do. */
export async function rehearse(start: WorkerStart, limits = LIMITS): Promise<RehearsalReport> {
  const begunMs = performance.now();
  let [requests, cause] = [0, ''];
  try {
    const clients = Math.ceil(Math.min(MOST_CLIENTS, start.options.maxConnections * SHARE_OF_CLIENTS));
    requests = await serveWaves(new Stage(start), clients, limits);
  } catch (error) {
    cause = messageOf(error);
  }
  return { kind: 'rehearsed', requests, ms: performance.now() - begunMs, cause };
}

/** One wave of clients after the other; returns the requests that were served. */
async function serveWaves(stage: Stage, clients: number, { ms, waves }: RehearsalLimits): Promise<number> {
  const untilMs = performance.now() + ms;
  const visitors = new Set<Visitor>();
  // ends the wave at hand, which is the last
  const limit = setTimeout(() => {
    for (const visitor of visitors) visitor.close();
  }, ms);
  const ticks = setInterval(() => stage.tick(), TICK_MS);
  try {
    const port = await stage.open();
    const costs: number[] = [];
    let requests = 0;
    while (performance.now() < untilMs && costs.length < waves && !isSettled(costs)) {
      const before = process.threadCpuUsage();
      requests += await runWave(port, clients, visitors);
      const { user, system } = process.threadCpuUsage(before);
      costs.push(user + system);
    }
    return requests;
  } finally {
    clearTimeout(limit);
    clearInterval(ticks);
    stage.close();
  }
}

/** True once the last waves have not become cheaper. Processor time and not latency, since others use the machine too. */
function isSettled(costs: readonly number[]): boolean {
  if (costs.length <= WAVES_WITHOUT_GAIN) return false;
  const least = Math.min(...costs.slice(0, -WAVES_WITHOUT_GAIN));
  return Math.min(...costs.slice(-WAVES_WITHOUT_GAIN)) > least * GAIN;
}

/** Resolves with the responses that there were. */
async function runWave(port: number, clients: number, visitors: Set<Visitor>): Promise<number> {
  const visits = Array.from(
    { length: clients },
    () =>
      new Promise<number>((resolve) => {
        const visitor: Visitor = new Visitor(port, REQUESTS, (responses) => {
          visitors.delete(visitor);
          resolve(responses);
        });
        visitors.add(visitor);
      }),
  );
  const responses = await Promise.all(visits);
  return responses.reduce((sum, count) => sum + count, 0);
}
