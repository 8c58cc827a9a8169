/** A decision of autoscaling as a sentence with its numbers. Pure. */
import type { Decision, ScaleLimit, ScaleReason, ScaleSettings } from './autoscale.ts';

const REASONS: Readonly<Record<ScaleReason, string>> = {
  steady: 'that is within 10 % of the target',
  load: 'the longer window decides',
  panic: 'panic: the shorter window decides, and nothing is removed',
  waiting: 'requests have waited for more than 250 ms or were refused',
  manual: 'an operator has asked for this size',
  'first-request': 'a request waits for the first replica',
  idle: 'there are no requests',
  bounds: 'the bounds demand it',
};

const LIMITS: Readonly<Record<ScaleLimit, string>> = {
  min: 'held up by min',
  max: 'held down by max',
  rate: 'held by the rate of change',
  window: 'held by what the last minutes needed',
  unsettled:
    'held while a replica is starting, healing, ejected or in its slow start, or a deploy is under way',
  'hot-key': 'held since one key has most of the load, which no other replica would take',
  'starts-fail': 'held since replicas that were added did not become healthy',
  'given-names': 'held since the others have names that were given by hand',
  paused: 'held since autoscaling is paused',
};

/** One decimal. */
function shown(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function seconds(ms: number): string {
  return `${shown(ms / 1000)} s`;
}

/** Such as `3 → 5: 71.5 requests in flight or waiting over 6 s need 5 …`. */
export function describeDecision(decision: Decision, { windowMs, upWindowMs }: ScaleSettings): string {
  const { from, to, stable, recent, stableNeeds, recentNeeds, target, reason, limitedBy } = decision;
  const size = from === to ? `${to}` : `${from} → ${to}`;
  const load = `${shown(stable)} requests in flight or waiting over ${seconds(windowMs)} need ${stableNeeds} at ${target} a replica, ${shown(recent)} over ${seconds(upWindowMs)} need ${recentNeeds}`;
  const held = limitedBy === undefined ? '' : `; ${LIMITS[limitedBy]}`;
  return `${size}: ${load}; ${REASONS[reason]}${held}`;
}

/** Such as `3 → 7: panic, 112 requests in flight or waiting at a target of 16`. */
export function describeChange({ from, to, reason, load, target }: Decision): string {
  return `${from} → ${to}: ${reason}, ${shown(load)} requests in flight or waiting at a target of ${target}`;
}
