/** `/config` and `/reload`: the options that run, and reading them anew. */
import type { ConfigView, ReloadView } from '../../api/types.ts';
import { checkParameters } from '../query.ts';
import { succeeded } from '../reply.ts';
import type { Route } from './fleet.ts';

/** What the routes need of the balancer's options. */
export interface Options {
  view(): ConfigView;
  /** Throws BalancerError `bad-request` or `log-unwritable`; nothing has changed then. */
  reload(): Promise<ReloadView>;
}

export function configRoutes(options: Options): readonly Route[] {
  return [
    {
      path: '/config',
      methods: ['GET', 'HEAD'],
      access: 'read',
      handle({ query }) {
        checkParameters(query, []);
        return succeeded(options.view());
      },
    },
    {
      path: '/reload',
      methods: ['POST'],
      access: 'steer',
      async handle({ query }) {
        checkParameters(query, []);
        return succeeded(await options.reload());
      },
    },
  ];
}
