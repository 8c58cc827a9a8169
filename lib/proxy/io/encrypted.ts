/**
 * What differs between a plain socket and an encrypted one when its connection is ended. An encrypted socket must say that
 * it ends (close_notify), or its peer takes what it got for cut off (RFC 8446 section 6.1); and it cannot be reset by
 * itself: the socket that carries it can.
 */
import type { Socket } from 'node:net';

interface MaybeEncrypted extends Socket {
  readonly encrypted?: boolean;
}

const carriers = new WeakMap<Socket, Socket>();

export function isEncrypted(socket: Socket): boolean {
  return (socket as MaybeEncrypted).encrypted === true;
}

/** `carrier` carries the encrypted bytes of `socket`. */
export function setCarrier(socket: Socket, carrier: Socket): void {
  carriers.set(socket, carrier);
}

/** Closes the connection with a reset. */
export function resetConnection(socket: Socket): void {
  const carrier = carriers.get(socket);
  if (carrier === undefined) return void socket.resetAndDestroy();
  carrier.resetAndDestroy();
  socket.destroy();
}
