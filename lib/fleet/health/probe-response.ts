/**
 * Reads as much of the response to a probe as tells its status, and whether its connection can be used again.
 */

/** More than any interim responses and a status line take. */
const MOST_READ = 16_384;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\r?\n/;
const HEAD_END = /\r?\n\r?\n/;
const LENGTH = /\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?=\r?\n)/gi;
/** Fields that leave it open where the response ends, or say that the connection does. */
const CLOSES = /\n(?:transfer-encoding|upgrade):|\nconnection:(?![ \t]*keep-alive[ \t]*\r?\n)/i;

export class ProbeResponse {
  #text = '';
  #minor = '';
  #status = 0;

  /** The status of the final response, once it has come. */
  read(text: string): number | 'more' | 'no-http' {
    this.#text += text;
    for (;;) {
      const rest = this.#text;
      if (!rest.includes('\n')) return couldBeHttp(rest) ? 'more' : 'no-http';
      const line = STATUS_LINE.exec(rest);
      if (line === null) return 'no-http';
      [this.#minor, this.#status] = [line[1]!, Number(line[2])];
      // 101 switches protocols: there is none after it
      if (this.#status >= 200 || this.#status === 101) return this.#status;
      const headEnd = HEAD_END.exec(rest);
      if (headEnd === null) return rest.length < MOST_READ ? 'more' : 'no-http';
      this.#text = rest.slice(headEnd.index + headEnd[0].length);
      if (this.#text === '') return 'more';
    }
  }

  /** All of it has come, to the byte, and nothing says that the connection ends with it. */
  get keepsConnection(): boolean {
    const headEnd = HEAD_END.exec(this.#text);
    if (headEnd === null || this.#minor !== '1' || this.#status === 101) return false;
    const head = this.#text.slice(0, headEnd.index + headEnd[0].length);
    if (CLOSES.test(head)) return false;
    const hasNoBody = this.#status === 204 || this.#status === 304;
    const lengths = [...head.matchAll(LENGTH)].map(([, digits]) => Number(digits));
    if (!hasNoBody && lengths.length !== 1) return false;
    return this.#text.length === head.length + (hasNoBody ? 0 : lengths[0]!);
  }
}

function couldBeHttp(text: string): boolean {
  return text.length < MOST_READ && 'HTTP/1.'.startsWith(text.slice(0, 7));
}
