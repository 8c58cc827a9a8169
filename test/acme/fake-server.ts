/** An ACME server that does as a test says, without TLS: as little of RFC 8555 as a client needs, which it trusts in all. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeCertificate, type Pair } from '../helpers/proxy/certificates.ts';

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is where it is a string, else as JSON. */
  readonly body?: unknown;
}

/** `domain` is that of the last order. */
type Handler = (payload: Readonly<Record<string, unknown>>, domain: string) => Reply | 'silence';

export class FakeAcmeServer {
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  readonly token = 'a-token-of-the-server';
  /** In place of what the server does at this path. */
  readonly instead = new Map<string, Handler>();
  /** Whom certificates are for, whoever was asked for; '' for those who were. */
  host = '';
  #url = '';
  #domain = '';
  #certificate = '';
  #hasAccount = false;
  readonly #authority: Pair = makeCertificate(['authority.test'], { isAuthority: true });

  static async start(t: TestContext): Promise<FakeAcmeServer> {
    const fake = new FakeAcmeServer();
    const server = createServer((request, response) => void fake.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    fake.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return fake;
  }

  get directoryUrl(): string {
    return `${this.#url}/directory`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.slice(1);
    this.asked.push(path);
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const sent = text === '' ? undefined : (JSON.parse(text) as { payload: string });
    const payload = sent?.payload ? JSON.parse(Buffer.from(sent.payload, 'base64url').toString()) : {};
    const reply = this.instead.get(path)?.(payload, this.#domain) ?? this.#reply(path, payload);
    if (reply === 'silence') return;
    const { status = 200, headers = {}, body = '' } = reply;
    response.writeHead(status, { 'replay-nonce': 'nonce', location: `${this.#url}/${path}-1`, ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  #reply(path: string, payload: Readonly<Record<string, unknown>>): Reply {
    const at = (name: string): string => `${this.#url}/${name}`;
    const challenge = { type: 'http-01', url: at('challenge'), token: this.token, status: 'valid' };
    switch (path) {
      case 'directory':
        return {
          body: { newNonce: at('nonce'), newAccount: at('account'), newOrder: at('order') },
        };
      case 'order':
        this.#domain = (payload.identifiers as readonly { value: string }[])[0]!.value;
        return { status: 201, body: this.order('pending') };
      case 'authorization':
        return {
          body: {
            identifier: { type: 'dns', value: this.#domain },
            status: 'pending',
            challenges: [{ ...challenge, status: 'pending' }],
          },
        };
      case 'challenge':
        return { body: challenge };
      case 'finalize':
        this.#certificate = this.#sign(payload.csr as string);
        return { body: this.order('valid') };
      case 'certificate':
        return { body: this.#certificate };
      case 'account':
        return this.#account(payload);
      case 'account-1':
        return 'contact' in payload || Object.keys(payload).length === 0
          ? { body: {} }
          : { status: 400, body: { detail: 'nothing of the account is to be updated' } };
      default:
        return { body: {} };
    }
  }

  /** RFC 8555 sections 7.3 and 7.3.1. */
  #account({ onlyReturnExisting }: Readonly<Record<string, unknown>>): Reply {
    const hadAccount = this.#hasAccount;
    if (!hadAccount && onlyReturnExisting === true)
      return { status: 400, body: { detail: 'there is no such account' } };
    this.#hasAccount = true;
    return { status: hadAccount ? 200 : 201, body: {} };
  }

  order(status: string): unknown {
    const [finalize, certificate] = [`${this.#url}/finalize`, `${this.#url}/certificate`];
    return { status, authorizations: [`${this.#url}/authorization`], finalize, certificate };
  }

  #sign(csr: string): string {
    const directory = mkdtempSync(join(tmpdir(), 'ringlb-acme-'));
    try {
      const file = (name: string, content: string | Buffer): string => {
        writeFileSync(join(directory, name), content);
        return join(directory, name);
      };
      const request = ['-req', '-inform', 'DER', '-in', file('csr', Buffer.from(csr, 'base64url'))];
      const { cert, key } = this.#authority;
      const signer = ['-CA', file('ca.crt', cert), '-CAkey', file('ca.key', key)];
      const names =
        this.host === ''
          ? ['-copy_extensions', 'copyall']
          : ['-extfile', file('names', `subjectAltName=DNS:${this.host}`)];
      const args = ['x509', ...request, ...signer, '-days', '90', ...names];
      return execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
}
