/**
 * One call to a Docker engine's HTTP API: a promise with a time limit, whose every failure is a BalancerError that
 * says what to do. The only importer of dockerode.
 * Must not hold: which calls there are (engine.ts).
 */
import { createRequire } from 'node:module';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, type ErrorCode, errnoOf, messageOf } from '../../platform/errors.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: unknown;
  /** Statuses that mean the aim is met, beside 200, 201 and 204. */
  readonly accept?: readonly number[];
  readonly timeoutMs: number;
  /** What was to be done, for the error's sentence: `The Docker engine did not …`. */
  readonly what: string;
  /** The error's code by status, where the engine refuses; `engine-unreachable` for any other. */
  readonly refused?: (status: number, words: string) => ErrorCode;
  /** True for an answer that goes on for ever: it is given as a stream, and the limit is only on its head. */
  readonly isStream?: boolean;
}

/** What docker-modem, below dockerode, throws for an answer with an unwanted status. */
interface StatusError extends Error {
  readonly statusCode: number;
  readonly json?: { readonly message?: string } | null;
}

/** The part of docker-modem that dockerode's own methods are made of. */
interface Modem {
  dial(options: object, done: (error: unknown, reply: unknown) => void): void;
}

export interface DockerApiOptions {
  readonly clock: Clock;
  /** The engine's socket; without it DOCKER_HOST and the usual places decide. */
  readonly socketPath?: string;
  /** Longest wait for any one answer, instead of each call's own. */
  readonly timeoutMs?: number;
}

/** An engine to call; nothing is sent before the first call. */
export class DockerApi {
  readonly #modem: Modem;
  readonly #clock: Clock;
  readonly #timeoutMs: number | undefined;
  readonly #where: string;

  /** Throws `engine-unreachable` when DOCKER_HOST cannot be read. */
  constructor(options: DockerApiOptions) {
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    const { socketPath } = options;
    this.#where = socketPath ?? (process.env.DOCKER_HOST || '/var/run/docker.sock');
    // loaded only here: it costs 150 ms and 30 MB that the other drivers do not need
    const Docker = createRequire(import.meta.url)('dockerode') as typeof import('dockerode');
    try {
      this.#modem = new Docker(socketPath === undefined ? {} : { socketPath }).modem;
    } catch (cause) {
      throw new BalancerError('engine-unreachable', messageOf(cause), { cause });
    }
  }

  /** The reply's body, parsed; undefined for a status of `accept`. */
  async call(call: Call): Promise<unknown> {
    const limitMs = this.#timeoutMs ?? call.timeoutMs;
    const abort = new AbortController();
    const timer = this.#clock.after(limitMs, () => abort.abort());
    try {
      return await this.#dial(call, abort.signal);
    } catch (cause) {
      if (call.accept?.includes(statusOf(cause) ?? 0)) return undefined;
      if (abort.signal.aborted) throw this.#silent(call, limitMs);
      throw this.#failure(call, cause);
    } finally {
      timer.cancel();
    }
  }

  #dial(call: Call, abortSignal: AbortSignal): Promise<unknown> {
    const request = {
      method: call.method,
      // the modem appends the query to a path that ends so
      path: `${call.path}?`,
      options: { _query: call.query ?? {}, _body: call.body ?? {} },
      statusCodes: { 200: true, 201: true, 204: true },
      isStream: call.isStream ?? false,
      abortSignal,
    };
    return new Promise((resolve, reject) => {
      // the modem tells nobody when an answer breaks off in its body
      abortSignal.addEventListener('abort', () => reject(abortSignal.reason));
      this.#modem.dial(request, (error, reply) => (error ? reject(error) : resolve(reply)));
    });
  }

  #silent(call: Call, limitMs: number): BalancerError {
    const reason = `The Docker engine at ${this.#where} did not answer within ${limitMs} ms when asked to ${call.what}`;
    return new BalancerError('engine-unreachable', reason);
  }

  #failure(call: Call, cause: unknown): BalancerError {
    const status = statusOf(cause);
    if (status === undefined) return this.#unreachable(cause);
    const words = (cause as StatusError).json?.message ?? messageOf(cause);
    const reason = `The Docker engine did not ${call.what}: ${words}`;
    return new BalancerError(call.refused?.(status, words) ?? 'engine-unreachable', reason, { cause });
  }

  #unreachable(cause: unknown): BalancerError {
    const isDenied = ['EACCES', 'EPERM'].includes(errnoOf(cause));
    const reason = isDenied
      ? `The Docker socket ${this.#where} may not be opened by this user: join the socket's group (in a container: --group-add with the id that "stat -c %g ${this.#where}" prints)`
      : `No Docker engine answers at ${this.#where}: start it, set DOCKER_HOST, or use --driver process (${messageOf(cause)})`;
    return new BalancerError('engine-unreachable', reason, { cause });
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? (error as StatusError).statusCode : undefined;
}
