/**
 * An incremental parser for server-sent events; its input may be cut anywhere.
 * Source: HTML Living Standard, section 9.2.6 (interpreting an event stream).
 */

export interface ServerSentEvent {
  /** The last event id, '' for none. */
  readonly id: string;
  readonly data: string;
}

export class EventStreamParser {
  /** The stream's reconnection time, if it has set one. */
  retryMs: number | undefined;
  #rest = '';
  #id = '';
  #data: string[] = [];

  /** Parses more text; returns the events that it completes. */
  take(text: string): readonly ServerSentEvent[] {
    this.#rest += text;
    // a CR at the end may be the first half of a CRLF
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
