/** `/hand-over`: another balancer serves on the same ports, and this one is to drain and end. */
import type { HandOverView } from '../../api/types.ts';
import { succeeded } from '../reply.ts';
import type { Route } from './fleet.ts';

/** `begin` is called once the response is on its way. */
export function handOverRoute(begin: () => void): Route {
  return {
    path: '/hand-over',
    methods: ['POST'],
    access: 'steer',
    handle() {
      setImmediate(begin);
      return succeeded({ pid: process.pid } satisfies HandOverView);
    },
  };
}
