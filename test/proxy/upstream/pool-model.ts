/**
 * One pool over fake sockets, all attempts that it was ever given, and what must be true of both at any time.
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { ResponseRequest } from '../../../lib/http1/response-parser.ts';
import { createMetricsMemory } from '../../../lib/metrics/layout.ts';
import { Recorder } from '../../../lib/metrics/recorder.ts';
import type { BalancerError } from '../../../lib/platform/errors.ts';
import type { Attempt, Connection } from '../../../lib/proxy/upstream/connection.ts';
import { ConnectionPool } from '../../../lib/proxy/upstream/connection-pool.ts';
import { FakeSocket } from './fake-socket.ts';

export type Kind = 'plain' | 'fresh' | 'upgrade';
/** What an attempt does in the very call in which it hears that it failed. */
export type Reaction = 'nothing' | 'send again' | 'withdraw others' | 'close the pool';

const SHAPE = { ordinals: 1, workers: 1 };
/** Unless said. */
export const MAX_CONNECTIONS = 4;
/** So many connections are opened at a time. */
const MOST_CONNECTING = 8;
export const CONNECT_TIMEOUT_MS = 2000;
export const WAIT_TIMEOUT_MS = 5000;

class ModelAttempt implements Attempt {
  readonly request: ResponseRequest;
  readonly isRequestSent = true;
  readonly needsNewConnection: boolean;
  readonly #onFailed: (attempt: ModelAttempt) => void;
  /** What it heard of `send`, and of the connection that it was given. */
  readonly heard: string[] = [];
  connection: Connection | undefined;
  waitsSinceMs = 0;
  isWithdrawn = false;

  constructor(kind: Kind, onFailed: (attempt: ModelAttempt) => void) {
    this.request = { method: 'GET', rawChunks: true, upgrade: kind === 'upgrade' };
    this.needsNewConnection = kind === 'fresh';
    this.#onFailed = onFailed;
  }

  get isWaiting(): boolean {
    return this.heard.length === 0 && !this.isWithdrawn;
  }

  get isBusy(): boolean {
    return this.connection !== undefined;
  }

  onConnection(connection: Connection): void {
    assert.ok(this.isWaiting, `given a connection after ${this.heard.join(', ')}`);
    this.heard.push('connection');
    this.connection = connection;
    if (this.needsNewConnection || this.request.upgrade) assert.equal(connection.isReused, false);
    connection.write('GET / HTTP/1.1\r\n\r\n');
  }

  onUpstreamError(error: BalancerError): void {
    assert.ok(this.isWaiting || this.isBusy, `failed with ${error.code} after ${this.heard.join(', ')}`);
    this.heard.push(error.code);
    this.connection = undefined;
    this.#onFailed(this);
  }

  onDone(): void {
    assert.ok(this.isBusy);
    this.heard.push('done');
    this.connection = undefined;
  }

  onTunnel(socket: Socket): void {
    assert.ok(this.isBusy && this.request.upgrade);
    socket.on('error', () => {});
    this.heard.push('tunnel');
    this.connection = undefined;
  }

  onReadEnd(): void {}
  onDrain(): void {}

  onWriteFailed(): void {}
  onInterim(): void {}
  onHead(): void {}
  onBody(): void {}
  onEnd(): void {}
}

export class PoolModel {
  readonly sockets: FakeSocket[] = [];
  readonly attempts: ModelAttempt[] = [];
  readonly pool: ConnectionPool;
  readonly #maxConnections: number;
  #nowMs = 1000.5;
  #tickedMs = 1000.5;
  #isClosed = false;

  constructor(maxConnections = MAX_CONNECTIONS) {
    this.#maxConnections = maxConnections;
    this.pool = new ConnectionPool({
      ordinal: 0,
      endpoint: { host: '127.0.0.1', port: 1 },
      maxConnections,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      waitTimeoutMs: WAIT_TIMEOUT_MS,
      nowMs: () => this.#nowMs,
      passedMs: () => this.#nowMs,
      recorder: new Recorder(createMetricsMemory(SHAPE), SHAPE, 0),
      connect: (options) => {
        const socket = new FakeSocket(options);
        this.sockets.push(socket);
        return socket.asSocket;
      },
    });
  }

  send(kind: Kind, reaction: Reaction = 'nothing'): ModelAttempt {
    const attempt = new ModelAttempt(kind, () => this.#react(reaction));
    this.attempts.push(attempt);
    this.pool.send(attempt);
    return attempt;
  }

  #react(reaction: Reaction): void {
    if (reaction === 'send again') this.send('plain');
    if (reaction === 'withdraw others') for (const other of this.waiting.slice(0, 2)) this.withdraw(other);
    if (reaction === 'close the pool') this.close();
  }

  withdraw(attempt: ModelAttempt): void {
    attempt.isWithdrawn = true;
    this.pool.withdraw(attempt);
  }

  /** The attempt's client has left. */
  cancel(attempt: ModelAttempt): void {
    const { connection } = attempt;
    attempt.connection = undefined;
    attempt.heard.push('cancelled');
    connection?.cancel();
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    this.#tickedMs = this.#nowMs;
    this.pool.tick();
  }

  close(): void {
    this.#isClosed = true;
    this.pool.close();
  }

  get waiting(): readonly ModelAttempt[] {
    return this.attempts.filter(({ isWaiting }) => isWaiting);
  }

  get busy(): readonly ModelAttempt[] {
    return this.attempts.filter(({ isBusy }) => isBusy);
  }

  socketsThat(state: FakeSocket['state']): readonly FakeSocket[] {
    return this.sockets.filter((socket) => socket.state === state);
  }

  socketOf({ connection }: ModelAttempt): FakeSocket {
    return this.sockets.find((socket) => socket.asSocket === connection?.socket)!;
  }

  /** Sockets that became tunnels are nobody's here. */
  get #tunnels(): number {
    return this.sockets.filter((socket) => socket.state === 'open' && socket.listenerCount('connect') === 0)
      .length;
  }

  /** What holds whenever nobody is in the middle of a call. */
  check(): void {
    const { idle, settling, quarantined, busy, connecting } = this.pool.connections;
    assert.equal(connecting, this.socketsThat('connecting').length, 'connecting');
    assert.equal(busy, this.busy.length, 'busy');
    const free = this.socketsThat('open').length - busy - this.#tunnels;
    assert.equal(idle + settling + quarantined, free, 'free');
    for (const { waitsSinceMs } of this.waiting)
      assert.ok(this.#tickedMs - waitsSinceMs < WAIT_TIMEOUT_MS, 'one waits for too long');
    const { forAny, forRoom, forTheirs } = this.pool.waiting;
    assert.equal(forAny + forRoom + forTheirs, this.waiting.length, 'waiting');
    const own = this.waiting.filter(
      ({ request, needsNewConnection }) => request.upgrade || needsNewConnection,
    ).length;
    assert.equal(forRoom + forTheirs, own, 'those that need a new connection');
    const all = free + busy + connecting;
    // one that rests for long makes room where need be
    const isFull = all - quarantined === this.#maxConnections;
    assert.ok(all <= this.#maxConnections, `${all} connections`);
    if (this.#isClosed) assert.equal(all + this.waiting.length, 0, 'a closed pool has nothing');
    assert.ok(idle === 0 || forAny === 0, 'some wait while a connection is idle');
    assert.ok(forRoom === 0 || (isFull && idle === 0), 'some wait for room while there is some, or could be');
    const onTheirWay = connecting - forTheirs + settling;
    assert.ok(
      isFull || onTheirWay >= Math.min(forAny, MOST_CONNECTING),
      'some wait while there is room and none on its way',
    );
  }

  /** Lets everything come to its end: what connects does, and what is asked for is answered. */
  async finish(): Promise<void> {
    for (let round = 0; this.waiting.length + this.busy.length > 0; round++) {
      assert.ok(round < 1000, 'attempts that nothing ends');
      for (const socket of this.socketsThat('connecting')) socket.connected();
      for (const attempt of this.busy) {
        // the pool may have been closed by one before it
        if (!attempt.isBusy) continue;
        const socket = this.socketOf(attempt);
        socket.brings('HTTP/1.1 204 No Content\r\n\r\n');
        // in the middle of a body that ends with its connection
        if (attempt.isBusy) socket.ends();
      }
      await turn();
      this.check();
    }
    for (const { heard, isWithdrawn } of this.attempts)
      assert.ok(isWithdrawn ? heard.length === 0 : heard.length > 0);
  }
}
