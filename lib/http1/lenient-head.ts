/**
 * Mends the head of a response that is not quite HTTP, so that the strict parser may judge it: line ends without CR,
 * control bytes in a value, blanks before a colon, folded lines (`--lenient-replicas`).
 * Invariants: what comes out has CRLF line ends and no control byte but HTAB in a value; a CR that ends no line and NUL
 * are refused, and so is anything repaired in a field that decides how the message is framed or its connection used.
 * Every byte is looked at once however the head is cut.
 * Source: RFC 9110 section 5.5 (control bytes become spaces), RFC 9112 sections 2.2 (LF alone), 5.1 and 5.2 (a proxy
 * takes blanks before a colon out, and makes a fold one space).
 */
import { Buffer } from 'node:buffer';
import { HOP_BY_HOP } from './header-names.ts';
import { NEEDS_MORE } from './header-scanner.ts';
import { parseError } from './parse-errors.ts';

const [LF, CR] = [10, 13];
/** NUL is left for the strict parser to refuse. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\x01-\x08\x0b-\x1f\x7f]/g;
const FOLD = /^[ \t]/;

export class LenientHeadReader {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Of the line at hand, its end not counted. */
  #lineBytes = 0;
  #isAfterCr = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  reset(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#lineBytes = 0;
    this.#isAfterCr = false;
  }

  /** Takes `chunk` from `from`: the offset behind the head, or NEEDS_MORE. */
  read(chunk: Buffer, from: number): number {
    const end = this.#scan(chunk, from);
    const piece = chunk.subarray(from, end === NEEDS_MORE ? chunk.length : end);
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) throw parseError('head-too-large');
    // the memory is used again for the next read
    this.#pieces.push(Buffer.from(piece));
    return end;
  }

  /** The head that was read, repaired. */
  take(): Buffer {
    const text = Buffer.concat(this.#pieces).toString('latin1');
    this.reset();
    return Buffer.from(repaired(text), 'latin1');
  }

  #scan(chunk: Buffer, from: number): number {
    const to = Math.min(chunk.length, from + this.#maxBytes + 1);
    for (let at = from; at < to; at++) {
      const byte = chunk[at]!;
      if (byte === LF) {
        this.#isAfterCr = false;
        if (this.#lineBytes === 0) return at + 1;
        this.#lineBytes = 0;
        continue;
      }
      if (this.#isAfterCr) throw parseError('bare-cr');
      if (byte === CR) this.#isAfterCr = true;
      else this.#lineBytes++;
    }
    return NEEDS_MORE;
  }
}

function repaired(head: string): string {
  const [statusLine = '', ...lines] = head.split(/\r?\n/).slice(0, -2);
  const unfolded: string[] = [];
  for (const line of lines) {
    if (!FOLD.test(line)) unfolded.push(line);
    else if (unfolded.length === 0 || decidesFraming(unfolded.at(-1)!)) throw parseError('obs-fold');
    else unfolded.push(`${unfolded.pop()} ${line.trim()}`);
  }
  return `${[statusLine.replace(CONTROLS, ' '), ...unfolded.map(repairedLine)].join('\r\n')}\r\n\r\n`;
}

function repairedLine(line: string): string {
  const colon = line.indexOf(':');
  // what is no field at all is the strict parser's to refuse
  if (colon === -1) return line;
  const name = line.slice(0, colon).replace(/[ \t]+$/, '');
  const value = line.slice(colon + 1).replace(CONTROLS, ' ');
  const whole = `${name}:${value}`;
  if (whole !== line && decidesFraming(line))
    throw parseError(name.length < colon ? 'header-name' : 'header-value');
  return whole;
}

function decidesFraming(line: string): boolean {
  const name = /^[^:\s]*/.exec(line)![0].toLowerCase();
  return name === 'content-length' || HOP_BY_HOP.has(name);
}
