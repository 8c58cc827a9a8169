/** The request for a deploy that most tests make. Must not hold: assertions. */
import { DEPLOY_DEFAULTS } from '../../../lib/core/policy/deploy-gate.ts';
import type { DeployRequest } from '../../../lib/fleet/deploy/deploys.ts';

/** Another environment, one replica after the other, each watched for ten seconds. */
export const CHANGE = {
  ...DEPLOY_DEFAULTS,
  kind: 'change',
  env: [['VERSION', '2']],
} as const satisfies DeployRequest;
