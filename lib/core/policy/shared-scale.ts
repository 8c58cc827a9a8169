/**
 * What the balancers of one pool tell each other about autoscaling, and how they agree on what operators change: each
 * setting by itself, of which the latest change counts. Pure.
 * Invariant: merging is commutative, associative and idempotent, so that all balancers that have read the same changes,
 * in whichever order, go by the same settings.
 * Source: Shapiro et al., "A comprehensive study of convergent and commutative replicated data types", INRIA RR-7506,
 * 2011, 3.2.1 (last-writer-wins register).
 */
import type { ScaleSettings } from './autoscale.ts';

/** What operators change and all balancers share. */
export interface SharedSettings {
  readonly min: number;
  readonly max: number;
  readonly target: number;
  readonly isPaused: boolean;
  /** The size that was made by hand last; null where that did not come about. */
  readonly size: number | null;
}

/** A change of one setting. */
export interface Change<Value> {
  readonly value: Value;
  /** From 1; one above all that its balancer knew (a Lamport clock), so a change that has seen another one is later. */
  readonly version: number;
  /** The id of the balancer that was asked; of two changes with one version that of the lesser id counts. */
  readonly by: string;
}

/** What operators have changed since the balancers were started; what is absent is as in the options. */
export type ScaleAgreement = {
  readonly [Name in keyof SharedSettings]?: Change<SharedSettings[Name]>;
};

/** What a balancer tells the others. */
export interface ScaleReport {
  /** Autoscaling is on here, so that this balancer may act for the pool. */
  readonly isScaling: boolean;
  /** Requests in flight and waiting here. */
  readonly load: number;
  /** Since the report before, a request has waited for more than 250 ms or was refused since the queue was full. */
  readonly isPressed: boolean;
  /** Since the report before, requests have come. */
  readonly isBusy: boolean;
  /** The latest changes that it knows. */
  readonly agreement: ScaleAgreement;
}

const NAMES = ['min', 'max', 'target', 'isPaused', 'size'] as const;

/** The agreement with these settings changed at the balancer `by`. */
export function changed(
  agreement: ScaleAgreement,
  settings: Partial<SharedSettings>,
  by: string,
): ScaleAgreement {
  const version = 1 + Math.max(0, ...Object.values(agreement).map((change) => change.version));
  const changes = Object.entries(settings).map(([name, value]) => [name, { value, version, by }]);
  return { ...agreement, ...Object.fromEntries(changes) };
}

/** The later change of each setting; `one` itself where `other` has nothing later. */
export function merged(one: ScaleAgreement, other: ScaleAgreement): ScaleAgreement {
  const later = NAMES.filter((name) => isLater(other[name], one[name]));
  if (later.length === 0) return one;
  return { ...one, ...Object.fromEntries(later.map((name) => [name, other[name]])) };
}

/** The settings with what was agreed on. Where that leaves no size between the bounds, the bound changed earlier gives way. */
export function agreedSettings(settings: ScaleSettings, agreement: ScaleAgreement): ScaleSettings {
  const min = agreement.min?.value ?? settings.min;
  const max = agreement.max?.value ?? settings.max;
  const isCrossed = max > 0 && min > max;
  const minCounts = isCrossed && isLater(agreement.min, agreement.max);
  return {
    ...settings,
    min: isCrossed && !minCounts ? max : min,
    max: minCounts ? min : max,
    target: agreement.target?.value ?? settings.target,
    isPaused: agreement.isPaused?.value ?? settings.isPaused,
  };
}

function isLater(one: Change<unknown> | undefined, other: Change<unknown> | undefined): boolean {
  if (one === undefined || other === undefined) return one !== undefined;
  return one.version > other.version || (one.version === other.version && one.by < other.by);
}

/** A report from another balancer's JSON; undefined for anything else. */
export function parseReport(value: unknown): ScaleReport | undefined {
  const { isScaling, load, isPressed, isBusy, agreement } = fieldsOf(value);
  if (![isScaling, isPressed, isBusy].every((flag) => typeof flag === 'boolean')) return undefined;
  if (typeof load !== 'number' || !(load >= 0)) return undefined;
  return isAgreement(agreement) ? (value as ScaleReport) : undefined;
}

function isAgreement(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(([name, change]) => {
    const { value: setting, version, by } = fieldsOf(change);
    if (!isCount(version) || typeof by !== 'string') return false;
    if (name === 'isPaused') return typeof setting === 'boolean';
    return isCount(setting) || (name === 'size' && setting === null);
  });
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value);
}
