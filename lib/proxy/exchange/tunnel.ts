/**
 * Two sockets joined after a switch of protocols: what comes on one goes out on the other, until both have ended.
 * Invariants: a half-close passes on; an error or a silence of `idleTimeoutMs` on either closes both; `onEnd` is called
 * once, when both are closed; what is put in between the bytes of a replica stands between two frames of a WebSocket.
 * Source: RFC 9110 section 7.8, RFC 6455 section 7.1.1.
 */
import type { Socket } from 'node:net';
import { GOING_AWAY_FRAME, WebSocketFrames } from '../../core/websocket-frames.ts';
import type { Aborter } from '../../metrics/layout.ts';
import type { Recorder } from '../../metrics/recorder.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { RequestBody } from './request-body.ts';
import type { RequestRecord } from './request-record.ts';

/** How long a tunnel may be silent once one end has sent its last. */
const HALF_CLOSED_MS = 10_000;
const IS_WEBSOCKET = /^upgrade:[ \t]*websocket[ \t]*\r?$/im;

export interface TunnelParts {
  readonly worker: {
    readonly nowMs: number;
    readonly options: { readonly idleTimeoutMs: number };
    readonly active: { readonly tunnels: OpenTunnels };
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
  /** Of the request; it may still be on its way. */
  #body: RequestBody | undefined;
  /** What the replica sends, where it is a WebSocket. */
  #frames: WebSocketFrames | undefined;
  /** What becomes of the replica's bytes: passed on as they come, up to the end of the frame at hand, or not any more. */
  #relays: 'all' | 'frame' | 'nothing' = 'all';

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
    this.#body = body;
    client.write(head, 'latin1');
    record.finish(0);
    worker.recorder.tunnelOpened(record.respondedBy);
    worker.active.tunnels.add(this);
    if (IS_WEBSOCKET.test(head)) this.#frames = new WebSocketFrames();
    client.on('close', () => this.#onClose('client', client, upstream, onEnd));
    upstream.on('close', () => this.#onClose('replica', upstream, client, onEnd));
    this.#limitSilence();
    // what follows the request belongs to the tunnel, however long the rest of the request is on its way
    context.client.isClosing = false;
    const onReady = (): void => context.client.becomeTunnel((clientEarly) => this.#joinClient(clientEarly));
    if (body === undefined) onReady();
    else body.onceComplete(onReady);
    this.#onUpstreamData(early);
    upstream.on('data', (chunk: Buffer) => this.#onUpstreamData(chunk));
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
      this.#recordEnd('balancer');
      upstream.destroy();
      this.#client.destroy();
    }
    this.#readBytes = bytes;
    return worker.nowMs + 2 * worker.options.idleTimeoutMs + HALF_CLOSED_MS;
  }

  /** Both ends are closed. */
  close(): void {
    const { worker, record } = this.#parts;
    this.#count(this.#body?.bytes ?? 0, 0);
    worker.recorder.tunnelClosed(record.respondedBy);
    worker.active.tunnels.delete(this);
  }

  /** The ordinal of its replica. */
  get ordinal(): number {
    return this.#parts.record.respondedBy;
  }

  /**
   * The replica goes away. The client of a WebSocket is sent a close frame with status 1001 (RFC 6455 section 7.4.1) as soon
   * as the frame at hand has ended, and nothing after it; what the client responds still reaches the replica. Of any other
   * protocol nothing is known, so both ends are closed.
   */
  goAway(): void {
    const { upstream } = this.#parts;
    const frames = this.#frames;
    if (frames === undefined) {
      this.#recordEnd('balancer');
      upstream.destroy();
      return;
    }
    if (frames.hasClosed || this.#client.writableEnded || this.#relays !== 'all') return;
    upstream.unpipe(this.#client);
    this.#relays = 'frame';
    if (frames.isAtBoundary) this.#sendGoingAway();
    // without a pipe it would stay paused; what is read after the frame is dropped
    upstream.resume();
  }

  #onUpstreamData(chunk: Buffer): void {
    this.#count(0, chunk.length);
    if (this.#relays === 'all') this.#frames?.take(chunk);
    else if (this.#relays === 'frame') this.#finishFrame(this.#frames!, chunk);
  }

  /** Passes on what is left of the frame at hand, which may be large. */
  #finishFrame(frames: WebSocketFrames, chunk: Buffer): void {
    const { upstream } = this.#parts;
    const hasRoom = this.#client.write(chunk.subarray(0, frames.takeToBoundary(chunk)));
    if (frames.isAtBoundary) return this.#sendGoingAway();
    if (hasRoom) return;
    upstream.pause();
    this.#client.once('drain', () => upstream.resume());
  }

  #sendGoingAway(): void {
    this.#relays = 'nothing';
    this.#recordEnd('balancer');
    this.#client.end(GOING_AWAY_FRAME);
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
        this.#recordEnd('balancer');
        for (const end of ends) end.destroy();
      });
      socket.on('end', () => {
        for (const end of ends) end.setTimeout(Math.min(idleTimeoutMs, HALF_CLOSED_MS));
      });
      socket.setNoDelay(true);
    }
  }

  /** One end has closed; where it had not sent its last it has cut the tunnel. */
  #onClose(name: Aborter, end: Socket, other: Socket, onEnd: () => void): void {
    this.#openEnds--;
    if (this.#openEnds > 0 && !end.readableEnded) this.#recordEnd(name);
    if (this.#openEnds === 0) onEnd();
    // what the other end has already been given may still go out
    else if (other.writableLength === 0) other.destroy();
    else other.end();
  }

  #recordEnd(by: Aborter): void {
    const { record } = this.#parts;
    if (record.ended === 'whole') record.ended = by;
  }

  #count(fromClient: number, fromUpstream: number): void {
    const { worker, record } = this.#parts;
    record.bytesIn += fromClient;
    record.bytesOut += fromUpstream;
    worker.recorder.tunnelBytes(record.respondedBy, fromClient, fromUpstream);
  }
}

/** The tunnels of a worker, which have to be closed when their replicas go. */
export class OpenTunnels {
  readonly #open = new Set<Tunnel>();
  /** When those that are to be closed will be, by the worker's clock. */
  readonly #closing = new Map<Tunnel, number>();

  add(tunnel: Tunnel): void {
    this.#open.add(tunnel);
  }

  delete(tunnel: Tunnel): void {
    this.#open.delete(tunnel);
    this.#closing.delete(tunnel);
  }

  /**
   * Closes those to the replica of the ordinal, each at some moment of `withinMs` from now on: clients of WebSockets come
   * back as soon as they are closed, and all of them at once would be too many.
   */
  goAway(ordinal: number, nowMs: number, withinMs: number): void {
    for (const tunnel of this.#open)
      if (tunnel.ordinal === ordinal) this.#closing.set(tunnel, nowMs + Math.random() * withinMs);
    this.tick(nowMs);
  }

  /** Closes those whose time has come. */
  tick(nowMs: number): void {
    for (const [tunnel, atMs] of this.#closing) {
      if (nowMs < atMs) continue;
      this.#closing.delete(tunnel);
      tunnel.goAway();
    }
  }
}
