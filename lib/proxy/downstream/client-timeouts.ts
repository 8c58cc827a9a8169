/**
 * Time limits of one client connection, by the worker's coarse clock: how long its client may take none of a response, how
 * long it may be idle, and how long it is read on after its last response.
 */
import type { Socket } from 'node:net';
import { ReadProgress, type UnsentBytes } from '../io/unsent-bytes.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import type { ResponseTarget } from './client-response.ts';

/**
 * How long what a client goes on sending is read and thrown away after its last response, and how long it may pause
 * meanwhile: closing a socket with unread bytes sends a reset, which may take the response with it (RFC 9112 section 9.6).
 */
const LINGER_MS = 30_000;
const LINGER_PAUSE_MS = 5000;

/** What the watch needs of its worker. */
export interface WatchWorker {
  readonly nowMs: number;
  readonly unsentBytes: UnsentBytes;
  readonly recorder: { readonly thread: { idleClosed(): void } };
}

export class ClientTimeouts {
  readonly #target: ResponseTarget;
  readonly #worker: WatchWorker;
  #lingersSinceMs: number | undefined;
  /** Bytes that had come from the client at the last check, while it lingers. */
  #readBytes = 0;
  #progress: ReadProgress | undefined;
  /** Bytes that the kernel had taken at the last check, and since when it has taken no more. */
  #takenBytes = 0;
  #sinceMs: number;

  constructor(target: ResponseTarget, worker: WatchWorker) {
    this.#target = target;
    this.#worker = worker;
    this.#sinceMs = worker.nowMs;
  }

  /** The last response is written, and what the client goes on sending is thrown away. */
  get isLingering(): boolean {
    return this.#lingersSinceMs !== undefined;
  }

  startLingering(nowMs: number): void {
    this.#lingersSinceMs = nowMs;
    this.#sinceMs = nowMs;
  }

  /** A response was written: what the kernel took at once of a large one is not counted by the socket. */
  markActive(): void {
    this.#sinceMs = this.#worker.nowMs;
  }

  /** For how long nothing has moved. */
  idleMs(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }

  /** Closes the connection where a time limit is over; `isResponding`: a request is under way. */
  check(nowMs: number, options: WorkerOptions, isResponding: boolean): void {
    if (this.#lingersSinceMs !== undefined) return this.#checkLingering(nowMs, this.#lingersSinceMs);
    const socket = this.#target.carrier;
    const taken = socket.bytesWritten - socket.writableLength;
    const isStuck = socket.writableLength > 0;
    if (taken !== this.#takenBytes || (!isStuck && isResponding)) {
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

  /** Closes a connection on which no request comes. */
  closeIdle(): void {
    this.#worker.recorder.thread.idleClosed();
    this.#target.carrier.destroy();
  }

  #checkLingering(nowMs: number, startedMs: number): void {
    const { bytesRead } = this.#target.carrier;
    if (bytesRead !== this.#readBytes) this.#sinceMs = nowMs;
    this.#readBytes = bytesRead;
    if (nowMs - this.#sinceMs >= LINGER_PAUSE_MS || nowMs - startedMs >= LINGER_MS)
      this.#target.carrier.destroy();
  }

  /** The kernel takes nothing more: whether the client still reads what is in its buffers, checked a few times in the limit. */
  #readsOn(nowMs: number, limitMs: number): boolean {
    this.#progress ??= new ReadProgress(this.#sinceMs);
    const { unsentBytes } = this.#worker;
    return (
      this.#progress.isCheckDue(nowMs, limitMs) &&
      this.#progress.hasProgressed(this.#target.socket, unsentBytes)
    );
  }
}

/** The socket has been told to end, and what was written has not all gone out: to end it again would add a listener more. */
export function isEnding({ writableEnded, writableFinished }: Socket): boolean {
  return writableEnded && !writableFinished;
}
