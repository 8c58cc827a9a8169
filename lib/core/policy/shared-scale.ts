/**
 * What the balancers of one pool tell each other about autoscaling, and how they agree on what operators change: the
 * change with the highest version counts. Pure.
 * Source: Shapiro et al., "A comprehensive study of convergent and commutative replicated data types", INRIA RR-7506,
 * 2011, 3.2.1 (last-writer-wins register).
 */

/** What operators have changed since the balancers were started. */
export interface ScaleAgreement {
  /** From 1; each change is one above the version that it changes. */
  readonly version: number;
  /** The id of the balancer that was asked; of two changes with one version that of the lesser id counts. */
  readonly by: string;
  readonly min: number;
  readonly max: number;
  readonly target: number;
  readonly isPaused: boolean;
  /** The size that was made by hand last, and the version in which that was; null where there is none. */
  readonly size: { readonly n: number; readonly version: number } | null;
}

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
  /** The newest that it knows; null where nobody has changed anything. */
  readonly agreement: ScaleAgreement | null;
}

/** True where `one` counts and `other` does not. */
export function isNewer(one: ScaleAgreement | null, other: ScaleAgreement | null): boolean {
  if (one === null || other === null) return other === null && one !== null;
  return one.version > other.version || (one.version === other.version && one.by < other.by);
}

/** A report from another balancer's JSON; undefined for anything else. */
export function parseReport(value: unknown): ScaleReport | undefined {
  const { isScaling, load, isPressed, isBusy, agreement } = fieldsOf(value);
  if (![isScaling, isPressed, isBusy].every((flag) => typeof flag === 'boolean')) return undefined;
  if (typeof load !== 'number' || !(load >= 0)) return undefined;
  return agreement === null || isAgreement(agreement) ? (value as ScaleReport) : undefined;
}

function isAgreement(value: unknown): boolean {
  const { version, by, min, max, target, isPaused, size } = fieldsOf(value);
  if (!areCounts([version, min, max, target]) || typeof by !== 'string' || typeof isPaused !== 'boolean')
    return false;
  const made = fieldsOf(size);
  return size === null || areCounts([made.n, made.version]);
}

function areCounts(values: readonly unknown[]): boolean {
  return values.every((value) => Number.isSafeInteger(value) && Number(value) >= 0);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value);
}
