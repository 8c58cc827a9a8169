/**
 * `/metrics`: all metrics, for Prometheus and what reads its formats.
 */
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { checkParameters, refuse } from '../query.ts';
import type { Route } from './fleet.ts';

/**
 * All metrics as text, in the format that an `Accept` header prefers; where replicas are named, those of them alone.
 * Throws BalancerError `bad-request` for an unknown name.
 */
export type Expose = (
  accept: string | undefined,
  replicas: readonly string[],
) => Promise<{ readonly contentType: string; readonly text: string }>;

/** Below this compressing saves less than it costs. */
const LEAST_TO_COMPRESS = 32 * 1024;
/** Each is some 10 KB. */
const MOST_NAMED = 100;

const compress = promisify(gzip);

export function metricsRoute(expose: Expose): Route {
  return {
    path: '/metrics',
    methods: ['GET', 'HEAD'],
    access: 'read',
    async handle({ headers, query }) {
      const { contentType, text } = await expose(headers.accept, replicasIn(query));
      const own = { 'content-type': contentType, 'cache-control': 'no-store' };
      if (text.length < LEAST_TO_COMPRESS)
        return { status: 200, headers: { ...own, vary: 'Accept' }, body: text };
      const vary = 'Accept, Accept-Encoding';
      if (!acceptsGzip(headers['accept-encoding']))
        return { status: 200, headers: { ...own, vary }, body: text };
      const body = await compress(text, { level: constants.Z_BEST_SPEED });
      return { status: 200, headers: { ...own, vary, 'content-encoding': 'gzip' }, body };
    },
  };
}

/** The replicas in the query, each once; none is the whole fleet. */
function replicasIn(query: URLSearchParams): readonly string[] {
  checkParameters(query, [], ['replica']);
  const names = [...new Set(query.getAll('replica'))];
  if (names.includes('')) refuse('replica must be the name of a replica');
  if (names.length > MOST_NAMED) refuse(`replica may be there ${MOST_NAMED} times, not ${names.length}`);
  return names;
}

/** RFC 9110 section 12.5.3. */
function acceptsGzip(accept: string | string[] | undefined = ''): boolean {
  return String(accept)
    .toLowerCase()
    .split(',')
    .some((coding) => /^\s*(x-)?gzip\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/.test(coding));
}
