/**
 * A certificate with its chain and key, checked before it is used, and which of several is for a host name.
 * Source: RFC 6125 section 6.4.3 (wildcards stand for one whole label), RFC 6066 section 3 (server name indication).
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../../../platform/errors.ts';

export interface Certificate {
  /** What the operator knows it by: the name of its file. */
  readonly name: string;
  /** Host names in lower case, `*.example.org` among them. */
  readonly hosts: readonly string[];
  /** The certificate and its chain, in PEM. */
  readonly cert: string;
  readonly key: string;
  /** From when until when it is valid, in milliseconds since the Unix epoch. */
  readonly beginsMs: number;
  readonly expiresMs: number;
}

/** What is wrong with a certificate or its key, and what to do. */
export class CertificateError extends Error {}

const PEM_BEGIN = /-----BEGIN CERTIFICATE-----/g;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Reads a certificate that is to be used from `nowMs` on. Throws CertificateError. */
export function readCertificate(name: string, cert: string, key: string, nowMs: number): Certificate {
  const chain = chainIn(name, cert);
  const [leaf] = chain;
  if (leaf === undefined) throw new CertificateError(`${name} has no certificate in PEM`);
  const privateKey = keyIn(name, key);
  const own = chain.findIndex((one) => one.checkPrivateKey(privateKey));
  if (own === -1) throw new CertificateError(`${name}: the key is not that of its certificate`);
  if (own > 0)
    throw new CertificateError(
      `${name}: the key is that of certificate ${own + 1} of the chain; order them from the server's on`,
    );
  const expiresMs = Date.parse(leaf.validTo);
  if (expiresMs <= nowMs) throw new CertificateError(`${name} expired on ${leaf.validTo}`);
  const gap = chain.findIndex((one, at) => at > 0 && !chain[at - 1]!.checkIssued(one));
  if (gap !== -1)
    throw new CertificateError(
      `${name}: certificate ${gap + 1} of the chain did not issue the one before it; order them from the server's on`,
    );
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new CertificateError(`${name} cannot be used: ${messageOf(error)}`);
  }
  return { name, hosts: hostsOf(leaf), cert, key, beginsMs: Date.parse(leaf.validFrom), expiresMs };
}

/** The certificates of a text in PEM, which may have anything between them. Throws CertificateError. */
function chainIn(name: string, pem: string): readonly X509Certificate[] {
  const texts = pem.match(PEM_CERTIFICATE) ?? [];
  try {
    // what follows the last one would be passed over
    if (texts.length === (pem.match(PEM_BEGIN) ?? []).length)
      return texts.map((text) => new X509Certificate(text));
  } catch {}
  throw new CertificateError(`${name} is no certificate in PEM; it may be half written`);
}

/** The text of a file of authorities, of which Node.js passes over what it cannot read. Throws where there is such. */
export function authoritiesIn(file: string): string {
  const text = readFileSync(file, 'utf8');
  if (chainIn(file, text).length === 0) throw new CertificateError(`${file} has no certificate in PEM`);
  return text;
}

function keyIn(name: string, key: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (error) {
    if (/^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(key))
      throw new CertificateError(
        `${name} has a private key with a passphrase; take it off with: openssl pkey -in FILE -out FILE`,
      );
    throw new CertificateError(`${name} has no private key in PEM: ${messageOf(error)}`);
  }
}

/** The names that it is for; its common name only where it has no others (RFC 6125 section 6.4.4). */
function hostsOf(leaf: X509Certificate): readonly string[] {
  const names = [...(leaf.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, host]) => host!);
  const common = /^CN=(.+)$/m.exec(leaf.subject)?.[1];
  const hosts = names.length > 0 || common === undefined ? names : [common];
  return hosts.map((host) => host.toLowerCase());
}

/** Finds what belongs to a host name: exactly, by a wildcard for its first label, or not at all. */
export class HostMap<T> {
  readonly #exact = new Map<string, T>();
  readonly #wildcards = new Map<string, T>();

  /** Of two values for one host the first counts. */
  add(host: string, value: T): void {
    const [map, key] = host.startsWith('*.') ? [this.#wildcards, host.slice(1)] : [this.#exact, host];
    if (!map.has(key)) map.set(key, value);
  }

  find(host: string): T | undefined {
    // some clients end it with the dot of the root (RFC 6066 section 3 says without)
    const name = host.toLowerCase().replace(/\.$/, '');
    const exact = this.#exact.get(name);
    if (exact !== undefined || this.#wildcards.size === 0) return exact;
    const dot = name.indexOf('.');
    return dot > 0 ? this.#wildcards.get(name.slice(dot)) : undefined;
  }
}
