/**
 * Rules between the options of the front: TLS, the PROXY protocol, rate limits.
 */
import { type Check, nameOf, needs, rejectsBoth } from '../check.ts';
import type { Key } from '../options.ts';

const TLS_OPTIONS: readonly Key[] = [
  'tlsCert',
  'tlsKey',
  'tlsDir',
  'tlsMin',
  'tlsStrictSni',
  'tlsClientCa',
  'tlsTicketSecret',
  'tlsRedirect',
  'hsts',
  'http2',
  'acmeDomains',
];

const ACME_OPTIONS: readonly Key[] = ['acmeEmail', 'acmeDirectory', 'acmeDir'];

/** What means something on the TLS port alone. */
function needsTls(key: Key): Check {
  return needs(key, ['tlsPort'], ({ tlsPort }) => (tlsPort === 0 ? '--tls-port' : undefined));
}

function needsAcme(key: Key): Check {
  return needs(key, ['acmeDomains'], ({ acmeDomains }) =>
    acmeDomains.length === 0 ? '--acme-domains' : undefined,
  );
}

/** How requests are limited, said where they are not. */
function needsRateLimit(key: Key): Check {
  return needs(key, ['rateLimit'], ({ rateLimit }) =>
    rateLimit === 0 ? '--rate-limit, such as 100/s' : undefined,
  );
}

/** What means something with a sticky cookie alone. */
function needsSticky(key: Key): Check {
  return needs(key, ['sticky'], ({ sticky }) =>
    sticky === '' ? '--sticky, such as --sticky ringlb' : undefined,
  );
}

export const FRONT_CHECKS: readonly Check[] = [
  {
    reads: ['tlsPort', 'tlsCert', 'tlsKey', 'tlsDir', 'acmeDomains'],
    problem({ tlsPort, tlsCert, tlsKey, tlsDir, acmeDomains }, sources) {
      if (tlsCert.length !== tlsKey.length)
        return `${nameOf('tlsCert', sources)} and ${nameOf('tlsKey', sources)} must be as many, not ${tlsCert.length} and ${tlsKey.length}`;
      if (tlsPort === 0 || tlsCert.length > 0 || tlsDir !== '' || acmeDomains.length > 0) return undefined;
      return `${nameOf('tlsPort', sources)} needs --tls-cert and --tls-key, --tls-dir, or --acme-domains`;
    },
  },
  {
    reads: ['acmeDomains', 'acmeDir'],
    problem({ acmeDomains, acmeDir }, sources) {
      if (acmeDomains.length === 0 || acmeDir !== '') return undefined;
      return `${nameOf('acmeDomains', sources)} needs --acme-dir, a directory that keeps the certificates`;
    },
  },
  ...ACME_OPTIONS.map(needsAcme),
  {
    reads: ['port', 'adminPort', 'tlsPort'],
    problem({ port, adminPort, tlsPort }, sources) {
      if (tlsPort === 0 || (tlsPort !== port && tlsPort !== adminPort)) return undefined;
      const other = tlsPort === port ? 'port' : 'adminPort';
      return `${nameOf('tlsPort', sources)} and ${nameOf(other, sources)} must differ, both are ${tlsPort}`;
    },
  },
  ...TLS_OPTIONS.map(needsTls),
  {
    reads: ['proxyProtocol', 'trustedProxies'],
    problem({ proxyProtocol, trustedProxies }, sources) {
      if (!proxyProtocol || trustedProxies.length > 0) return undefined;
      return `${nameOf('proxyProtocol', sources)} needs --trusted-proxies: the addresses of the proxies that send the header`;
    },
  },
  rejectsBoth('stickySecret', 'stickySecretFile'),
  {
    reads: ['sticky', 'hashKey'],
    problem({ sticky, hashKey }, sources) {
      if (!hashKey.some((source) => source.kind === 'cookie' && source.name === sticky)) return undefined;
      return `${nameOf('sticky', sources)} ${sticky} is a cookie of the application, which ${nameOf('hashKey', sources)} reads; give the sticky cookie a name of its own`;
    },
  },
  needsSticky('stickyTtlMs'),
  needsSticky('stickySecret'),
  needsSticky('stickySecretFile'),
  needsSticky('stickyOnOutage'),
  needsRateLimit('rateBurst'),
  needsRateLimit('rateKey'),
  needsRateLimit('rateEntries'),
];
