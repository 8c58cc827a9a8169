/** Why a deploy is refused, in words for whoever asked for it. */
import type { DeployView } from '../../api/deploy.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Release } from './releases.ts';

export interface RefusalParts {
  readonly driver: Pick<Driver, 'kind' | 'ownsInstances'>;
  readonly classic: boolean;
}

/** Why there can be no deploy at all; undefined where there can. */
export function whyNone({ driver, classic }: RefusalParts): string | undefined {
  if (!driver.ownsInstances)
    return `the servers are not started by this balancer (driver ${driver.kind}); deploy them where they are started`;
  if (driver.kind === 'swarm')
    return 'the engines run the replicas as services (driver swarm); bring them a version with docker service update';
  if (classic)
    return 'with --classic every new instance has a new name, so nothing can be deployed in the same names';
  return undefined;
}

/** Why there is nothing to go back to. Containers tell what they run, and not what ran before them. */
export function nothingBefore({ generation, title, overrides }: Release): string {
  return Object.keys(overrides).length === 0
    ? 'nothing was deployed before, so there is nothing to go back to'
    : `this balancer was started after ${title} (generation ${generation}) was deployed, and does not know what ran before: deploy that version by its name`;
}

/** Why another has to wait for the deploy under way. */
export function whyLater({ id, state, replicas }: DeployView): string {
  const done = `${replicas.filter(({ phase }) => phase === 'done').length} of ${replicas.length} replicas done`;
  return `deploy ${id} is ${state} (${done}); wait for its end, or take it back with DELETE /deploy`;
}
