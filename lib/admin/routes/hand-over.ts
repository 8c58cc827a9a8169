/** `/hand-over`: another balancer serves on the same ports, and this one is to drain and end. */
import type { HandOverView } from '../../api/types.ts';
import { checkParameters } from '../query.ts';
import { succeeded } from '../reply.ts';
import type { Route } from './fleet.ts';

/** How this balancer hands over. */
export interface HandOver {
  /** Gives up what only one balancer may have. Throws what is responded then, and the balancer goes on. */
  prepare(): Promise<void>;
  /** Drains and ends; called once the response is on its way. */
  begin(): void;
}

export function handOverRoute({ prepare, begin }: HandOver): Route {
  return {
    path: '/hand-over',
    methods: ['POST'],
    access: 'steer',
    async handle({ query }) {
      checkParameters(query, []);
      await prepare();
      setImmediate(begin);
      return succeeded({ pid: process.pid } satisfies HandOverView);
    },
  };
}
