/**
 * The directory in which certificates from an ACME server are kept, and what is needed to get them: the account's key, the
 * certificates as NAME.pem, the challenges that are under way, and a lock. Balancers that share it share all of these:
 * one orders, any responds to a challenge, all use the certificate.
 * Invariants: files are readable by their owner alone, and are whole or absent; a certificate is saved only where it can be
 * used; a lock is void once its holder has not touched it for LOCK_MS, and only its holder touches it or takes it off.
 */
import { createPrivateKey, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BalancerError, errnoOf, messageOf } from '../platform/errors.ts';

/** An order takes seconds; a holder touches the lock more often than this. */
export const LOCK_MS = 120_000;
const LOCK = 'lock';
/** Those of servers have 43 characters; a file's name has room for 255. */
const TOKEN = /^[\w-]{1,128}$/;

/** From when to when a certificate is valid, in milliseconds since the Unix epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Judges a certificate with its chain, and a key, both in PEM. Throws where they cannot be used for the domain now. */
export type CheckCertificate = (domain: string, chain: string, key: string) => Validity;

export class AcmeDirectory {
  readonly #path: string;
  readonly #check: CheckCertificate;
  /** Of drafts and of the lock; process ids are alike in containers that share a directory. */
  readonly #id = randomUUID();

  /** Creates it where it is not there. Throws BalancerError `certificate-unusable` where it cannot be written. */
  constructor(path: string, check: CheckCertificate) {
    this.#path = path;
    this.#check = check;
    const trial = `.written.${this.#id}`;
    try {
      mkdirSync(join(path, 'challenges'), { recursive: true, mode: 0o700 });
      this.#write(trial, 'x');
      rmSync(join(path, trial));
    } catch (cause) {
      const reason = `acme-dir ${path} cannot be written: ${messageOf(cause)}`;
      throw new BalancerError('certificate-unusable', reason, { cause });
    }
  }

  /** The account's key in PEM; undefined before it was saved. Throws where the file is none. */
  get accountKey(): string | undefined {
    const key = this.#read('account.key');
    if (key === undefined) return undefined;
    try {
      createPrivateKey(key);
    } catch (cause) {
      const file = join(this.#path, 'account.key');
      throw new Error(`${file} is no private key; without it there will be another account`, { cause });
    }
    return key;
  }

  saveAccountKey(key: string): void {
    this.#write('account.key', key);
  }

  /** Undefined where there is no certificate for the domain, or what is there cannot be used. */
  validityOf(domain: string): Validity | undefined {
    const text = this.#read(`${domain}.pem`);
    if (text === undefined) return undefined;
    try {
      return this.#check(domain, text, text);
    } catch {
      return undefined;
    }
  }

  /** The certificate with its chain, and its key, in PEM. Throws where they cannot be used; what was there stays then. */
  saveCertificate(domain: string, chain: string, key: string): void {
    this.#check(domain, chain, key);
    this.#write(`${domain}.pem`, `${chain.trimEnd()}\n${key.trimEnd()}\n`);
  }

  /** What proves to the ACME server that this is the domain's server (RFC 8555 section 8.3). */
  challenge(token: string): string | undefined {
    return TOKEN.test(token) ? this.#read(join('challenges', token)) : undefined;
  }

  saveChallenge(token: string, keyAuthorization: string): void {
    if (TOKEN.test(token)) this.#write(join('challenges', token), keyAuthorization);
  }

  removeChallenge(token: string): void {
    if (TOKEN.test(token)) rmSync(join(this.#path, 'challenges', token), { force: true });
  }

  /** Takes the lock; false where another balancer has it. `nowMs` is since the Unix epoch. */
  lock(nowMs: number): boolean {
    const file = join(this.#path, LOCK);
    try {
      // a time to come is that of a clock that was put right since
      if (Math.abs(nowMs - statSync(file).mtimeMs) > LOCK_MS) rmSync(file, { force: true });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    try {
      writeFileSync(file, this.#id, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      // on a full disk there is an empty file now
      rmSync(file, { force: true });
      throw error;
    }
  }

  touchLock(nowMs: number): void {
    if (this.#isLocked()) utimesSync(join(this.#path, LOCK), nowMs / 1000, nowMs / 1000);
  }

  unlock(): void {
    if (this.#isLocked()) rmSync(join(this.#path, LOCK), { force: true });
  }

  /** By this one: another may have taken the lock of one that was suspended. */
  #isLocked(): boolean {
    return this.#read(LOCK) === this.#id;
  }

  #read(name: string): string | undefined {
    try {
      return readFileSync(join(this.#path, name), 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #write(name: string, text: string): void {
    const file = join(this.#path, name);
    const draft = `${file}.${this.#id}.new`;
    try {
      writeFileSync(draft, text, { mode: 0o600 });
      renameSync(draft, file);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  }
}
