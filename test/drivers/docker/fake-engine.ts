/** A Docker engine whose every answer a test gives: for what a real one does only at a bad moment. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Answer = (response: ServerResponse, request: IncomingMessage) => unknown;

export class FakeEngine {
  readonly #server: Server;
  readonly #directory: string;
  readonly #answers = new Map<string, Answer>();
  /** Every request so far, as `METHOD /path`, in order. */
  readonly requests: string[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
    this.#server = createServer((request, response) => this.#handle(request, response));
  }

  static async open(): Promise<FakeEngine> {
    const engine = new FakeEngine(await mkdtemp(join(tmpdir(), 'ringlb-engine-')));
    await new Promise<void>((resolve) => engine.#server.listen(engine.socketPath, resolve));
    return engine;
  }

  get socketPath(): string {
    return join(this.#directory, 'docker.sock');
  }

  /** Answers `METHOD /path` (the query left out) from now on; what is not answered so is a 404. */
  on(request: string, answer: Answer): void {
    this.#answers.set(request, answer);
  }

  /** Answers `METHOD /path` with the status and the value as JSON. */
  reply(request: string, status: number, body?: unknown): void {
    this.on(request, (response) => json(response, status, body));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const what = `${request.method} ${request.url?.split('?')[0]}`;
    this.requests.push(what);
    const answer = this.#answers.get(what);
    if (answer) answer(response, request);
    else json(response, 404, { message: `no answer to ${what}` });
  }
}

/** Sends the value as JSON. */
export function json(response: ServerResponse, status: number, body?: unknown): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json' })
    .end(body === undefined ? '' : JSON.stringify(body));
}
