/**
 * Options that would have no effect beside the value of another. One that a reload can bring to effect, or that does no
 * harm in a list of options for any driver, is let be.
 */
import type { SourceSpec } from '../../core/discovery/source-spec.ts';
import { type Check, needs } from '../check.ts';
import type { Key } from '../options.ts';

/** With `--driver discover`, an option for some kinds of sources. */
function needsSource(key: Key, what: string, ...kinds: SourceSpec['kind'][]): Check {
  return needs(key, ['driver', 'source'], ({ driver, source }) => {
    if (driver !== 'discover' || source.length === 0) return undefined;
    return source.some(({ kind }) => kinds.includes(kind)) ? undefined : `--source ${what}`;
  });
}

export const EFFECT_CHECKS: readonly Check[] = [
  needs('slowStartFrom', ['slowStartMs'], ({ slowStartMs }) =>
    slowStartMs > 0 ? undefined : '--slow-start, such as --slow-start 30s',
  ),
  needsSource('resolver', 'dns:… or srv:…', 'dns', 'srv'),
  needsSource('network', 'docker:…', 'docker'),
  needs('poolMembers', ['driver'], ({ driver, poolMembers }) =>
    driver === 'swarm' && poolMembers === 'one'
      ? '--driver docker: a pool of a Swarm is always shared'
      : undefined,
  ),
  needs('logMaxFiles', ['logMaxBytes'], ({ logMaxBytes }) =>
    logMaxBytes === 0 ? '--log-max-size above 0' : undefined,
  ),
  needs('lenientReplicas', ['upstreamProtocol'], ({ lenientReplicas, upstreamProtocol }) =>
    lenientReplicas && upstreamProtocol === 'h2' ? '--upstream-protocol http1' : undefined,
  ),
];
