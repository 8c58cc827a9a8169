/**
 * A load that does not wait for answers, a process of its own:
 * `node open-loop.ts <port> <path> <requests a second> <warm-up seconds> <seconds>`; prints one line of JSON.
 * Requests are due at even distances; each takes the connection that has been idle longest, or opens one when none is.
 * Invariant: latency runs from the moment a request was due, not from when it could be sent, so that a peer that stalls
 * is charged with every request it held up ("coordinated omission", G. Tene).
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { percentile } from './stats.ts';

export interface OpenLoopReport {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

const [port = 0, perSecond = 0, warmSeconds = 0, seconds = 0] = [2, 4, 5, 6].map((i) =>
  Number(process.argv[i]),
);
const path = process.argv[3]!;
const CONNECTIONS = 64;
const LAST_ANSWERS_MS = 2000;

const requestText = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
const warmCount = Math.round(perSecond * warmSeconds);
const count = warmCount + Math.round(perSecond * seconds);
const latenciesMs = new Float64Array(count - warmCount);
const idle: Client[] = [];
let sent = 0;
let answered = 0;
let measured = 0;
let errors = 0;

const nowNs = (): number => Number(process.hrtime.bigint());

/** One connection, with at most one request on it. */
class Client {
  readonly #socket: Socket;
  #dueNs = 0;
  #left = -1;

  constructor() {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.once('error', () => this.#socket.destroy());
    this.#socket.once('close', () => this.#gone());
  }

  send(dueNs: number): void {
    this.#dueNs = dueNs;
    this.#socket.write(requestText);
  }

  close(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  /** The small answer and its head come in one piece from every peer, or in two that start where the head does. */
  #take(chunk: Buffer): void {
    if (this.#left < 0) {
      const text = chunk.toString('latin1');
      const length = /\r\ncontent-length: *(\d+)/i.exec(text);
      if (!text.startsWith('HTTP/1.1 200') || !length) return void this.#socket.destroy();
      this.#left = Number(length[1]) + text.indexOf('\r\n\r\n') + 4;
    }
    this.#left -= chunk.length;
    if (this.#left > 0) return;
    this.#left = -1;
    finish(this.#dueNs);
    this.#dueNs = 0;
    idle.push(this);
  }

  #gone(): void {
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
    if (this.#dueNs === 0) return;
    errors++;
    finish(this.#dueNs);
  }
}

function finish(dueNs: number): void {
  answered++;
  if (dueNs >= measureFromNs) latenciesMs[measured++] = (nowNs() - dueNs) / 1e6;
  if (answered === count) report();
}

function report(): never {
  const sorted = latenciesMs.subarray(0, measured).sort();
  const unanswered = count - answered;
  const result: OpenLoopReport = {
    requests: measured,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    errors: errors + unanswered,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}

let measureFromNs = Number.POSITIVE_INFINITY;
for (let i = 0; i < CONNECTIONS; i++) idle.push(new Client());
const workerData = { perSecond, count };
const pacer = new Worker(join(import.meta.dirname, 'pacer.ts'), { workerData });
pacer.on('message', (dueNs: number) => {
  if (sent++ === warmCount) measureFromNs = dueNs;
  (idle.shift() ?? new Client()).send(dueNs);
  if (sent === count) setTimeout(report, LAST_ANSWERS_MS);
});
