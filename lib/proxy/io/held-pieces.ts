/**
 * What an HTTP/2 stream holds while nobody takes it, in one piece. Node.js keeps each frame as a buffer of its own, which is
 * a view of all that was read with it: a window of 256 KiB filled with single bytes would hold 50 MB of buffers, and with
 * other frames between the bytes gigabytes of those.
 * Invariant: the stream flows (`resume`) or holds; its pieces come in order, before its end.
 */
import { Buffer } from 'node:buffer';
import type { Http2Stream } from 'node:http2';
import { Duplex } from 'node:stream';

const LEAST_BYTES = 1024;

const HELD = Symbol('held');
interface HoldingStream extends Http2Stream {
  [HELD]?: { memory: Buffer; length: number } | undefined;
}

export function joinHeldPieces(stream: Http2Stream): void {
  stream.push = push;
  stream.on('resume', release);
}

/** In place of the stream's own; false: the peer's window is given back when the stream flows again. */
function push(this: HoldingStream, piece: Buffer | null): boolean {
  if (piece === null) release.call(this);
  const isTaken = this.readableFlowing && this[HELD] === undefined;
  if (piece === null || isTaken) return Duplex.prototype.push.call(this, piece);
  hold(this, piece);
  return false;
}

function hold(stream: HoldingStream, piece: Buffer): void {
  stream[HELD] ??= { memory: Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, piece.length)), length: 0 };
  const held = stream[HELD];
  const length = held.length + piece.length;
  if (length > held.memory.length) {
    const larger = Buffer.allocUnsafeSlow(2 * length);
    held.memory.copy(larger, 0, 0, held.length);
    held.memory = larger;
  }
  piece.copy(held.memory, held.length);
  held.length = length;
}

function release(this: HoldingStream): void {
  const held = this[HELD];
  if (held === undefined) return;
  this[HELD] = undefined;
  Duplex.prototype.push.call(this, held.memory.subarray(0, held.length));
}
