/**
 * What is wrong with a fleet: which replicas are out and why, which ones differ from their peers, and one line on all
 * of it. It runs without a document.
 */
import { count, duration, latency, percent, took } from '../view/format.js';

/** @import { ReplicaSnapshot, Sample, Snapshot } from '../../../api/snapshot.ts' */
/** @import { FleetEvent } from '../../../api/types.ts' */
/** @typedef {'good' | 'partly' | 'bad'} Level */
/** @typedef {{ readonly level: Level, readonly word: string, readonly text: string, readonly out: number }} Summary */

/** How many times the median a replica must have to be marked. */
const TIMES = 3;
/** Below these a multiple of the median says nothing: milliseconds, and a part of its own requests. */
const LEAST_MS = 1;
const LEAST_ERRORS = 0.01;
/** Of all requests so large a part fails that it is told, whoever is healthy; as in contrib/alerts.yml. */
const MOST_FAILING = 0.05;
/** A snapshot has the traffic of so many seconds; a p50 of fewer requests in them is chance. */
export const WINDOW_S = 5;
const LEAST_REQUESTS = 3;
/** A median of fewer is no measure. */
const LEAST_PEERS = 3;
const NAMED = 4;
/** A replacement is worth telling for so long. */
const RECENT_MS = 5 * 60_000;
const LONGEST_CAUSE = 80;

/**
 * Replicas with a p50, or a part of their requests that fails, over three times the median, and how much that is, in
 * words. Parts and not numbers of errors: a replica with five times the weight has five times the errors.
 * @param {readonly ReplicaSnapshot[]} replicas
 * @returns {ReadonlyMap<string, string>} by name
 */
export function outliersOf(replicas) {
  const serving = replicas.filter((replica) => isIn(replica) && requestsOf(replica) > 0);
  const p50 = medianOf(serving.map(({ p50Ms }) => p50Ms));
  const failing = medianOf(serving.map(failingOf));
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const replica of serving) {
    const { name, p50Ms } = replica;
    const isSlow = p50 !== undefined && p50Ms !== null && p50Ms > TIMES * p50 && p50Ms > p50 + LEAST_MS;
    if (isSlow && requestsOf(replica) >= LEAST_REQUESTS)
      found.set(name, `slow: p50 ${latency(p50Ms)}, median ${latency(p50)}`);
    else if (failing !== undefined && failsMore(replica, TIMES * failing))
      found.set(name, `fails: ${percent(failingOf(replica))} of its requests, median ${percent(failing)}`);
  }
  return found;
}

/** Requests in the window; attempts that failed may have none. @param {ReplicaSnapshot} replica */
function requestsOf({ requestsPerSecond, errorsPerSecond }) {
  return WINDOW_S * Math.max(requestsPerSecond ?? 0, errorsPerSecond ?? 0);
}

/** The part of its requests that failed. @param {ReplicaSnapshot} replica */
function failingOf(replica) {
  return (WINDOW_S * (replica.errorsPerSecond ?? 0)) / requestsOf(replica);
}

/**
 * More than a part of its requests failed, and that is not chance: a count of events varies by its square root, so two
 * of these are taken off.
 * @param {ReplicaSnapshot} replica
 * @param {number} part
 */
function failsMore(replica, part) {
  return isMore(
    WINDOW_S * (replica.errorsPerSecond ?? 0),
    Math.max(part, LEAST_ERRORS) * requestsOf(replica),
  );
}

/** @param {number} events @param {number} bound */
function isMore(events, bound) {
  return events - 2 * Math.sqrt(events) > bound;
}

/** The lower one of two in the middle, so that one of few is still seen. @param {readonly (number | null)[]} values */
function medianOf(values) {
  const known = values.filter((value) => value !== null).toSorted((one, other) => one - other);
  return known.length < LEAST_PEERS ? undefined : known[Math.floor((known.length - 1) / 2)];
}

/** It may be given requests. @param {ReplicaSnapshot} replica */
function isIn({ state, drained }) {
  return state === 'healthy' && !drained;
}

/** It was removed and finishes what it has. @param {ReplicaSnapshot} replica */
export function isLeaving({ state, drained }) {
  return state === 'draining' && !drained;
}

/**
 * How bad it is: 0 is the worst, WELL is well, and what leaves comes after.
 * @param {ReplicaSnapshot} replica
 * @param {ReadonlyMap<string, string>} outliers
 */
export function rankOf(replica, outliers) {
  // what was removed, or replaced by a deploy, is no trouble while it finishes
  if (isLeaving(replica)) return WELL + 1;
  if (replica.nextStartInMs !== null) return 0;
  if (replica.state === 'unhealthy') return 1;
  if (replica.state === 'starting') return 2;
  if (outliers.has(replica.name)) return 3;
  return replica.drained ? 4 : WELL;
}

export const WELL = 5;

/** @param {ReplicaSnapshot['ending']} ending */
function endingIn(ending) {
  if (ending === null) return '';
  const { kind, code, signal } = ending;
  if (kind === 'signal') return signal ?? 'a signal';
  return kind === 'exit' ? `exit ${code ?? '?'}` : ENDINGS[kind];
}

const ENDINGS = {
  'out-of-memory': 'out of memory',
  removed: 'removed by somebody else',
  'start-timeout': 'not healthy in time',
  unhealthy: 'probes failed',
};

/** Why a replica is out, and what comes next. @param {ReplicaSnapshot} replica */
function outOf({ state, drained, ending, cause, nextStartInMs, sinceMs }) {
  const last = endingIn(ending);
  if (drained) return 'drained';
  if (nextStartInMs !== null)
    return `crash loop${last && ` (${last})`}, next start in ${duration(nextStartInMs + 999)}`;
  if (state === 'starting') return `${last && `${last}, `}starting for ${duration(sinceMs)}`;
  return `${state}${cause ? `: ${shortened(cause)}` : ''}`;
}

/**
 * Some of them with what is wrong, the first ones first; what is the same for several is said once.
 * @param {readonly (readonly [name: string, what: string])[]} troubles
 */
function toldOf(troubles) {
  const groups = [...Map.groupBy(troubles, ([, what]) => what)];
  const told = groups.slice(0, groups.length > NAMED + 1 ? NAMED : groups.length);
  const left = troubles.length - told.reduce((sum, [, those]) => sum + those.length, 0);
  const says = told.map(([what, those]) => `${namesOf(those.map(([name]) => name))} ${what}`);
  return left > 0 ? [...says, `${count(left)} more`] : says;
}

/** @param {readonly string[]} names */
function namesOf(names) {
  if (names.length <= NAMED + 1) return names.join(', ');
  return `${names.slice(0, NAMED).join(', ')} and ${count(names.length - NAMED)} more`;
}

/** @param {string} text */
function shortened(text) {
  if (text.length <= LONGEST_CAUSE) return text;
  const end = text.lastIndexOf(' ', LONGEST_CAUSE - 1);
  return `${text.slice(0, end > 0 ? end : LONGEST_CAUSE - 1)}…`;
}

/**
 * How much of all requests fails, where that is too much, and whether they wait for a replica: healthy ones may be too
 * few, or all respond with errors.
 * @param {readonly Sample[]} seconds the last ones
 * @param {number} queueDepth
 */
function failingIn(seconds, queueDepth) {
  const sum = (/** @type {(second: Sample) => number} */ of) =>
    seconds.reduce((total, second) => total + of(second), 0);
  const errors = sum(({ errorsPerSecond }) => errorsPerSecond ?? 0);
  const requests = sum(({ requestsPerSecond }) => requestsPerSecond ?? 0);
  if (!isMore(errors, MOST_FAILING * requests)) return [];
  const waiting = Math.max(...seconds.map(({ queued }) => queued));
  const queue = waiting < queueDepth ? `${count(waiting)} wait for a replica` : 'the queue is full';
  return [`${percent(errors / requests)} of requests fail${waiting > 0 ? `, ${queue}` : ''}`];
}

/**
 * One line on the fleet: how many are out and who, how much fails, who differs, and what was mended a moment ago.
 * @param {Snapshot} snapshot
 * @param {readonly FleetEvent[]} events the oldest first
 * @param {readonly Sample[]} seconds the last WINDOW_S at most
 * @returns {Summary}
 */
export function summaryOf({ replicas, readiness, desired, atMs, limits }, events, seconds) {
  const outliers = outliersOf(replicas);
  const members = replicas.filter((replica) => !isLeaving(replica));
  const out = members
    .filter((replica) => !isIn(replica))
    .toSorted((one, other) => rankOf(one, outliers) - rankOf(other, outliers));
  const told = toldOf([
    ...out.map((replica) => /** @type {const} */ ([replica.name, outOf(replica)])),
    ...outliers,
  ]);
  const failing = failingIn(seconds, limits.queueDepth);
  const mended = mendedIn(events, atMs, new Set(out.map(({ name }) => name)));
  const panic = readiness.reason.includes('panic')
    ? ['panic: all replicas get requests, healthy or not']
    : [];
  const isOut = out.length > 0 || !readiness.ready;
  const isEmpty = members.length === 0;
  const first =
    readiness.draining || isEmpty
      ? readiness.reason
      : isOut && `${count(out.length)} of ${count(desired)} out`;
  const says = [first, [...panic, ...failing, ...told, ...mended].join('; ')].filter(Boolean).join(': ');
  if (!readiness.ready)
    return { level: 'bad', word: readiness.draining ? 'Draining' : 'Down', text: says, out: out.length };
  if (out.length > 0 || outliers.size > 0 || failing.length > 0)
    return { level: 'partly', word: 'Degraded', text: says, out: out.length };
  if (isEmpty) return { level: 'good', word: 'Healthy', text: says, out: 0 };
  const all = `all ${count(desired)} ${desired === 1 ? 'replica is' : 'replicas are'} eligible`;
  return { level: 'good', word: 'Healthy', text: [all, ...mended].join('; '), out: 0 };
}

/**
 * @param {readonly FleetEvent[]} events
 * @param {number} nowMs
 * @param {ReadonlySet<string>} out
 */
function mendedIn(events, nowMs, out) {
  const last = events.findLast(({ kind }) => kind === 'replaced');
  if (last === undefined || last.replica === null || out.has(last.replica)) return [];
  const agoMs = nowMs - Date.parse(last.time);
  if (agoMs > RECENT_MS) return [];
  return [`${last.replica} replaced in ${took(last.ms)}, ${duration(agoMs)} ago`];
}
