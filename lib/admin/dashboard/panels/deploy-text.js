/** Deploys in words. It runs without a document. */
import { count, duration, latency, percent, plural, took } from '../view/format.js';

/** @import { DeployPhase, DeployStatus, DeployStep, DeployView, GateView, ReleaseView } from '../../../api/deploy.ts' */
/** @typedef {'good' | 'partly' | 'bad' | 'plain'} Level */

/** @param {DeployView} deploy */
export function isUnderWay({ state }) {
  return state === 'running' || state === 'rolling-back';
}

/** @param {ReleaseView} release */
export function releaseOf({ title, generation }) {
  return `${title} (generation ${count(generation)})`;
}

/** Steps that are over. @param {DeployView} deploy */
export function doneIn({ state, replicas }) {
  const over = new Set(state === 'rolling-back' ? ['rolled-back', 'waiting', 'gone'] : ['done', 'gone']);
  return replicas.filter(({ phase }) => over.has(phase)).length;
}

/**
 * How far it is, or how it ended.
 * @param {DeployStatus} status
 * @returns {{ level: Level, text: string }}
 */
export function summaryOf({ deploy, before }) {
  if (deploy === null) {
    const text = before === null ? 'Nothing was deployed yet.' : `Before it ran ${releaseOf(before)}.`;
    return { level: 'plain', text };
  }
  const { from, to } = deploy;
  // another environment has no title of its own
  const change =
    from.title === to.title
      ? `${to.title}, generation ${count(from.generation)} → ${count(to.generation)}`
      : `${from.title} → ${to.title}`;
  const reason = deploy.reason === null ? '' : `: ${deploy.reason}`;
  const time = deploy.ms < 1000 ? took(deploy.ms) : duration(deploy.ms);
  switch (deploy.state) {
    case 'running':
      return { level: 'partly', text: `Deploying for ${time}: ${progressOf(deploy)}. ${change}` };
    case 'rolling-back':
      return { level: 'bad', text: `Rolling back${reason}. ${change}` };
    case 'interrupted':
      return { level: 'bad', text: `Interrupted${reason}. ${change}` };
    case 'done':
      return { level: 'good', text: `Done in ${time}. ${change}` };
    case 'rolled-back':
      return { level: 'bad', text: `Rolled back after ${time}${reason}. ${change}` };
    case 'failed':
      return {
        level: 'bad',
        text: `Failed after ${time}, and not all of it could be undone${reason}. ${change}`,
      };
  }
}

/** What tells the releases of a step apart. @param {DeployStep} step */
export function releasesOf({ from, to }) {
  const isOneTitle = from.title === to.title;
  return [from, to].map(({ title, generation }) => (isOneTitle ? `generation ${count(generation)}` : title));
}

/** @param {DeployView} deploy */
function progressOf(deploy) {
  const under = deploy.replicas.filter(({ phase }) => phase === 'starting' || phase === 'watching');
  const now = under.map(({ name, phase }) => `${name} ${PHASES[phase]}`).slice(0, 3);
  return [`${count(doneIn(deploy))} of ${plural(deploy.replicas.length, 'replica')} replaced`, ...now].join(
    ', ',
  );
}

/** @type {Readonly<Record<DeployPhase, string>>} */
export const PHASES = {
  waiting: 'waiting',
  starting: 'starting',
  watching: 'watched',
  done: 'done',
  'rolled-back': 'rolled back',
  gone: 'removed meanwhile',
};

/** What the gate saw of the new instance, and of the replicas that nothing was changed of. @param {DeployStep} step */
export function gateOf({ gate }) {
  if (gate === null) return { own: ['–', '–', '–'], rest: '' };
  const { requests, p99Ms, restRequests, restErrors, restP99Ms } = gate;
  const rest =
    restRequests === 0
      ? ''
      : `others: ${shareOf(restErrors, restRequests)} failed, p99 ${p99Of(restRequests, restP99Ms)}`;
  return { own: [count(requests), failedOf(gate), p99Of(requests, p99Ms)], rest };
}

/** @param {GateView} gate */
function failedOf({ requests, errors }) {
  return errors === 0 ? '0' : `${count(errors)} (${shareOf(errors, requests)})`;
}

/** @param {number} part @param {number} whole */
function shareOf(part, whole) {
  return percent(whole === 0 ? 0 : part / whole);
}

/** @param {number} requests @param {number} p99Ms */
function p99Of(requests, p99Ms) {
  return latency(requests === 0 ? null : p99Ms);
}

/** The limits that it keeps to. @param {DeployView} deploy */
export function limitsOf({ batch, watchMs, maxErrorRate }) {
  return `${count(batch)} at a time, each watched for ${duration(watchMs)}, ${percent(maxErrorRate)} of requests may fail`;
}
