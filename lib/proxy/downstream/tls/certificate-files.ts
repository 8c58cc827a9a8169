/**
 * The certificates of the TLS port: read from their files, watched, and given to the threads once they are checked.
 * Invariants: at the start every file must be in order; later a certificate that is not leaves the one of that name in
 * place. Runs on the main thread.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import type { Clock, Timer } from '../../../platform/clock.ts';
import { BalancerError, messageOf } from '../../../platform/errors.ts';
import type { Logger } from '../../../platform/log.ts';
import { authoritiesIn, type Certificate, CertificateError, readCertificate } from './certificate.ts';
import { ticketKeys, ticketKeysChangeInMs } from './ticket-keys.ts';
import type { TlsMaterial } from './tls-server.ts';

export interface CertificateOptions {
  readonly tlsCert: readonly string[];
  /** Of the same length. */
  readonly tlsKey: readonly string[];
  readonly tlsDir: string;
  /** Where certificates from an ACME server are, which may not be there yet; '' for none. */
  readonly acmeDir: string;
  readonly tlsClientCa: string;
  readonly tlsTicketSecret: string;
}

export interface CertificateFilesDeps {
  readonly options: CertificateOptions;
  readonly clock: Clock;
  readonly log: Logger;
  /** For new connections from now on. */
  readonly onChange: (material: TlsMaterial) => void;
}

/** How often the files are looked at; not watched by the system, which sees no change behind a symbolic link. */
const LOOK_MS = 10_000;
/** A certificate that expires within this time is warned of, … */
const WARN_MS = 14 * 86_400_000;
/** … once a day. */
const WARN_EVERY_MS = 86_400_000;
const LEAST_SECRET_BYTES = 32;

/** Where one certificate is. */
interface Source {
  readonly name: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export class CertificateFiles {
  readonly #deps: CertificateFilesDeps;
  readonly #secret: Uint8Array;
  #certificates: readonly Certificate[] = [];
  #clientCa = '';
  #fingerprint = '';
  /** When the first of those begins to be valid that were too early. */
  #beginsMs = Number.POSITIVE_INFINITY;
  #warnedMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #keyTimer: Timer | undefined;

  /** Reads all files. Throws BalancerError `certificate-unusable` with the first that is not in order. */
  constructor(deps: CertificateFilesDeps) {
    this.#deps = deps;
    try {
      this.#secret = secretIn(deps.options.tlsTicketSecret);
      this.#fingerprint = this.#fingerprintNow();
      this.#certificates = [
        ...this.#sources().map((source) => this.#read(source)),
        ...this.#acmeCertificates(this.#acmeSources(), new Map()),
      ];
      this.#clientCa = this.#readClientCa();
    } catch (error) {
      throw new BalancerError('certificate-unusable', messageOf(error), { cause: error });
    }
    if (this.#certificates.length === 0 && deps.options.acmeDir === '')
      throw new BalancerError('certificate-unusable', `${deps.options.tlsDir} holds no NAME.pem`);
  }

  /** Begins to look at the files again and again. */
  watch(): void {
    this.#warnOfExpiry();
    this.#schedule();
    this.#scheduleKeys();
  }

  get material(): TlsMaterial {
    return {
      certificates: this.#certificates.map(({ hosts, cert, key }) => ({ hosts, cert, key })),
      clientCa: this.#clientCa,
      ticketKeys: ticketKeys(this.#secret, this.#deps.clock.wallMs()),
    };
  }

  /** When each expires, in milliseconds since the Unix epoch. */
  get expiries(): readonly { readonly name: string; readonly expiresMs: number }[] {
    return this.#certificates.map(({ name, expiresMs }) => ({ name, expiresMs }));
  }

  /** Reads all files anew; gives what is wrong with those that are not taken. */
  reload(): readonly string[] {
    const problems: string[] = [];
    this.#fingerprint = this.#fingerprintNow();
    this.#beginsMs = Number.POSITIVE_INFINITY;
    const before = new Map(this.#certificates.map((certificate) => [certificate.name, certificate]));
    const attempt = <T>(read: () => T, otherwise: T): T => {
      try {
        return read();
      } catch (error) {
        problems.push(messageOf(error));
        return otherwise;
      }
    };
    const sources = attempt(() => this.#sources(), undefined);
    const acmeSources = attempt(() => this.#acmeSources(), undefined);
    if (sources !== undefined && acmeSources !== undefined) {
      const read = sources.map((source) =>
        attempt(() => this.#readInPlaceOf(before.get(source.name), source), before.get(source.name)),
      );
      const found = [...read, ...this.#acmeCertificates(acmeSources, before)].filter(
        (certificate) => certificate !== undefined,
      );
      if (found.length > 0) this.#certificates = found;
    }
    this.#clientCa = attempt(() => this.#readClientCa(), this.#clientCa);
    const { log, onChange } = this.#deps;
    for (const cause of problems) log.error({ cause }, 'certificate not loaded; the one before stays');
    onChange(this.material);
    log.info({}, `certificates loaded: ${this.#certificates.map(({ name }) => name).join(', ')}`);
    this.#warnedMs = Number.NEGATIVE_INFINITY;
    this.#warnOfExpiry();
    return problems;
  }

  close(): void {
    this.#timer?.cancel();
    this.#keyTimer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.after(LOOK_MS, () => {
      const isChanged = this.#fingerprintNow() !== this.#fingerprint;
      if (isChanged || this.#deps.clock.wallMs() >= this.#beginsMs) this.reload();
      this.#warnOfExpiry();
      this.#schedule();
    });
  }

  #scheduleKeys(): void {
    const { clock, onChange } = this.#deps;
    this.#keyTimer = clock.after(ticketKeysChangeInMs(clock.wallMs()), () => {
      onChange(this.material);
      this.#scheduleKeys();
    });
  }

  #warnOfExpiry(): void {
    const { clock, log } = this.#deps;
    const nowMs = clock.wallMs();
    if (nowMs - this.#warnedMs < WARN_EVERY_MS) return;
    for (const { name, expiresMs } of this.#certificates) {
      if (expiresMs - nowMs > WARN_MS) continue;
      this.#warnedMs = nowMs;
      const when = new Date(expiresMs).toISOString();
      log.warn({}, `certificate ${name} ${expiresMs <= nowMs ? 'expired' : 'expires'} on ${when}; renew it`);
    }
  }

  #sources(): readonly Source[] {
    const { tlsCert, tlsKey, tlsDir } = this.#deps.options;
    const listed = tlsCert.map((certFile, at) => ({
      name: nameOf(certFile),
      certFile,
      keyFile: tlsKey[at]!,
    }));
    return withOwnNames(tlsDir === '' ? listed : [...listed, ...sourcesIn(tlsDir)]);
  }

  #acmeSources(): readonly Source[] {
    const { acmeDir } = this.#deps.options;
    return acmeDir === '' ? [] : sourcesIn(acmeDir);
  }

  /** Those from an ACME server that are in order; for one that is not there will be another. */
  #acmeCertificates(
    sources: readonly Source[],
    before: ReadonlyMap<string, Certificate>,
  ): readonly Certificate[] {
    return sources.flatMap((source) => {
      try {
        return this.#read(source);
      } catch (error) {
        this.#deps.log.warn({ cause: messageOf(error) }, `certificate ${source.name} not loaded`);
        return before.get(source.name) ?? [];
      }
    });
  }

  #read({ name, certFile, keyFile }: Source): Certificate {
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
    return readCertificate(name, cert, key, this.#deps.clock.wallMs());
  }

  /** One that is not valid yet is better than none, and worse than one that is. */
  #readInPlaceOf(former: Certificate | undefined, source: Source): Certificate {
    const certificate = this.#read(source);
    const { beginsMs } = certificate;
    const nowMs = this.#deps.clock.wallMs();
    if (former === undefined || former.expiresMs <= nowMs || beginsMs <= nowMs) return certificate;
    this.#beginsMs = Math.min(this.#beginsMs, beginsMs);
    throw new CertificateError(`${source.name} is not valid before ${new Date(beginsMs).toISOString()}`);
  }

  #readClientCa(): string {
    const { tlsClientCa } = this.#deps.options;
    return tlsClientCa === '' ? '' : authoritiesIn(tlsClientCa);
  }

  /** Changes when any of the files does. */
  #fingerprintNow(): string {
    const { tlsClientCa } = this.#deps.options;
    try {
      const sources = [...this.#sources(), ...this.#acmeSources()];
      const files = sources.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
      return [...files, ...(tlsClientCa === '' ? [] : [tlsClientCa])].map(stampOf).join('\n');
    } catch (error) {
      return messageOf(error);
    }
  }
}

/** Hidden files are those of editors, and of volumes that are exchanged as a whole (`..data` of Kubernetes). */
function sourcesIn(directory: string): readonly Source[] {
  const names = readdirSync(directory)
    .filter((file) => extname(file) === '.pem' && !file.startsWith('.') && !isFolder(join(directory, file)))
    .toSorted();
  return names.map((file) => {
    const path = join(directory, file);
    return { name: nameOf(file), certFile: path, keyFile: path };
  });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Of several with one name, as `tls.crt` in a folder for each, each is named by its path. */
function withOwnNames(sources: readonly Source[]): readonly Source[] {
  const counts = new Map<string, number>();
  for (const { name } of sources) counts.set(name, (counts.get(name) ?? 0) + 1);
  return sources.map((source) =>
    counts.get(source.name) === 1 ? source : { ...source, name: source.certFile },
  );
}

function nameOf(file: string): string {
  return basename(file, extname(file));
}

function stampOf(file: string): string {
  try {
    // not the time of its content, which can be set, and does not tell when it can be read at last
    const { ctimeMs, size, ino } = statSync(file);
    return `${file} ${ctimeMs} ${size} ${ino}`;
  } catch (error) {
    return messageOf(error);
  }
}

function secretIn(file: string): Uint8Array {
  if (file === '') return randomBytes(LEAST_SECRET_BYTES);
  const secret = readFileSync(file);
  if (secret.length < LEAST_SECRET_BYTES)
    throw new CertificateError(
      `${file} must have ${LEAST_SECRET_BYTES} bytes or more; make it with: openssl rand -out ${file} 64`,
    );
  return secret;
}
