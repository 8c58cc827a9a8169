/** What autoscaling shows of itself: its state, and the last decision with its numbers. Pure. */
import type { ScaleView } from '../../api/scale.ts';
import type { Decision, ScaleSettings } from '../../core/policy/autoscale.ts';
import { describeDecision } from '../../core/policy/autoscale-words.ts';
import type { Peer } from '../../drivers/driver.ts';

export interface ScaleSituation {
  readonly n: number;
  readonly ready: number;
  readonly settings: ScaleSettings;
  readonly isBlocked: boolean;
  /** The last one; undefined before the first. */
  readonly decision: Decision | undefined;
  readonly changed: ScaleView['changed'];
  /** The balancer that acts for the pool; undefined where this one has it alone. */
  readonly acting: Peer | undefined;
}

export function scaleViewOf(situation: ScaleSituation): ScaleView {
  const { n, ready, settings, isBlocked, decision, changed, acting } = situation;
  const { min, max, target, isPaused } = settings;
  return {
    n,
    ready,
    desired: decision?.to ?? n,
    state: max === 0 ? 'off' : isPaused ? 'paused' : isBlocked ? 'blocked' : 'on',
    min,
    max,
    target,
    why: whyOf(settings, decision),
    decision: decision === undefined ? null : decisionView(decision),
    changed,
    acting: acting === undefined ? null : actingView(acting),
  };
}

function actingView({ id, title, admin, isSelf }: Peer): NonNullable<ScaleView['acting']> {
  return { id, title, admin, isSelf };
}

function whyOf(settings: ScaleSettings, decision: Decision | undefined): string {
  if (settings.max === 0) return 'autoscaling is off; --scale-max turns it on';
  return decision === undefined ? 'nothing was decided yet' : describeDecision(decision, settings);
}

function decisionView(decision: Decision): ScaleView['decision'] {
  const { from, to, reason, limitedBy, stableNeeds, recentNeeds, isPanicking } = decision;
  const [load, stable, recent] = [decision.load, decision.stable, decision.recent].map(rounded);
  return {
    from,
    to,
    reason,
    limitedBy: limitedBy ?? null,
    load: load!,
    stable: stable!,
    recent: recent!,
    stableNeeds,
    recentNeeds,
    panic: isPanicking,
  };
}

/** One decimal. */
export function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
