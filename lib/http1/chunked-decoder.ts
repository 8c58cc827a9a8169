/**
 * Decodes a chunked body that comes in any pieces: checks its framing (the chunk size is read in `#readSize`) and
 * hands over either its data alone or, for a receiver that is sent chunks as well, the framing with it, as the
 * buffers came in.
 * Invariants: in raw form what is handed over is, end to end, one well-formed chunked body without extensions, blanks
 * or leading zeros in its sizes, whose trailers are those that may pass; its last chunk goes out only when all of it
 * was well-formed. Data is never copied; what is held back is one size line or one trailer section.
 * Source: RFC 9112 section 7.1, RFC 9110 section 6.5.
 */

import { Buffer } from 'node:buffer';
import { TOKEN_CHAR } from '../core/http-token.ts';
import { HeaderScanner, isBlank, NEEDS_MORE, type ScannerLimits } from './header-scanner.ts';
import { parseError } from './parse-errors.ts';
import { announcesFraming, NO_TRAILERS, readTrailers, trailerSection } from './trailers.ts';

const LF = 10;
const CR = 13;
const SEMICOLON = 59;

/** The value of a hexadecimal digit; 255 for other bytes. */
const HEX = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}
/** Leading zeros, blanks and extensions of one size line together. */
const MAX_LINE_BYTES = 16_384;
/**
 * What may stand between a size and its line end: `;name`, `;name=token` or `;name="quoted"`, any number of them, with
 * blanks around each part, which nobody may generate and everybody must take (RFC 9110 section 5.6.3).
 */
const QUOTED = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"`;
const EXTENSIONS_FORM = new RegExp(
  String.raw`^(?:[ \t]*;[ \t]*${TOKEN_CHAR}+(?:[ \t]*=[ \t]*(?:${TOKEN_CHAR}+|${QUOTED}))?)*[ \t]*$`,
);

const SIZE = 0;
const EXTENSIONS = 1;
const SIZE_END = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILERS = 6;
const ENDED = 7;

/** In place of an offset into the buffer at hand. */
const IN_EARLIER_BUFFER = -1;

/** Receives the bytes of a body, in order. */
export interface BodySink {
  onBody(chunk: Buffer): void;
}

const LINE_END = Buffer.from('\r\n', 'latin1');
const NO_SINK: BodySink = { onBody: () => {} };

/** One body at a time; used again for the next after `start`. */
/** `data`, which is not empty, as one chunk. */
export function encodeChunk(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`, 'latin1'), data, LINE_END]);
}

export class ChunkedDecoder {
  /** Bytes of data that were read of this body. */
  contentBytes = 0;
  /** Name, value … of the trailers that may pass; complete once `read` has found the end. */
  trailers: readonly string[] = NO_TRAILERS;

  readonly #section: HeaderScanner;
  readonly #refusesFraming: boolean;
  #sink: BodySink = NO_SINK;
  #raw = false;
  #step = SIZE;
  /** Data bytes of this chunk still to come; while its size is read, the size so far. */
  #left = 0;
  #digits = 0;
  #extensions = '';
  /** This size line can go on as it came: no leading zero, no blank, no extension. */
  #plain = true;
  /** Where in the buffer at hand this size line began, or IN_EARLIER_BUFFER. */
  #lineStart = IN_EARLIER_BUFFER;
  /** From where the buffer at hand is checked but not handed over (raw form). */
  #from = 0;

  /** `refusesFraming`: trailers that say how long a body is are an error, and not merely dropped. */
  constructor(limits: ScannerLimits, refusesFraming = false) {
    this.#section = new HeaderScanner(limits, 'field');
    this.#refusesFraming = refusesFraming;
  }

  /** Begins a body; `raw` hands over the framing with the data. */
  start(sink: BodySink, raw: boolean): void {
    this.trailers = NO_TRAILERS;
    this.contentBytes = 0;
    this.#sink = sink;
    this.#raw = raw;
    this.#section.reset();
    this.#startSize();
  }

  /** Hands nothing more over, even of the buffer being read. */
  stop(): void {
    this.#sink = NO_SINK;
  }

  /** Takes `chunk` from `from`: the offset after the body, or NEEDS_MORE. */
  read(chunk: Buffer, from: number): number {
    let at = from;
    this.#from = from;
    this.#lineStart = this.#step === SIZE && this.#digits === 0 ? from : IN_EARLIER_BUFFER;
    while (at < chunk.length && this.#step !== ENDED && this.#sink !== NO_SINK) {
      switch (this.#step) {
        case SIZE:
          at = this.#readSize(chunk, at);
          break;
        case DATA:
          at = this.#readData(chunk, at);
          break;
        case DATA_CR:
          if (chunk[at++] !== CR) throw parseError('chunk-end');
          this.#step = DATA_LF;
          break;
        case DATA_LF:
          if (chunk[at++] !== LF) throw parseError('chunk-end');
          this.#startSize();
          this.#lineStart = at;
          break;
        case EXTENSIONS:
          at = this.#readExtensions(chunk, at);
          break;
        case SIZE_END:
          if (chunk[at++] !== LF) throw parseError('bare-cr');
          at = this.#sizeEnds(chunk, at);
          break;
        default:
          at = this.#readTrailers(chunk, at);
      }
    }
    if (this.#step === ENDED) return at;
    this.#handOverChecked(chunk);
    return NEEDS_MORE;
  }

  #startSize(): void {
    this.#step = SIZE;
    this.#left = 0;
    this.#digits = 0;
    this.#extensions = '';
    this.#plain = true;
  }

  #readSize(chunk: Buffer, from: number): number {
    let at = from;
    for (; at < chunk.length; at++) {
      const digit = HEX[chunk[at]!]!;
      if (digit > 15) break;
      if (this.#digits > 0 && this.#left === 0) this.#plain = false;
      this.#digits++;
      this.#left = this.#left * 16 + digit;
      if (this.#digits > MAX_LINE_BYTES || this.#left > Number.MAX_SAFE_INTEGER)
        throw parseError('chunk-size');
    }
    if (at === chunk.length) return at;
    const byte = chunk[at]!;
    if (this.#digits === 0 || (byte !== CR && byte !== SEMICOLON && !isBlank(byte)))
      throw parseError(byte === LF ? 'bare-lf' : 'chunk-size');
    if (byte === CR) {
      this.#step = SIZE_END;
      return at + 1;
    }
    this.#plain = false;
    this.#step = EXTENSIONS;
    return at;
  }

  #readExtensions(chunk: Buffer, from: number): number {
    const cr = chunk.indexOf(CR, from);
    const end = cr === -1 ? chunk.length : cr;
    if (this.#digits + this.#extensions.length + end - from > MAX_LINE_BYTES)
      throw parseError('chunk-extension');
    this.#extensions += chunk.toString('latin1', from, end);
    if (cr === -1) return end;
    if (!EXTENSIONS_FORM.test(this.#extensions)) throw parseError('chunk-extension');
    this.#step = SIZE_END;
    return cr + 1;
  }

  /** After the LF of a size line: data follows, or after size 0 the trailers. */
  #sizeEnds(chunk: Buffer, at: number): number {
    const asItCame = this.#plain && this.#lineStart !== IN_EARLIER_BUFFER;
    if (this.#left > 0) {
      this.#step = DATA;
      if (this.#raw && !asItCame) {
        this.#handOver(chunk, this.#from, this.#lineStart);
        this.#sink.onBody(Buffer.from(`${this.#left.toString(16)}\r\n`, 'latin1'));
        this.#from = at;
      }
      return at;
    }
    if (asItCame && chunk[at] === CR && chunk[at + 1] === LF) {
      this.#step = ENDED;
      if (this.#raw) this.#handOver(chunk, this.#from, at + 2);
      return at + 2;
    }
    this.#step = TRAILERS;
    if (this.#raw) this.#handOver(chunk, this.#from, this.#lineStart);
    return at;
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.contentBytes += end - at;
    if (this.#left === 0) this.#step = DATA_CR;
    if (!this.#raw) this.#handOver(chunk, at, end);
    return end;
  }

  #readTrailers(chunk: Buffer, at: number): number {
    const end = this.#section.read(chunk, at);
    if (end === NEEDS_MORE) return chunk.length;
    if (this.#refusesFraming && announcesFraming(this.#section)) throw parseError('trailer-framing');
    this.trailers = readTrailers(this.#section);
    this.#section.reset();
    this.#step = ENDED;
    if (this.#raw) this.#sink.onBody(trailerSection(this.trailers));
    return end;
  }

  /** In raw form, all of the buffer that has not gone: up to its end, or to a size line that is not complete. */
  #handOverChecked(chunk: Buffer): void {
    if (!this.#raw || this.#step === TRAILERS) return;
    const inData = this.#step === DATA || this.#step === DATA_CR || this.#step === DATA_LF;
    this.#handOver(chunk, this.#from, inData ? chunk.length : this.#lineStart);
  }

  #handOver(chunk: Buffer, from: number, to: number): void {
    if (from < to) this.#sink.onBody(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
  }
}
