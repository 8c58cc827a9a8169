/** `/.well-known/acme-challenge/TOKEN`: proves to an ACME server that this is the domain's server (RFC 8555 section 8.3). */
import { ACME_CHALLENGE } from '../../api/peer-header.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Route } from './fleet.ts';

/** The key authorization for a challenge's token; undefined where no such challenge is under way. */
export type FindChallenge = (token: string) => string | undefined;

export function acmeChallengeRoute(find: FindChallenge): Route {
  return {
    path: ACME_CHALLENGE,
    isFolder: true,
    methods: ['GET', 'HEAD'],
    access: 'open',
    isListed: false,
    handle({ path }) {
      const body = find(path.slice(ACME_CHALLENGE.length));
      if (body === undefined)
        throw new BalancerError('not-found', 'No ACME challenge with this token is under way');
      return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body };
    },
  };
}
