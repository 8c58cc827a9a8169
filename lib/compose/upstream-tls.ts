/** What is verified of servers given as `https://`, with the authorities read from their file. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import type { UpstreamTls } from '../platform/upstream-tls.ts';

/** Throws BalancerError `certificate-unusable` where the file cannot be read or has no certificate. */
export function upstreamTlsOf({ upstreamCa: file, upstreamInsecure }: Config): UpstreamTls {
  return { ca: file === '' ? '' : readAuthorities(file), isInsecure: upstreamInsecure };
}

function readAuthorities(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new BalancerError('certificate-unusable', messageOf(error), { cause: error });
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new BalancerError('certificate-unusable', `${file} has no certificate in PEM`);
}
