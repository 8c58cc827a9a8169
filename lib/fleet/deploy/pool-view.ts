/** A deploy that is not carried out here, as far as the releases of replicas show how far it got. */
import type { DeployState, DeployStep, DeployView, ReleaseView } from '../../api/deploy.ts';
import { DEPLOY_DEFAULTS } from '../../core/policy/deploy-gate.ts';
import type { Registry } from '../registry.ts';
import { viewOf } from './exchange.ts';
import type { Releases } from './releases.ts';

export interface PoolViewParts {
  readonly registry: Pick<Registry, 'replicas'>;
  readonly releases: Releases;
}

export interface UnattendedDeploy extends Pick<DeployView, 'id' | 'reason' | 'ms'> {
  readonly state: DeployState;
  readonly from: ReleaseView;
  readonly to: ReleaseView;
}

export function viewOfPool({ registry, releases }: PoolViewParts, deploy: UnattendedDeploy): DeployView {
  const { id, state, reason, ms, to } = deploy;
  const from = { generation: deploy.from.generation, title: deploy.from.title };
  const target = { generation: to.generation, title: to.title };
  const replicas = registry.replicas.map(({ name }): DeployStep => {
    const release = releases.of(name);
    const isDone = release.generation === to.generation;
    const before = isDone ? from : viewOf(release);
    return { name, phase: isDone ? 'done' : 'waiting', from: before, to: target, gate: null };
  });
  return { ...DEPLOY_DEFAULTS, id, state, from, to: target, reason, lastLines: [], ms, replicas };
}
