/**
 * Reads what `wrk --latency` prints.
 * Source: wrk 4.1 `src/wrk.c` (`print_stats_latency`) and `src/units.c`.
 */

export interface WrkReport {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Sockets that failed or timed out, and answers outside 2xx and 3xx. */
  readonly errors: number;
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a time as wrk writes it: `640.00us`, `1.04ms`, `2.10s`, `1.50m`. */
export function parseWrkTimeMs(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(us|ms|s|m|h)$/.exec(text);
  if (!parts) throw new Error(`not a time of wrk: ${text}`);
  return Number(parts[1]) * MS_PER_UNIT[parts[2]!]!;
}

/** Reads a report; throws when it is not one, with its text. */
export function parseWrk(text: string): WrkReport {
  const requests = /(\d+) requests in /.exec(text);
  if (!requests) throw new Error(`wrk reported nothing: ${text.trim()}`);
  const percentile = (percent: number) => {
    // wrk pads seconds with a blank, since their unit is shorter than that of milliseconds
    const found = new RegExp(`^\\s+${percent}%\\s+(\\S+) *$`, 'm').exec(text);
    return found ? parseWrkTimeMs(found[1]!) : Number.NaN;
  };
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const broken = (sockets ?? []).slice(1).reduce((sum, count) => sum + Number(count), 0);
  return {
    requests: Number(requests[1]),
    p50Ms: percentile(50),
    p99Ms: percentile(99),
    errors: refused + broken,
  };
}
