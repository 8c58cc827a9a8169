/**
 * Where the frames of one direction of a WebSocket end. Reads the heads of frames alone, and keeps nothing of them.
 * Source: RFC 6455 section 5.2.
 */

const CLOSE_OPCODE = 8;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

/** The frame with which a server that goes away closes a WebSocket: no mask, two bytes, status 1001. */
export const GOING_AWAY_FRAME: Buffer = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

/** Takes the bytes of one direction as they come, cut anywhere. */
export class WebSocketFrames {
  /** A close frame has begun: nothing may follow it. */
  hasClosed = false;
  /** Bytes of the head that were read: 0 between two frames. */
  #headBytes = 0;
  /** Bytes of the length that are still to come, then of the mask, then of the payload. */
  #lengthLeft = 0;
  #maskLeft = 0;
  #payloadLeft = 0;

  /** True between two frames, where another may be put in. */
  get isAtBoundary(): boolean {
    return this.#headBytes === 0 && this.#payloadLeft === 0;
  }

  /** Takes the next bytes. */
  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at = this.#takeSome(chunk, at);
  }

  /** Takes the next bytes up to the first boundary; returns how many that were: all where there is none. */
  takeToBoundary(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && !this.isAtBoundary) at = this.#takeSome(chunk, at);
    return at;
  }

  /** Takes one byte of a head, or payload; returns the index of what follows. */
  #takeSome(chunk: Buffer, at: number): number {
    if (this.#headBytes > 0 || this.#payloadLeft === 0) {
      this.#takeHeadByte(chunk[at]!);
      return at + 1;
    }
    const taken = Math.min(this.#payloadLeft, chunk.length - at);
    this.#payloadLeft -= taken;
    return at + taken;
  }

  #takeHeadByte(byte: number): void {
    this.#headBytes++;
    if (this.#headBytes === 1) {
      if ((byte & 0x0f) === CLOSE_OPCODE) this.hasClosed = true;
      return;
    }
    if (this.#headBytes === 2) {
      const length = byte & 0x7f;
      this.#lengthLeft = length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0;
      this.#payloadLeft = this.#lengthLeft === 0 ? length : 0;
      this.#maskLeft = byte & 0x80 ? MASK_BYTES : 0;
    } else if (this.#lengthLeft > 0) {
      this.#lengthLeft--;
      this.#payloadLeft = this.#payloadLeft * 256 + byte;
    } else this.#maskLeft--;
    if (this.#lengthLeft === 0 && this.#maskLeft === 0) this.#headBytes = 0;
  }
}
