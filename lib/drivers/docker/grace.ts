/** Whether `docker stop` gives the balancer's own container enough time for an orderly shutdown. Pure. */
import type { ContainerJson } from './mapper.ts';

/** Default of `docker stop` before it kills, unless the container or the command sets another. */
const USUAL_S = 10;
/** Margin for everything beside draining and stopping. */
const REST_S = 5;

export interface Stopping {
  /** Longest wait for requests in flight. */
  readonly drainTimeoutMs: number;
  /** Longest wait for replicas to stop after that. */
  readonly stopTimeoutMs: number;
}

/** A warning for the operator of the container; undefined where the time is enough. */
export function stopTimeoutWarning(
  self: ContainerJson,
  { drainTimeoutMs, stopTimeoutMs }: Stopping,
): string | undefined {
  const graceS = self.Config.StopTimeout ?? USUAL_S;
  const longestS = Math.ceil((drainTimeoutMs + stopTimeoutMs) / 1000);
  if (graceS >= longestS) return undefined;
  const seconds = longestS + REST_S;
  return `"docker stop" kills this container after ${graceS} s, but --drain-timeout and --stop-timeout allow ${longestS} s: requests could be cut and replicas be left; run it with --stop-timeout ${seconds} (compose: stop_grace_period: ${seconds}s)`;
}
