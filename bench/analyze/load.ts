/** A-1's load: every request id once, so many of them under way at a time, and which replica answered each. */
import { percentile } from '../proxy/stats.ts';
import { Client, replicaIn } from './client.ts';

export interface LoadResult {
  /** For each request the replica that answered it; undefined where none did. */
  readonly respondedBy: readonly (string | undefined)[];
  /** What became of those that no replica answered, the first few of them. */
  readonly failures: readonly string[];
  readonly errors: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const FAILURES_KEPT = 5;

/** Asks for `/home` once for every id, `concurrency` at a time; `onProgress` hears the share that is done. */
export async function sendAll(
  url: URL,
  ids: readonly string[],
  concurrency: number,
  onProgress: (share: number) => void = () => {},
): Promise<LoadResult> {
  const client = new Client(url, concurrency);
  const respondedBy = new Array<string | undefined>(ids.length);
  const latenciesMs = new Float64Array(ids.length);
  const failures: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < ids.length) {
      const at = next++;
      const startMs = performance.now();
      try {
        const answer = await client.ask('GET', '/home', { headers: { 'x-request-id': ids[at] } });
        respondedBy[at] = replicaIn(answer);
        if (respondedBy[at] === undefined) failures.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        failures.push((error as Error).message);
      }
      latenciesMs[at] = performance.now() - startMs;
      if (at % 100 === 0) onProgress(at / ids.length);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: concurrency }, work));
  const seconds = (performance.now() - startMs) / 1000;
  client.close();
  const sorted = latenciesMs.sort();
  return {
    respondedBy,
    failures: failures.slice(0, FAILURES_KEPT),
    errors: failures.length,
    perSecond: ids.length / seconds,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}
