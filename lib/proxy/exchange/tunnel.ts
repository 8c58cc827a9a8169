/**
 * Two sockets joined after a switch of protocols: what comes on one goes out on the other, until both have ended.
 * Invariants: a half-close passes on; an error or a silence of `idleTimeoutMs` on either closes both; `onEnd` is called
 * once, when both are closed.
 * Source: RFC 9110 section 7.8, RFC 6455 section 7.1.1.
 */
import type { Socket } from 'node:net';
import type { Recorder } from '../../metrics/recorder.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { RequestBody } from './request-body.ts';
import type { RequestRecord } from './request-record.ts';

/** How long a tunnel may be silent once one end has sent its last. */
const HALF_CLOSED_MS = 10_000;

export interface TunnelParts {
  readonly worker: {
    readonly nowMs: number;
    readonly options: { readonly idleTimeoutMs: number };
    readonly recorder: Pick<Recorder, 'lastResort' | 'tunnelBytes' | 'tunnelClosed' | 'tunnelOpened'>;
  };
  readonly context: RequestContext;
  readonly record: RequestRecord;
  /** The replica's end. */
  readonly upstream: Socket;
}

export class Tunnel {
  readonly #parts: TunnelParts;
  readonly #client: Socket;
  /** What had come from both ends at the last check. */
  #readBytes = Number.NEGATIVE_INFINITY;
  #openEnds = 2;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#client = parts.context.request.socket;
  }

  /**
   * Writes `head`, the response that switches protocols, with which the request is over, and joins the ends; the client's
   * once all of its request has come (RFC 9110 section 7.8). Returns when to call `checkIdle`.
   */
  open(head: string, early: Buffer, body: RequestBody | undefined, onEnd: () => void): number {
    const { worker, context, record, upstream } = this.#parts;
    const client = this.#client;
    client.write(head, 'latin1');
    record.finish(0);
    worker.recorder.tunnelOpened(record.answeredBy);
    client.on('close', () => this.#onClose(upstream, onEnd));
    upstream.on('close', () => this.#onClose(client, onEnd));
    this.#limitSilence();
    // what follows the request belongs to the tunnel, however long the rest of the request is on its way
    context.client.isClosing = false;
    const onReady = (): void => context.client.becomeTunnel((clientEarly) => this.#joinClient(clientEarly));
    if (body === undefined) onReady();
    else body.onceComplete(onReady);
    this.#count(0, early.length);
    upstream.on('data', (chunk: Buffer) => this.#count(0, chunk.length));
    if (early.length > 0) client.write(early);
    upstream.pipe(client);
    return this.checkIdle();
  }

  /** Closes the tunnel where it has been silent for so long that its sockets should have; returns when to check again. */
  checkIdle(): number {
    const { worker, upstream } = this.#parts;
    const bytes = this.#client.bytesRead + upstream.bytesRead;
    if (bytes === this.#readBytes) {
      worker.recorder.lastResort();
      upstream.destroy();
      this.#client.destroy();
    }
    this.#readBytes = bytes;
    return worker.nowMs + 2 * worker.options.idleTimeoutMs + HALF_CLOSED_MS;
  }

  /** Both ends are closed. */
  close(): void {
    const { worker, record } = this.#parts;
    worker.recorder.tunnelClosed(record.answeredBy);
  }

  #joinClient(early: Buffer): void {
    const { upstream } = this.#parts;
    this.#count(early.length, 0);
    this.#client.on('data', (chunk: Buffer) => this.#count(chunk.length, 0));
    if (early.length > 0) upstream.write(early);
    this.#client.pipe(upstream);
  }

  #limitSilence(): void {
    const { worker, upstream } = this.#parts;
    const { idleTimeoutMs } = worker.options;
    const ends = [this.#client, upstream];
    for (const socket of ends) {
      socket.on('error', () => socket.destroy());
      // traffic in either direction restarts the timers of both sockets, since each writes what the other has read
      socket.setTimeout(idleTimeoutMs, () => {
        for (const end of ends) end.destroy();
      });
      socket.on('end', () => {
        for (const end of ends) end.setTimeout(Math.min(idleTimeoutMs, HALF_CLOSED_MS));
      });
      socket.setNoDelay(true);
    }
  }

  #onClose(other: Socket, onEnd: () => void): void {
    this.#openEnds--;
    if (this.#openEnds === 0) onEnd();
    // what the other end has already been given may still go out
    else if (other.writableLength === 0) other.destroy();
    else other.end();
  }

  #count(fromClient: number, fromUpstream: number): void {
    const { worker, record } = this.#parts;
    record.bytesIn += fromClient;
    record.bytesOut += fromUpstream;
    worker.recorder.tunnelBytes(record.answeredBy, fromClient, fromUpstream);
  }
}
