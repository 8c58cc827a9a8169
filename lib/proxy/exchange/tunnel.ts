/**
 * Two sockets joined after a switch of protocols: what comes on one goes out on the other, until both have ended.
 * Must not hold: HTTP. Invariants: half-close passes on; an error or a silence of `idleMs` on either ends both; `onEnd`
 * is called once, when both are closed.
 * Source: RFC 9110 section 7.8, RFC 6455 section 7.1.1.
 */
import type { Socket } from 'node:net';

export interface TunnelEnds {
  readonly client: Socket;
  readonly upstream: Socket;
  /** What each had said before the tunnel was there; the client may still be sending its request. */
  readonly fromClient: OnClientReady;
  readonly fromUpstream: Buffer;
}

/** Calls `onReady` with what the client has said behind its request, once all of that has come (RFC 9110 section 7.8). */
export type OnClientReady = (onReady: (early: Buffer) => void) => void;

/** How long a tunnel may be silent once one end has said its last. */
const HALF_CLOSED_MS = 10_000;

/** What is told of a tunnel. */
export interface TunnelListener {
  /** So many bytes came from the client, and from the replica. */
  onBytes(fromClient: number, fromUpstream: number): void;
  onEnd(): void;
}

/** After so long without a byte a tunnel is silent that its sockets should have closed. */
export function tunnelLimitMs(idleMs: number): number {
  return 2 * idleMs + HALF_CLOSED_MS;
}

/** Joins the ends. `idleMs` without a byte either way closes both. */
export function joinTunnel(ends: TunnelEnds, idleMs: number, listener: TunnelListener): void {
  const { client, upstream } = ends;
  let open = 2;
  const closed = (other: Socket) => (): void => {
    open--;
    if (open === 0) listener.onEnd();
    // what the other end has already been given may still go out
    else if (other.writableLength === 0) other.destroy();
    else other.end();
  };
  client.on('close', closed(upstream));
  upstream.on('close', closed(client));
  for (const socket of [client, upstream]) {
    socket.on('error', () => socket.destroy());
    // either direction's traffic restarts the clock of both sockets, since each writes what the other read
    socket.setTimeout(idleMs, () => {
      client.destroy();
      upstream.destroy();
    });
    socket.on('end', () => {
      for (const end of [client, upstream]) end.setTimeout(Math.min(idleMs, HALF_CLOSED_MS));
    });
    socket.setNoDelay(true);
  }
  ends.fromClient((early) => {
    listener.onBytes(early.length, 0);
    client.on('data', (chunk: Buffer) => listener.onBytes(chunk.length, 0));
    if (early.length > 0) upstream.write(early);
    client.pipe(upstream);
  });
  listener.onBytes(0, ends.fromUpstream.length);
  upstream.on('data', (chunk: Buffer) => listener.onBytes(0, chunk.length));
  if (ends.fromUpstream.length > 0) client.write(ends.fromUpstream);
  upstream.pipe(client);
}
