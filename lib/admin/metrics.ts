/**
 * `/metrics`: everything that is counted, for Prometheus and what reads its formats.
 * Must not hold: what is counted, or how it is written (`lib/metrics`).
 */
import type { Route } from './api.ts';

/** Everything as text, in the format that an `Accept` header likes best. */
export type Expose = (
  accept: string | undefined,
) => Promise<{ readonly contentType: string; readonly text: string }>;

export function metricsRoute(expose: Expose): Route {
  return {
    path: '/metrics',
    methods: ['GET', 'HEAD'],
    access: 'read',
    async answer({ headers }) {
      const { contentType, text } = await expose(headers.accept);
      const own = { 'content-type': contentType, 'cache-control': 'no-store', vary: 'Accept' };
      return { status: 200, headers: own, body: text };
    },
  };
}
