/**
 * Cuts the output of a program into lines.
 * Invariants: a character is never cut, however its bytes arrive; a line without an end takes no more than 8 KiB of
 * memory: it is passed on in parts of that length.
 */

/** The longest line. */
export const MAX_LINE_BYTES = 8192;
const LINE_END = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class LineSplitter {
  readonly #onLine: (text: string, bytes: number) => void;
  /** The beginning of a line whose end has not come; allocated when it is first needed. */
  #begun: Buffer | undefined;
  #begunBytes = 0;

  constructor(onLine: (text: string, bytes: number) => void) {
    this.#onLine = onLine;
  }

  /** Passes on every line that these bytes complete. Keeps no reference to them. */
  push(bytes: Buffer): void {
    let from = 0;
    for (let end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END, from)) {
      if (this.#begunBytes === 0 && end - from <= MAX_LINE_BYTES) this.#pass(bytes, from, end);
      else {
        this.#append(bytes, from, end);
        this.#passBegun();
      }
      from = end + 1;
    }
    this.#append(bytes, from, bytes.length);
  }

  /** Passes on what is left of a line without an end, and frees the memory. */
  end(): void {
    if (this.#begunBytes > 0) this.#passBegun();
    this.#begun = undefined;
  }

  #append(bytes: Buffer, from: number, end: number): void {
    for (let at = from; at < end; ) {
      if (this.#begunBytes === MAX_LINE_BYTES) this.#passPart();
      this.#begun ??= Buffer.allocUnsafeSlow(MAX_LINE_BYTES);
      const copied = bytes.copy(this.#begun, this.#begunBytes, at, end);
      this.#begunBytes += copied;
      at += copied;
    }
  }

  #passBegun(): void {
    if (this.#begun === undefined) return this.#onLine('', 0);
    const length = this.#begunBytes;
    this.#begunBytes = 0;
    this.#pass(this.#begun, 0, length);
  }

  /** Passes on a full buffer up to its last whole character; the rest begins the next part. */
  #passPart(): void {
    const begun = this.#begun!;
    const end = wholeCharacters(begun, this.#begunBytes);
    this.#onLine(begun.toString('utf8', 0, end), end);
    begun.copyWithin(0, end, this.#begunBytes);
    this.#begunBytes -= end;
  }

  #pass(bytes: Buffer, from: number, end: number): void {
    const last = end > from && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    this.#onLine(bytes.toString('utf8', from, last), last - from);
  }
}

/** How many of the first `length` bytes are before a character of UTF-8 that is cut there; all of them in binary data. */
function wholeCharacters(bytes: Buffer, length: number): number {
  for (let at = length - 1; at > length - 4; at--) {
    const byte = bytes[at]!;
    if (byte < 0x80) return length;
    if (byte >= 0xc0) return at + (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > length ? at : length;
  }
  return length;
}
