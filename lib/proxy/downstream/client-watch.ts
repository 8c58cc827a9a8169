/**
 * Whether a client takes what is written to it, and asks for anything, by the thread's coarse clock; and how long one is
 * read on after its last response. Must not hold: what is written, what comes.
 */
import type { Socket } from 'node:net';
import type { WorkerContext } from '../exchange/worker-context.ts';
import { ReadProgress } from '../io/unsent-bytes.ts';
import type { WorkerOptions } from '../worker-protocol.ts';

/**
 * How long what a client goes on sending is read and thrown away after its last response, and how long it may pause
 * meanwhile: closing on what was not read is a reset, which may take the response with it (RFC 9112 section 9.6).
 */
const LINGER_MS = 30_000;
const LINGER_SILENCE_MS = 5000;

export class ClientWatch {
  readonly #socket: Socket;
  readonly #worker: WorkerContext;
  #lingersSinceMs: number | undefined;
  /** Bytes that had come from it at the last look, while it lingers. */
  #readBytes = 0;
  #progress: ReadProgress | undefined;
  /** Bytes the kernel had taken at the last look, and since when no more. */
  #takenBytes = 0;
  #sinceMs: number;

  constructor(socket: Socket, worker: WorkerContext) {
    this.#socket = socket;
    this.#worker = worker;
    this.#sinceMs = worker.nowMs;
  }

  /** Its last response is out, and what it goes on sending is thrown away. */
  get isLingering(): boolean {
    return this.#lingersSinceMs !== undefined;
  }

  startLingering(nowMs: number): void {
    this.#lingersSinceMs = nowMs;
    this.#sinceMs = nowMs;
  }

  /** For how long nothing has moved. */
  idleMs(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }

  /** Looks at it, and closes it where it is time; `isAnswering`: a request is under way. */
  look(nowMs: number, options: WorkerOptions, isAnswering: boolean): void {
    if (this.#lingersSinceMs !== undefined) return this.#lookLingering(nowMs, this.#lingersSinceMs);
    const socket = this.#socket;
    const taken = socket.bytesWritten - socket.writableLength;
    const isStuck = socket.writableLength > 0;
    if (taken !== this.#takenBytes || (!isStuck && isAnswering)) {
      this.#takenBytes = taken;
      this.#sinceMs = nowMs;
      this.#progress = undefined;
      return;
    }
    if (isStuck && this.#readsOn(nowMs, options.sendTimeoutMs)) this.#sinceMs = nowMs;
    if (nowMs - this.#sinceMs < (isStuck ? options.sendTimeoutMs : options.keepAliveTimeoutMs)) return;
    if (isStuck) socket.destroy();
    else this.closeIdle();
  }

  /** Closes one that asks for nothing. */
  closeIdle(): void {
    this.#worker.recorder.thread.idleClosed();
    this.#socket.destroy();
  }

  #lookLingering(nowMs: number, beganMs: number): void {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#readBytes) this.#sinceMs = nowMs;
    this.#readBytes = bytesRead;
    if (nowMs - this.#sinceMs >= LINGER_SILENCE_MS || nowMs - beganMs >= LINGER_MS) this.#socket.destroy();
  }

  /** The kernel takes nothing more; whether the client goes on reading what it has, asked a few times within the limit. */
  #readsOn(nowMs: number, limitMs: number): boolean {
    this.#progress ??= new ReadProgress(this.#sinceMs);
    return (
      this.#progress.isDue(nowMs, limitMs) &&
      this.#progress.hasProgressed(this.#socket, this.#worker.unsentBytes)
    );
  }
}
