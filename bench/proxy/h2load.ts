/**
 * Reads the file that `h2load --log-file` writes: a line for each request, with the time of its start and its own in
 * microseconds, and its status between, all separated by tabs.
 */
import { percentile } from './stats.ts';
import type { WrkReport } from './wrk.ts';

/** Throws where there are no lines. */
export function parseH2loadLog(text: string): WrkReport {
  const lines = text.trimEnd().split('\n').filter(Boolean);
  if (lines.length === 0) throw new Error('h2load logged no request');
  const timesMs: number[] = [];
  let errors = 0;
  for (const line of lines) {
    const [, status = '', us = ''] = line.split('\t');
    // -1: the stream failed
    if (!/^[23]/.test(status)) errors++;
    else timesMs.push(Number(us) / 1000);
  }
  const sorted = Float64Array.from(timesMs).sort();
  return { requests: lines.length, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), errors };
}
