/**
 * What differs between a plain socket and an encrypted one when its connection is ended. An encrypted socket must say that
 * it ends (close_notify), or its peer takes what it got for cut off (RFC 8446 section 6.1); and it cannot be reset by
 * itself: the socket that carries it can.
 */
import type { Socket } from 'node:net';
import { endSocket, queuedBytesOf } from './node-internals.ts';

/** Where an encrypted socket keeps the one that carries its bytes. */
const CARRIER = Symbol('carrier');
interface MaybeEncrypted extends Socket {
  readonly encrypted?: boolean;
  [CARRIER]?: Socket;
}

export function isEncrypted(socket: object): socket is Socket {
  return (socket as MaybeEncrypted).encrypted === true;
}

/** `carrier` carries the encrypted bytes of `socket`. */
export function setCarrier(socket: MaybeEncrypted, carrier: Socket): void {
  socket[CARRIER] = carrier;
}

/**
 * Closes an encrypted socket once what was written and its end (close_notify) are with the kernel. By itself the stream
 * would shut the connection down first and wait a round of the event loop for that: 1 in 30 of what a short connection costs.
 */
export function closeEncrypted(socket: MaybeEncrypted): void {
  endSocket(socket, closeSent);
}

function closeSent(socket: MaybeEncrypted): void {
  // of the encrypted socket itself the bytes are counted as queued until the next round, even where they have gone out
  const carrier = socket[CARRIER];
  if (carrier !== undefined && queuedBytesOf(carrier) === 0) socket.destroy();
}

/** Closes the connection with a reset. */
export function resetConnection(socket: MaybeEncrypted): void {
  const carrier = socket[CARRIER];
  if (carrier === undefined) return void socket.resetAndDestroy();
  carrier.resetAndDestroy();
  socket.destroy();
}
