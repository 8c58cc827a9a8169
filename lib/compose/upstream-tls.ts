/** What is verified of servers given as `https://`, with the authorities read from their file. */
import type { Config } from '../config/config.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import type { UpstreamTls } from '../platform/upstream-tls.ts';
import { authoritiesIn } from '../proxy/downstream/tls/certificate.ts';

/** Throws BalancerError `certificate-unusable` where the file cannot be read or has no certificate. */
export function upstreamTlsOf({ upstreamCa: file, upstreamInsecure }: Config): UpstreamTls {
  return { ca: file === '' ? '' : readAuthorities(file), isInsecure: upstreamInsecure };
}

function readAuthorities(file: string): string {
  try {
    return authoritiesIn(file);
  } catch (error) {
    throw new BalancerError('certificate-unusable', messageOf(error), { cause: error });
  }
}
