/**
 * The control law of autoscaling: how many replicas there should be, once a second, from the requests in flight and
 * waiting. Pure: it keeps windows of what it was given, and reads no clock.
 * Invariants: a decision is within [min, max]; it is never below the present size within the down window after the
 * size went up, except to zero after `idleMs` without a request.
 * Sources: the Kubernetes HorizontalPodAutoscaler (tolerance, stabilisation, rates of change) and Knative's KPA
 * (two windows, panic). Unlike both it knows the requests that wait, and acts on them at once.
 */
import { SecondsWindow } from './seconds-window.ts';

/** What an operator sets. */
export interface ScaleSettings {
  /** 0 lets the fleet go to zero, after `idleMs` without a request. */
  readonly min: number;
  /** 0 is off. */
  readonly max: number;
  /** Requests in flight and waiting for each replica; above 0. */
  readonly target: number;
  /** Of panic. */
  readonly upWindowMs: number;
  readonly windowMs: number;
  readonly downWindowMs: number;
  /** Replicas that are removed at a time. */
  readonly downStep: number;
  readonly idleMs: number;
  readonly isPaused: boolean;
}

/** What is known of the fleet at a tick. */
export interface ScaleFacts {
  /** Monotonic. */
  readonly nowMs: number;
  /** In flight and waiting, as the mean of the last second. */
  readonly load: number;
  /** Names that do not leave, those that start included. */
  readonly names: number;
  /** Replicas that may be given requests. */
  readonly ready: number;
  /** A request has waited for more than 250 ms, or was refused since the queue was full, in the last second. */
  readonly isPressed: boolean;
  /** A start is under way that will soon relieve those who wait. */
  readonly isHelpNear: boolean;
  /**
   * What replaces a dead instance will soon be ready, or has just become so: requests that wait for it are no reason to
   * add.
   */
  readonly isHealing: boolean;
  /** No replica is starting, healing, ejected or in its slow start, and no deploy is under way. */
  readonly isSettled: boolean;
  /** One owner has most of the load: more replicas would not take any of it. */
  readonly isHot: boolean;
  /** Starts have failed again and again. */
  readonly isBlocked: boolean;
  /** How many may be removed: names that were not given by hand. */
  readonly removable: number;
  /** Since the last request. */
  readonly idleMs: number;
}

/** Why the size is what the decision says. */
const SCALE_REASONS = [
  'steady',
  'load',
  'panic',
  'waiting',
  'manual',
  'first-request',
  'idle',
  'bounds',
] as const;
export type ScaleReason = (typeof SCALE_REASONS)[number];

/** What kept the decision from what the load alone would have. */
export const SCALE_LIMITS = [
  'min',
  'max',
  'rate',
  'window',
  'unsettled',
  'hot-key',
  'starts-fail',
  'given-names',
  'paused',
] as const;
export type ScaleLimit = (typeof SCALE_LIMITS)[number];

export interface Decision extends Figures {
  /** How many there are, and how many there should be. */
  readonly from: number;
  readonly to: number;
  readonly reason: ScaleReason;
  /** Undefined where nothing held it back. */
  readonly limitedBy: ScaleLimit | undefined;
}

/** What a decision is made of. */
interface Figures {
  /** In flight and waiting: in the last second, and the means of both windows. */
  readonly load: number;
  readonly stable: number;
  readonly recent: number;
  /** Replicas that the means need at the target. */
  readonly stableNeeds: number;
  readonly recentNeeds: number;
  readonly isPanicking: boolean;
  readonly target: number;
}

/** The longest of the windows that options allow. */
export const MAX_WINDOW_MS = 3_600_000;
/** The size stays where the load is this near to the target. */
const TOLERANCE = 0.1;
/** Between two steps down. */
const DOWN_EVERY_MS = 30_000;
/** The size may double, or grow by four, in this time. */
const UP_SECONDS = 15;
const UP_FACTOR = 2;
const UP_LEAST = 4;
/** A load of this many times what the ready replicas are for is a panic. */
const PANIC_FACTOR = 2;

/** A size before what limits it, and why. */
interface Wish {
  readonly size: number;
  readonly reason: ScaleReason;
}

/** A wish, and what held it back. */
interface Held {
  readonly size: number;
  readonly limitedBy: ScaleLimit | undefined;
}

export class Autoscale {
  readonly #loads = new SecondsWindow(MAX_WINDOW_MS / 1000);
  readonly #wishes = new SecondsWindow(MAX_WINDOW_MS / 1000);
  readonly #sizes = new SecondsWindow(UP_SECONDS);
  /** That was pushed last. */
  #lastLoad = 0;
  #panicUntilMs = Number.NEGATIVE_INFINITY;
  #lastDownMs = Number.NEGATIVE_INFINITY;
  /** A size that an operator has asked for, and until when it stays. */
  #manual: { readonly size: number; readonly untilMs: number; readonly isReached: boolean } | undefined;

  /** An operator has made it this size: it stays for the down window, unless requests wait or are refused. */
  recommend(size: number, nowMs: number, { downWindowMs }: ScaleSettings): void {
    this.#manual = { size, untilMs: nowMs + downWindowMs, isReached: false };
    this.#panicUntilMs = Number.NEGATIVE_INFINITY;
    this.#wishes.clear();
    this.#sizes.clear();
    this.#wishes.push(size);
  }

  /** What an operator has asked for did not come about. */
  withdraw(): void {
    this.#manual = undefined;
  }

  /** Decides for this second; to be called once a second. */
  decide(facts: ScaleFacts, settings: ScaleSettings): Decision {
    const { names, nowMs, isHealing } = facts;
    const isPressed = facts.isPressed && !isHealing;
    // of a death the load is what it was before: what waits is served at once when its replica is back
    this.#lastLoad = isHealing ? Math.min(facts.load, this.#lastLoad) : facts.load;
    this.#loads.push(this.#lastLoad);
    // a size that grew by other hands is kept as long as one that this law has chosen
    if (names > this.#sizes.max(1)) this.#wishes.push(names);
    this.#sizes.push(names);
    // a size that makes requests wait is not kept for the operator's sake
    if (isPressed || nowMs >= (this.#manual?.untilMs ?? nowMs)) this.#manual = undefined;
    this.#followManual(names);
    const figures = this.#figures(facts, settings);
    if (isPressed || isOver(figures, facts)) this.#panicUntilMs = nowMs + settings.windowMs;
    const wish = this.#wish(facts, settings, figures);
    // a peak of the last minutes counts against a step down, or noise would remove and add by turns
    const lasting = wish.reason === 'manual' ? 0 : wish.size;
    this.#wishes.push(Math.max(lasting, figures.recentNeeds));
    const decision = this.#judge(wish, facts, settings);
    if (decision.to < names) this.#lastDownMs = nowMs;
    return decision;
  }

  /** While a size by hand stays this law changes nothing, so what changes once it is reached is an operator's doing too. */
  #followManual(names: number): void {
    const manual = this.#manual;
    if (manual?.isReached === true) this.#manual = { ...manual, size: names };
    else if (manual?.size === names) this.#manual = { ...manual, isReached: true };
  }

  /** What would be decided now with other settings; keeps nothing of it. */
  preview(facts: ScaleFacts, settings: ScaleSettings): Decision {
    return this.#judge(this.#wish(facts, settings, this.#figures(facts, settings)), facts, settings);
  }

  #judge(wish: Wish, facts: ScaleFacts, settings: ScaleSettings): Decision {
    const { names: from } = facts;
    const { size: to, limitedBy } = bounded(this.#hold(wish, facts, settings), facts, settings);
    const reason = reasonOf(wish, { size: to, limitedBy }, from);
    return { from, to, reason, limitedBy, ...this.#figures(facts, settings) };
  }

  #figures({ load, nowMs }: ScaleFacts, settings: ScaleSettings): Figures {
    const { target } = settings;
    const stable = this.#loads.mean(secondsOf(settings.windowMs));
    const recent = this.#loads.mean(secondsOf(settings.upWindowMs));
    const [stableNeeds, recentNeeds] = [needed(stable, target), needed(recent, target)];
    const isPanicking = nowMs < this.#panicUntilMs;
    return { load, stable, recent, stableNeeds, recentNeeds, isPanicking, target };
  }

  /** What the load asks for. */
  #wish(facts: ScaleFacts, settings: ScaleSettings, figures: Figures): Wish {
    const { names, load, isPressed } = facts;
    const { stable, recent, stableNeeds, recentNeeds, target } = figures;
    if (names === 0)
      return load > 0
        ? { size: Math.max(1, needed(load, settings.target)), reason: 'first-request' }
        : { size: 0, reason: 'idle' };
    if (this.#manual !== undefined) return { size: this.#manual.size, reason: 'manual' };
    if (settings.min === 0 && settings.idleMs > 0 && load === 0 && facts.idleMs >= settings.idleMs)
      return { size: 0, reason: 'idle' };
    // not of the figures, which were read before this second's panic began
    if (facts.nowMs < this.#panicUntilMs) {
      // as small a difference as is ignored without panic
      const isNear = Math.max(stable, recent) <= (1 + TOLERANCE) * target * names;
      const size = isNear ? names : Math.max(stableNeeds, recentNeeds, names);
      const isShort = isPressed && size === names && !facts.isHelpNear && !facts.isHealing;
      return isShort ? { size: names + 1, reason: 'waiting' } : { size, reason: 'panic' };
    }
    if (Math.abs(stable / (target * names) - 1) <= TOLERANCE) return { size: names, reason: 'steady' };
    // none is needed without load, but the last one goes by `idleMs` alone
    return { size: Math.max(1, stableNeeds), reason: 'load' };
  }

  /** Keeps a wish within the rates of change, and what must not happen now. */
  #hold({ size, reason }: Wish, facts: ScaleFacts, settings: ScaleSettings): Held {
    const { names } = facts;
    const keep = (limitedBy: ScaleLimit): Held => ({ size: names, limitedBy });
    if (size === names) return { size, limitedBy: undefined };
    if (facts.isHot) return keep('hot-key');
    if (size > names) {
      if (facts.isBlocked) return keep('starts-fail');
      const before = this.#sizes.min(UP_SECONDS);
      const most = Math.max(UP_FACTOR * before, before + UP_LEAST, names);
      return size > most ? { size: most, limitedBy: 'rate' } : { size, limitedBy: undefined };
    }
    if (!facts.isSettled) return keep('unsettled');
    if (reason === 'idle') return { size, limitedBy: undefined };
    const floor = this.#wishes.max(secondsOf(settings.downWindowMs));
    if (floor >= names) return keep('window');
    if (facts.nowMs - this.#lastDownMs < DOWN_EVERY_MS) return keep('rate');
    const next = Math.max(floor, names - settings.downStep);
    return { size: next, limitedBy: next > floor ? 'rate' : floor > size ? 'window' : undefined };
  }
}

function isOver({ recentNeeds }: Figures, { ready, isHealing }: ScaleFacts): boolean {
  // while one heals it is few that are ready, not much that is to be done
  return !isHealing && recentNeeds >= PANIC_FACTOR * Math.max(1, ready);
}

/** A mean that is whole but for rounding needs no further replica. */
function needed(load: number, target: number): number {
  return Math.ceil(load / target - 1e-9);
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}

/** Bounds beat every rate: an operator who moves them wants them kept. */
function bounded({ size, limitedBy }: Held, facts: ScaleFacts, settings: ScaleSettings): Held {
  const { names, removable } = facts;
  const { min, max } = settings;
  const inside: Held =
    size < min
      ? { size: min, limitedBy: 'min' }
      : size > max
        ? { size: max, limitedBy: 'max' }
        : { size, limitedBy };
  // a pause keeps the size, but does not make requests to a fleet of none wait for nothing
  const paused = names === 0 && facts.load > 0 ? Math.min(1, inside.size) : names;
  if (settings.isPaused && inside.size !== paused) return { size: paused, limitedBy: 'paused' };
  if (inside.size < names - removable) return { size: names - removable, limitedBy: 'given-names' };
  return inside;
}

function reasonOf(wish: Wish, { size, limitedBy }: Held, names: number): ScaleReason {
  const isMoved = size !== names && (limitedBy === 'min' || limitedBy === 'max');
  const isAgainst = Math.sign(size - names) !== Math.sign(wish.size - names);
  return isMoved && isAgainst ? 'bounds' : wish.reason;
}
