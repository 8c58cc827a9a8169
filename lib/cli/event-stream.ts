/**
 * Server-sent events out of the text of a stream, which may be cut anywhere.
 * Must not hold: sockets, what an event means.
 * Source: HTML Living Standard, section 9.2.6 (interpreting an event stream).
 */

export interface ServerSentEvent {
  /** The last id that was given, '' for none. */
  readonly id: string;
  readonly data: string;
}

export class EventStreamParser {
  /** How long to wait before coming back, where the stream has said so. */
  retryMs: number | undefined;
  #rest = '';
  #id = '';
  #data: string[] = [];

  /** The events that this text completes. */
  take(text: string): readonly ServerSentEvent[] {
    this.#rest += text;
    // a CR at the end may be half of a CRLF
    const end = this.#rest.endsWith('\r') ? this.#rest.length - 1 : this.#rest.length;
    const lines = this.#rest.slice(0, end).split(/\r\n|\r|\n/);
    this.#rest = `${lines.pop() ?? ''}${this.#rest.slice(end)}`;
    return lines.map((line) => this.#line(line)).filter((event) => event !== undefined);
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') this.#data.push(value);
    if (field === 'id' && !value.includes('\0')) this.#id = value;
    if (field === 'retry' && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    if (this.#data.length === 0) return undefined;
    const data = this.#data.join('\n');
    this.#data = [];
    return { id: this.#id, data };
  }
}
