/**
 * Rise and fall as one whole number, after HAProxy's `check.health`: 0 … rise−1 is down, rise … rise+fall−1 is up. A
 * passed probe adds one, a failed one subtracts one; crossing the threshold jumps to the far end, so that a single
 * contrary probe never reverts a change.
 */

export interface HealthPolicy {
  /** Passes in a row that make a replica healthy. */
  readonly rise: number;
  /** Failures in a row that make it unhealthy. */
  readonly fall: number;
}

/** The score of a replica of which nothing is known yet: down, no pass counted. */
export const UNKNOWN_HEALTH = 0;

/** The best score: up, no failure counted. */
export function fullHealth(policy: HealthPolicy): number {
  return policy.rise + policy.fall - 1;
}

/** True where the score says up. */
export function isUp(score: number, policy: HealthPolicy): boolean {
  return score >= policy.rise;
}

/** The score after one more probe. */
export function afterProbe(score: number, passed: boolean, policy: HealthPolicy): number {
  if (passed) {
    const next = isUp(score, policy) ? fullHealth(policy) : score + 1;
    return next >= policy.rise ? fullHealth(policy) : next;
  }
  const next = isUp(score, policy) ? score - 1 : UNKNOWN_HEALTH;
  return next < policy.rise ? UNKNOWN_HEALTH : next;
}
