/**
 * From what became of each request to a timeline. Pure.
 */
import { percentile } from '../proxy/stats.ts';
import type { Sample } from './steady.ts';

export const BUCKET_MS = 250;

/** A part of the time of the load. */
export interface Bucket {
  readonly fromMs: number;
  /** Requests answered in it, as a rate. */
  readonly perSecond: number;
  /** Requests due in it that no replica answered. */
  readonly failed: number;
  /** Of the requests due in it: 99 % were answered within this; NaN of none. */
  readonly p99Ms: number;
}

export function timelineOf(samples: readonly Sample[]): readonly Bucket[] {
  // what comes in after the last request was due would be a part of a bucket only
  const endMs = samples.reduce((last, { dueMs }) => Math.max(last, dueMs), 0);
  const count = Math.floor(endMs / BUCKET_MS);
  const due = Array.from({ length: count }, (): Sample[] => []);
  const answered = new Uint32Array(count);
  for (const sample of samples) {
    due[Math.floor(sample.dueMs / BUCKET_MS)]?.push(sample);
    const doneIn = Math.floor(sample.doneMs / BUCKET_MS);
    if (sample.failure === undefined && doneIn < count) answered[doneIn] = answered[doneIn]! + 1;
  }
  return due.map((bucket, at) => ({
    fromMs: at * BUCKET_MS,
    perSecond: (answered[at]! * 1000) / BUCKET_MS,
    failed: bucket.filter(({ failure }) => failure !== undefined).length,
    p99Ms: percentile(Float64Array.from(bucket, ({ dueMs, doneMs }) => doneMs - dueMs).sort(), 0.99),
  }));
}
