/**
 * A client of a balancer: requests on connections that are kept, and the balancer's own endpoints with their answers
 * checked.
 */
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import type { History } from '../../lib/api/snapshot.ts';
import type { ReplicaView, RingView } from '../../lib/api/types.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Asking {
  readonly headers?: OutgoingHttpHeaders;
  /** Sent as it is; the length is added. */
  readonly body?: string;
  /** Rejects when there was no whole answer by then. */
  readonly timeoutMs?: number;
}

/** Longer than anything the balancer itself waits for by default, /add with a slow image included. */
const TIMEOUT_MS = 70_000;

/** One server's connections, at most `connections` of them at a time. */
export class Client {
  readonly #base: URL;
  readonly #agent: Agent;

  constructor(base: URL, connections: number) {
    this.#base = base;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** Resolves with the whole answer, whatever its status; rejects where there is none. */
  ask(method: string, path: string, { headers = {}, body, timeoutMs = TIMEOUT_MS }: Asking = {}) {
    return new Promise<Answer>((resolve, reject) => {
      const framing = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const asked = request(
        {
          host: this.#base.hostname.replace(/^\[|\]$/g, ''),
          port: this.#base.port || 80,
          method,
          path,
          agent: this.#agent,
          headers: { ...framing, ...headers },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.once('end', () => {
            clearTimeout(timer);
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
          });
          response.once('error', fail);
        },
      );
      const fail = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
      };
      const timer = setTimeout(() => asked.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
      asked.once('error', fail);
      asked.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The replica that an answer to `/home` names: what stands behind the last blank of its message. */
export function replicaIn(answer: Answer): string | undefined {
  if (answer.status !== 200) return undefined;
  return /"message":"[^"]* ([^" ]+)"/.exec(answer.body)?.[1];
}

interface Envelope<T> {
  readonly message: T;
}

/** The endpoints of a balancer that the study uses; each throws what the balancer says where it refuses. */
export class Control {
  readonly public: Client;
  readonly admin: Client;
  /** What every request of the study carries: the token, where there is one. */
  readonly headers: OutgoingHttpHeaders;

  constructor(publicUrl: URL, adminUrl: URL, adminToken: string) {
    this.public = new Client(publicUrl, 4);
    this.admin = new Client(adminUrl, 4);
    this.headers = adminToken === '' ? {} : { authorization: `Bearer ${adminToken}` };
  }

  async #get<T>(client: Client, path: string): Promise<T> {
    const { status, body } = await client.ask('GET', path, { headers: this.headers });
    if (status !== 200) throw new Error(`GET ${path} answers ${status}: ${body}`);
    return (JSON.parse(body) as Envelope<T>).message;
  }

  async #change(method: string, path: string, names: readonly string[], count: number) {
    const body = JSON.stringify({ n: count, hostnames: names });
    const answer = await this.public.ask(method, path, { headers: this.headers, body });
    if (answer.status !== 200) throw new Error(`${method} ${path} answers ${answer.status}: ${answer.body}`);
    return (JSON.parse(answer.body) as Envelope<{ readonly replicas: readonly string[] }>).message.replicas;
  }

  /** The names of the replicas, in the order they were added. */
  async names(): Promise<readonly string[]> {
    return (await this.#get<{ readonly replicas: readonly string[] }>(this.public, '/rep')).replicas;
  }

  add(names: readonly string[], count = names.length): Promise<readonly string[]> {
    return this.#change('POST', '/add', names, count);
  }

  remove(names: readonly string[], count = names.length): Promise<readonly string[]> {
    return this.#change('DELETE', '/rm', names, count);
  }

  async replicas(): Promise<readonly ReplicaView[]> {
    return (await this.#get<{ readonly replicas: readonly ReplicaView[] }>(this.admin, '/replicas')).replicas;
  }

  /** What the balancer has sampled of itself, once a second. */
  history(): Promise<History> {
    return this.#get<History>(this.admin, '/history');
  }

  ring(): Promise<RingView> {
    return this.#get<RingView>(this.admin, '/ring');
  }

  close(): void {
    this.public.close();
    this.admin.close();
  }
}
