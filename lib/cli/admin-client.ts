/**
 * Asks a balancer's admin port, and tells apart what kept it from answering.
 * Must not hold: what is asked, or how an answer is shown.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { messageOf } from '../platform/errors.ts';
import { printable } from './output.ts';
import type { Target } from './target.ts';
import { CommandError, EXIT } from './usage.ts';

/** For what is only read; a change may take as long as replicas take to start. */
const READ_TIMEOUT_MS = 10_000;

export interface Answer {
  readonly status: number;
  /** What stands under `message`. */
  readonly message: unknown;
}

export interface Ask {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The longest silence; 0 is for ever. */
  readonly timeoutMs?: number;
}

export class AdminClient {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** The message of a 2xx. Throws CommandError: `refused` with the balancer's own sentence, or `unreachable`. */
  async ask(method: string, path: string, ask: Ask = {}): Promise<unknown> {
    const answer = await this.answer(method, path, ask);
    if (answer.status >= 300) throw refusal(answer);
    return answer.message;
  }

  /** The answer, whatever its status. Throws CommandError `unreachable` where no balancer gives one. */
  async answer(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    return this.#read(await this.#response(method, path, ask));
  }

  /** An answer that goes on. Throws as `ask`. */
  async stream(path: string, ask: Ask): Promise<IncomingMessage> {
    const response = await this.#response('GET', path, ask);
    if (response.statusCode === 200) return response.setEncoding('utf8');
    throw refusal(await this.#read(response));
  }

  #response(method: string, path: string, { body, headers, timeoutMs }: Ask): Promise<IncomingMessage> {
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
      let asked: ClientRequest;
      try {
        asked = request(`${url}${path}`, options, resolve);
      } catch (error) {
        return reject(this.#unreachable(error));
      }
      asked.on('timeout', () => asked.destroy(new Error(`silent for ${options.timeout} ms`)));
      asked.on('error', (error) => reject(this.#unreachable(error)));
      asked.end(content);
    });
  }

  async #read(response: IncomingMessage): Promise<Answer> {
    const status = response.statusCode ?? 0;
    let body: string;
    try {
      body = await text(response);
    } catch (error) {
      throw this.#unreachable(error);
    }
    const message = messageIn(body);
    if (message !== undefined) return { status, message };
    throw new CommandError(
      EXIT.unreachable,
      `what answers at ${this.#target.url} is no balancer: ${status} ${response.headers.server ?? ''}`.trimEnd(),
    );
  }

  #unreachable(error: unknown): CommandError {
    return new CommandError(
      EXIT.unreachable,
      `no balancer answers at ${this.#target.url}: ${causeOf(error)}`,
    );
  }
}

/** What stands under `message` in one of a balancer's answers; undefined for what is no such answer. */
function messageIn(body: string): unknown {
  try {
    const answer = JSON.parse(body) as { readonly message?: unknown; readonly status?: unknown } | null;
    return answer?.status === 'successful' || answer?.status === 'failure' ? answer.message : undefined;
  } catch {
    return undefined;
  }
}

/** A message that is a sentence, without the mark of an error. */
export function sentenceOf(message: unknown): string {
  return printable(String(message)).replace(/^<Error> /, '');
}

/** The balancer's sentence, and what to do where that is not obvious. */
function refusal({ status, message }: Answer): CommandError {
  const hint = status === 401 ? ' (--admin-token, --admin-token-file, LB_ADMIN_TOKEN)' : '';
  return new CommandError(EXIT.refused, `${sentenceOf(message)}${hint}`);
}

/** An error of several attempts has no message of its own. */
function causeOf(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(messageOf).join(', ') : messageOf(error);
}
