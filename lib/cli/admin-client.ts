/** An HTTP client for the admin port that tells apart why a request got no response. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { RUNS } from '../api/health.ts';
import { messageOf } from '../platform/errors.ts';
import { request as httpRequest } from '../platform/node/http.ts';
import { printable } from './output.ts';
import type { Target } from './target.ts';
import { CommandError, EXIT } from './usage.ts';

/** For reads; a change may take as long as replicas take to start. */
const READ_TIMEOUT_MS = 10_000;

export interface AdminResponse {
  readonly status: number;
  /** The `message` of its JSON body. */
  readonly message: unknown;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Maximum time without any data; 0 is unlimited. */
  readonly timeoutMs?: number;
  /** What the fields of the request, which an error begins with, are called on the command line. */
  readonly typed?: Readonly<Record<string, string>>;
}

/** Something else responds at the address. */
class NoBalancerError extends CommandError {
  constructor(message: string) {
    super(EXIT.unreachable, message);
  }
}

export class AdminClient {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  get url(): string {
    return this.#target.url;
  }

  /** The message of a 2xx response. Throws CommandError: `refused` with the balancer's own sentence, or `unreachable`. */
  async requestMessage(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const response = await this.request(method, path, options);
    if (response.status >= 300) throw this.#refusal(response, options);
    return response.message;
  }

  /** The response, whatever its status. Throws CommandError `unreachable` if there is none. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<AdminResponse> {
    return this.#judge(method, await this.#send(method, path, options));
  }

  /** What is in a response, if the balancer's admin port gave it. Throws CommandError `unreachable` otherwise. */
  async #judge(method: string, received: IncomingMessage): Promise<AdminResponse> {
    try {
      const response = await this.#read(received);
      // what a replica says to a path that it does not know, in the balancer's own form
      if (method === 'GET' && [400, 404].includes(response.status)) await this.judgePort();
      return response;
    } catch (error) {
      if (error instanceof NoBalancerError) await this.judgePort();
      throw error;
    }
  }

  /**
   * Throws CommandError `unreachable` if it is the public port, which responds to `/rep` as the admin port does, but sends
   * `/healthz` to a replica.
   */
  async judgePort(): Promise<void> {
    const rep = await this.#messageOrNone('/rep');
    if (typeof rep !== 'object' || rep === null || !('replicas' in rep)) return;
    if ((await this.#messageOrNone('/healthz')) === RUNS) return;
    throw new CommandError(
      EXIT.unreachable,
      `${this.#target.url} is the public port of a balancer, not its admin port (5001 unless --admin-port says else)`,
    );
  }

  async #messageOrNone(path: string): Promise<unknown> {
    try {
      const { status, message } = await this.#read(await this.#send('GET', path, {}));
      return status === 200 ? message : undefined;
    } catch {
      return undefined;
    }
  }

  /** An endless response. Throws as `requestMessage` does. */
  async stream(path: string, options: RequestOptions): Promise<IncomingMessage> {
    const response = await this.#send('GET', path, options);
    const { statusCode, headers } = response;
    const isStream = /^text\/event-stream\b/i.test(headers['content-type'] ?? '');
    if (statusCode === 200 && isStream) return response.setEncoding('utf8');
    const judged = await this.#judge('GET', response);
    if (judged.status !== 200) throw this.#refusal(judged, options);
    await this.judgePort();
    throw new NoBalancerError(`what responds at ${this.#target.url} is no balancer: it sends no events`);
  }

  #send(
    method: string,
    path: string,
    { body, headers, timeoutMs }: RequestOptions,
  ): Promise<IncomingMessage> {
    const { url, token } = this.#target;
    const content = body === undefined ? '' : JSON.stringify(body);
    const isRead = method === 'GET';
    const options = {
      method,
      agent: false as const,
      timeout: timeoutMs ?? (isRead ? READ_TIMEOUT_MS : 0),
      headers: {
        ...(token !== '' && { authorization: `Bearer ${token}` }),
        ...(content !== '' && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(content),
        }),
        ...headers,
      },
    };
    const request = url.startsWith('https:') ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      let sent: ClientRequest;
      try {
        sent = request(`${url}${path}`, options, resolve);
      } catch (error) {
        return reject(this.#unreachable(error));
      }
      sent.on('timeout', () => sent.destroy(new Error(`silent for ${options.timeout} ms`)));
      sent.on('error', (error) => reject(this.#unreachable(error)));
      sent.end(content);
    });
  }

  async #read(response: IncomingMessage): Promise<AdminResponse> {
    const status = response.statusCode ?? 0;
    let body: string;
    try {
      body = await text(response);
    } catch (error) {
      throw this.#unreachable(error);
    }
    const message = messageIn(body);
    if (message !== undefined) return { status, message };
    throw new NoBalancerError(
      `what responds at ${this.#target.url} is no balancer: ${status} ${response.headers.server ?? ''}`.trimEnd(),
    );
  }

  /** The balancer's own sentence, in words of the command line. */
  #refusal({ status, message }: AdminResponse, { typed = {} }: RequestOptions): CommandError {
    const sentence = sentenceOf(message).replace(FIELD, (field) => typed[field] ?? field);
    if (status !== 401) return new CommandError(EXIT.refused, sentence);
    const problem = this.#target.token === '' ? 'needs the admin token' : 'needs another admin token';
    return new CommandError(
      EXIT.refused,
      `This ${problem} (--admin-token, --admin-token-file, LB_ADMIN_TOKEN)`,
    );
  }

  #unreachable(error: unknown): CommandError {
    return new CommandError(
      EXIT.unreachable,
      `no balancer responds at ${this.#target.url}: ${causeOf(error)}`,
    );
  }
}

/** The `message` of a balancer's response; undefined for anything else. */
function messageIn(body: string): unknown {
  try {
    const envelope = JSON.parse(body) as { readonly message?: unknown; readonly status?: unknown } | null;
    const isOurs = envelope?.status === 'successful' || envelope?.status === 'failure';
    return isOurs ? envelope.message : undefined;
  } catch {
    return undefined;
  }
}

/** The sentence in a message, without the prefix of an error. */
export function sentenceOf(message: unknown): string {
  return printable(String(message)).replace(/^<Error> /, '');
}

/** The field that a sentence is about: `n must be …`, `n is 5, …`, `n 5 …`, `env: …`. */
const FIELD = /^\w+(?=:| must | is (?:empty|\d)| \d)/;

/** An AggregateError has no message of its own, and OpenSSL's has addresses and names of files. */
function causeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EPROTO') return 'what responds does not speak TLS; the admin port is http://';
  if (code.startsWith('HPE_')) return 'what responds does not speak HTTP';
  if (code === 'ECONNRESET' && messageOf(error) === 'socket hang up')
    return 'the connection was closed without a response; a port for TLS needs https://';
  return error instanceof AggregateError ? error.errors.map(messageOf).join(', ') : messageOf(error);
}
