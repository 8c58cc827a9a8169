/**
 * Whether the engine gives the balancer's own container as long to stop as stopping in order can take. Pure.
 */
import type { ContainerJson } from './mapper.ts';

/** What `docker stop` waits before it kills, unless the container or who stops it says otherwise. */
const USUAL_S = 10;
/** For what is done beside draining and stopping. */
const REST_S = 5;

export interface Stopping {
  /** Longest wait for requests in flight. */
  readonly drainTimeoutMs: number;
  /** Longest wait for replicas to stop after that. */
  readonly stopTimeoutMs: number;
}

/** What to tell whoever runs the container; undefined where the time is enough. */
export function shortGrace(
  self: ContainerJson,
  { drainTimeoutMs, stopTimeoutMs }: Stopping,
): string | undefined {
  const graceS = self.Config.StopTimeout ?? USUAL_S;
  const longestS = Math.ceil((drainTimeoutMs + stopTimeoutMs) / 1000);
  if (graceS >= longestS) return undefined;
  const seconds = longestS + REST_S;
  return `"docker stop" kills this container after ${graceS} s, but --drain-timeout and --stop-timeout allow ${longestS} s: requests could be cut and replicas be left; run it with --stop-timeout ${seconds} (compose: stop_grace_period: ${seconds}s)`;
}
