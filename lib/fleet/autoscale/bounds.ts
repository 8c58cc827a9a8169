/**
 * What operators change of autoscaling: its settings, and the size by hand, which has to be within the bounds.
 * Invariant: a change that is refused changes nothing.
 */
import type { ScaleView } from '../../api/scale.ts';
import type { ScaleSettings } from '../../core/policy/autoscale.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Autoscaler } from './autoscaler.ts';
import { SETTINGS, type SettingName } from './scale-pool.ts';

/** A change of the settings; what is absent stays. */
export interface SettingsChange {
  readonly min?: number;
  readonly max?: number;
  readonly target?: number;
  readonly paused?: boolean;
}

export interface ScaleBoundsParts {
  readonly autoscaler: Autoscaler;
  readonly maxReplicas: number;
  readonly driver: { readonly ownsInstances: boolean };
  /** Why a fleet with these settings could not go to zero; undefined where it can, or will not. */
  readonly zeroProblem: (settings: ScaleSettings) => string | undefined;
}

export class ScaleBounds {
  readonly #parts: ScaleBoundsParts;

  constructor(parts: ScaleBoundsParts) {
    this.#parts = parts;
  }

  /** Changes the settings until the next start, or what that would be. Throws `bad-request`. */
  change(change: SettingsChange, isDryRun: boolean): ScaleView {
    const { autoscaler } = this.#parts;
    const settings = this.#changed(change);
    if (isDryRun) return autoscaler.preview(settings);
    autoscaler.use(settings, namesIn(change));
    return autoscaler.view();
  }

  /** Throws `bad-request` where an operator must not make it this size, unless it is forced. */
  check(size: number, isForced: boolean): void {
    const { autoscaler } = this.#parts;
    const { min, max } = autoscaler.settings;
    if (!autoscaler.isOn || isForced || (size >= min && size <= max)) return;
    const bound = size < min ? `below the minimum of ${min}` : `above the maximum of ${max}`;
    throw new BalancerError(
      'bad-request',
      `that would make ${size} replicas, ${bound} of autoscaling; change that by PUT /scale, or send "force":true, which moves it`,
    );
  }

  view(): ScaleView {
    return this.#parts.autoscaler.view();
  }

  /**
   * An operator makes it this size, which was checked: it stays for a while, and forced it moves the bound. To be undone
   * by what is returned where the change fails.
   */
  admit(size: number): () => void {
    const { autoscaler } = this.#parts;
    const { min, max } = autoscaler.settings;
    const moveTo = (bound: { readonly min: number } | { readonly max: number }): void =>
      autoscaler.use({ ...autoscaler.settings, ...bound }, namesIn(bound));
    if (size < min) moveTo({ min: size });
    if (size > max) moveTo({ max: size });
    autoscaler.recommend(size);
    return () => {
      autoscaler.withdraw();
      if (size < min) moveTo({ min });
      if (size > max) moveTo({ max });
    };
  }

  #changed({ min, max, target, paused }: SettingsChange): ScaleSettings {
    const { autoscaler, maxReplicas, driver, zeroProblem } = this.#parts;
    const { settings: now } = autoscaler;
    const settings: ScaleSettings = {
      ...now,
      min: min ?? now.min,
      max: max ?? now.max,
      target: target ?? now.target,
      isPaused: paused ?? now.isPaused,
    };
    if (!driver.ownsInstances)
      refuse('these servers are run by others, so autoscaling can neither add nor remove any');
    if (settings.max === 0)
      refuse('autoscaling is off; a max turns it on, as {"max":10} or ringlb scale --max 10');
    if (settings.max > maxReplicas) refuse(`max is ${settings.max}, but max-replicas is ${maxReplicas}`);
    if (settings.min > settings.max)
      refuse(`min must be at most max, but min is ${settings.min} and max is ${settings.max}`);
    const problem = zeroProblem(settings);
    if (problem !== undefined) refuse(`min ${problem}`);
    return settings;
  }
}

/** What the change names, also where it says what is so already: it holds against another balancer's. */
function namesIn({ min, max, target, paused }: SettingsChange): readonly SettingName[] {
  const named = { min, max, target, isPaused: paused };
  return SETTINGS.filter((name) => named[name] !== undefined);
}

function refuse(problem: string): never {
  throw new BalancerError('bad-request', problem);
}
