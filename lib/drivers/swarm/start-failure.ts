/**
 * Why a service has no task that runs, in one sentence that says what to do. Swarm tries again for ever, so it never
 * says itself that a start has failed.
 */
import { BalancerError, StartError } from '../../platform/errors.ts';
import { endingOfTask, isOver, isUp, LABEL, newestFirst, type ServiceJson } from './mapper.ts';
import type { Observed } from './roster.ts';

/** How long a task that no node fits may wait for one. */
const NO_NODE_MS = 3000;
/** The same where nodes are away: a new leader counts all of them as that until each has reported to it. */
const NODES_AWAY_MS = 20_000;

const NO_IMAGE = /no such image/i;

/** Why no task of the service will run, or none has within the limit; undefined while one still may. */
export function startFailure(
  { ID: serviceId, Spec: { Labels: labels } }: ServiceJson,
  { tasks }: Observed,
  {
    waitedMs,
    limitMs,
    isNew,
  }: { readonly waitedMs: number; readonly limitMs: number; readonly isNew: boolean },
): BalancerError | undefined {
  const name = labels[LABEL.name];
  const all = newestFirst(tasks.filter((task) => task.ServiceID === serviceId));
  const [newest] = all;
  const words = newest?.Status.Err ?? '';
  const rejected = all.filter((task) => isOver(task) && NO_IMAGE.test(task.Status.Err ?? ''));
  const [last] = rejected;
  // Swarm makes the next task at once, so the newest may never be seen when it is over;
  // but what a service had rejected before it is healed says nothing of now
  const areSeveral = isNew && rejected.length > 1 && !isUp(newest!);
  if (last !== undefined && (last === newest || areSeveral)) {
    const reason = `No node could start ${name}: ${last.Status.Err}; bring the image to every node, or push it to a registry`;
    return new BalancerError('image-missing', reason);
  }
  const unfit = noNode(name ?? '', words, waitedMs);
  if (unfit !== undefined) return unfit;
  if (isNew && newest !== undefined && ['failed', 'complete'].includes(newest.Status.State)) {
    const ending = endingOfTask(newest);
    return new StartError(ending, `The replica ${name} did not stay up: ${ending.text}`);
  }
  if (waitedMs < limitMs) return undefined;
  const state = newest === undefined ? 'there is none' : `it is ${newest.Status.State}`;
  const more = words === '' ? '' : `, ${words}`;
  return new BalancerError(
    'start-failed',
    `No task of ${name} ran within ${limitMs / 1000} s: ${state}${more}`,
  );
}

/** Why no node takes the task, once it has waited for one for long enough. */
function noNode(name: string, words: string, waitedMs: number): BalancerError | undefined {
  const [, reasons] = /no suitable node \((.*)\)/.exec(words) ?? [];
  const isAway = /not available for new tasks/.test(words);
  if (!/no suitable node/.test(words) || waitedMs < (isAway ? NODES_AWAY_MS : NO_NODE_MS)) return undefined;
  if (reasons !== undefined && /^\d+ nodes? not available for new tasks$/.test(reasons))
    return new BalancerError(
      'engine-unreachable',
      `No node of the Swarm takes tasks at the moment, which ${name} waits for: ${words}; see "docker node ls"`,
    );
  return new BalancerError('start-failed', `No node fits ${name}: ${words}; see --constraints`);
}
