/**
 * Rules between the options of autoscaling, and the one that requests over HTTP are judged by as well.
 */
import type { ScaleSettings } from '../../core/policy/autoscale.ts';
import { type Check, nameOf, needs } from '../check.ts';
import type { Config, Key } from '../options.ts';

const SCALE_OPTIONS: readonly Key[] = [
  'scaleMin',
  'scaleTarget',
  'scaleUpWindowMs',
  'scaleWindowMs',
  'scaleDownWindowMs',
  'scaleDownStep',
  'scaleIdleMs',
];

/** What means something with autoscaling alone. */
function needsScaleMax(key: Key): Check {
  return needs(key, ['scaleMax'], ({ scaleMax }) => (scaleMax === 0 ? '--scale-max' : undefined));
}

type ZeroConfig = Pick<Config, 'queueTimeoutMs' | 'startTimeoutMs' | 'queueDepth'>;

/**
 * What keeps a fleet from going to zero: requests have to wait for the whole start of the first replica. Undefined where
 * nothing does.
 */
export function zeroProblem(
  { min, idleMs }: Pick<ScaleSettings, 'min' | 'idleMs'>,
  { queueTimeoutMs, startTimeoutMs, queueDepth }: ZeroConfig,
): string | undefined {
  if (min > 0) return undefined;
  if (idleMs === 0) return '0 needs --scale-idle above 0';
  if (queueDepth === 0) return '0 needs --queue-depth above 0: requests wait for the first replica';
  if (queueTimeoutMs > startTimeoutMs) return undefined;
  return `0 needs a --queue-timeout above --start-timeout (${startTimeoutMs / 1000}s), not ${queueTimeoutMs / 1000}s: requests wait for the first replica`;
}

/** The settings that the options make. */
export function scaleSettingsOf(config: Config): ScaleSettings {
  return {
    min: config.scaleMin,
    max: config.scaleMax,
    target: config.scaleTarget,
    upWindowMs: config.scaleUpWindowMs,
    windowMs: config.scaleWindowMs,
    downWindowMs: config.scaleDownWindowMs,
    downStep: config.scaleDownStep,
    idleMs: config.scaleIdleMs,
    isPaused: false,
  };
}

export const SCALE_CHECKS: readonly Check[] = [
  ...SCALE_OPTIONS.map(needsScaleMax),
  {
    reads: ['scaleMax', 'maxReplicas'],
    problem({ scaleMax, maxReplicas }, sources) {
      if (scaleMax <= maxReplicas) return undefined;
      return `${nameOf('scaleMax', sources)} must be at most ${nameOf('maxReplicas', sources)} (${maxReplicas}), not ${scaleMax}`;
    },
  },
  {
    reads: ['scaleMax', 'scaleMin', 'replicas'],
    problem({ scaleMax, scaleMin }, sources) {
      if (scaleMax === 0 || scaleMin <= scaleMax) return undefined;
      const key = sources.has('scaleMin') ? 'scaleMin' : 'replicas';
      return `${nameOf(key, sources)} must be at most ${nameOf('scaleMax', sources)} (${scaleMax}), not ${scaleMin}`;
    },
  },
  {
    reads: ['scaleMax', 'scaleMin', 'scaleIdleMs', 'queueTimeoutMs', 'startTimeoutMs', 'queueDepth'],
    problem(config, sources) {
      if (config.scaleMax === 0) return undefined;
      const problem = zeroProblem(scaleSettingsOf(config), config);
      return problem === undefined ? undefined : `${nameOf('scaleMin', sources)} ${problem}`;
    },
  },
  {
    reads: ['scaleMax', 'scaleMin', 'scaleIdleMs'],
    problem({ scaleMax, scaleMin, scaleIdleMs }, sources) {
      if (scaleMax === 0 || scaleIdleMs === 0 || scaleMin === 0) return undefined;
      return `${nameOf('scaleIdleMs', sources)} needs --scale-min 0, not ${scaleMin}`;
    },
  },
  {
    reads: ['scaleUpWindowMs', 'scaleWindowMs'],
    problem({ scaleUpWindowMs, scaleWindowMs }, sources) {
      if (scaleUpWindowMs <= scaleWindowMs) return undefined;
      return `${nameOf('scaleUpWindowMs', sources)} must be at most ${nameOf('scaleWindowMs', sources)} (${scaleWindowMs / 1000}s), not ${scaleUpWindowMs / 1000}s`;
    },
  },
];
