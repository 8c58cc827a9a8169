/**
 * One call to the HTTP API of a Docker engine: a promise with a timeout, whose every failure is a BalancerError that says
 * what to do. The only importer of dockerode.
 */
import { createRequire } from 'node:module';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, type ErrorCode, errnoOf, messageOf } from '../../platform/errors.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: unknown;
  /** Further statuses that count as success, beside 200, 201 and 204. */
  readonly accept?: readonly number[];
  readonly timeoutMs: number;
  /** Completes the sentence of an error: `The Docker engine did not …`. */
  readonly what: string;
  /** Maps a refusal to an error code; `engine-unreachable` without it. */
  readonly refused?: (status: number, words: string) => ErrorCode;
  /** True for an endless response: it is returned as a stream, and the timeout applies to its head only. */
  readonly isStream?: boolean;
}

/** What docker-modem, below dockerode, throws for an unexpected status. */
interface StatusError extends Error {
  readonly statusCode: number;
  readonly json?: { readonly message?: string } | null;
}

/** The part of docker-modem that dockerode's own methods are built on. */
interface Modem {
  dial(options: object, done: (error: unknown, reply: unknown) => void): void;
}

export interface DockerApiOptions {
  readonly clock: Clock;
  /** The engine's socket; by default DOCKER_HOST, then the usual locations. */
  readonly socketPath?: string;
  /** The engine's address, `unix:///path` or `tcp://host:port`, in place of a socket. */
  readonly engine?: string;
  /** Timeout of every call, in place of the call's own. */
  readonly timeoutMs?: number;
}

/** A client of one engine; nothing is sent before the first call. */
export class DockerApi {
  readonly #modem: Modem;
  readonly #clock: Clock;
  readonly #timeoutMs: number | undefined;
  readonly #where: string;

  /** Throws `engine-unreachable` when DOCKER_HOST cannot be read. */
  constructor(options: DockerApiOptions) {
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    const { socketPath, engine } = options;
    this.#where = engine ?? socketPath ?? (process.env.DOCKER_HOST || '/var/run/docker.sock');
    // loaded lazily: it costs 150 ms and 30 MB that the other drivers do not need
    const Docker = createRequire(import.meta.url)('dockerode') as typeof import('dockerode');
    try {
      const socket = socketPath === undefined ? {} : { socketPath };
      this.#modem = new Docker(engine === undefined ? socket : addressOf(engine)).modem;
    } catch (cause) {
      throw new BalancerError('engine-unreachable', messageOf(cause), { cause });
    }
  }

  /** The parsed response body; undefined for a status of `accept`. */
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
      // the modem appends the query only to a path that ends in ?
      path: `${call.path}?`,
      options: { _query: call.query ?? {}, _body: call.body ?? {} },
      statusCodes: { 200: true, 201: true, 204: true },
      isStream: call.isStream ?? false,
      abortSignal,
    };
    return new Promise((resolve, reject) => {
      // the modem reports nothing when a response is cut in its body
      abortSignal.addEventListener('abort', () => reject(abortSignal.reason));
      this.#modem.dial(request, (error, reply) => (error ? reject(error) : resolve(reply)));
    });
  }

  #silent(call: Call, limitMs: number): BalancerError {
    const reason = `The Docker engine at ${this.#where} did not respond within ${limitMs} ms when asked to ${call.what}`;
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
      : `No Docker engine responds at ${this.#where}: start it, set DOCKER_HOST, or use --driver process (${messageOf(cause)})`;
    return new BalancerError('engine-unreachable', reason, { cause });
  }
}

function addressOf(engine: string) {
  const socketPath = /^unix:\/\/(\/.*)$/.exec(engine)?.[1];
  if (socketPath !== undefined) return { socketPath };
  const { hostname: host, port } = new URL(engine);
  return { protocol: 'http' as const, host, port: port || '2375' };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? (error as StatusError).statusCode : undefined;
}
