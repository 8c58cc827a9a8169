/** What Node's own strict HTTP client makes of a response, with a stream in memory in place of the socket. */
import type { Buffer } from 'node:buffer';
import { type IncomingMessage, request } from 'node:http';
import { Duplex } from 'node:stream';

/** All that Node told of one response. */
export interface NodeResult {
  interim: number;
  status: number;
  reason: string;
  rawHeaders: readonly string[];
  /** Latin1. */
  body: string;
  rawTrailers: readonly string[];
  /** Node was sure that it had the whole response. */
  complete: boolean;
  upgraded: boolean;
  error: string;
}

/** Swallows the request; gives the response, then the end. */
class AnswerStream extends Duplex {
  readonly #wire: Buffer;
  #isGiven = false;

  constructor(wire: Buffer) {
    super({ autoDestroy: true });
    this.#wire = wire;
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
    if (this.#isGiven) return;
    this.#isGiven = true;
    if (this.#wire.length > 0) this.push(this.#wire);
    this.push(null);
  }

  override _read(): void {}

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}

/** Sends a request to nobody and resolves when Node is done with `wire` as its response. */
export function readWithNode(wire: Buffer, method: string, upgrade: boolean): Promise<NodeResult> {
  const record: NodeResult = {
    interim: 0,
    status: 0,
    reason: '',
    rawHeaders: [],
    body: '',
    rawTrailers: [],
    complete: false,
    upgraded: false,
    error: '',
  };
  return new Promise((resolve) => {
    const stream = new AnswerStream(wire);
    const outgoing = request({
      createConnection: () => stream as never,
      method,
      headers: upgrade ? { Connection: 'Upgrade', Upgrade: 'websocket' } : { Connection: 'keep-alive' },
      insecureHTTPParser: false,
      maxHeaderSize: 1 << 20,
    });
    outgoing.maxHeadersCount = 0;
    const note = (error: Error & { code?: string }): void => {
      record.error ||= error.code ?? error.message;
    };
    outgoing.on('information', () => record.interim++);
    outgoing.on('response', (incoming) => listen(incoming, record, note));
    outgoing.on('upgrade', (incoming) => {
      noteHead(incoming, record);
      record.upgraded = true;
      stream.destroy();
      resolve(record);
    });
    outgoing.on('error', note);
    outgoing.on('close', () => resolve(record));
    outgoing.end();
  });
}

function noteHead(incoming: IncomingMessage, record: NodeResult): void {
  record.status = incoming.statusCode ?? 0;
  record.reason = incoming.statusMessage ?? '';
  record.rawHeaders = incoming.rawHeaders;
}

function listen(incoming: IncomingMessage, record: NodeResult, note: (error: Error) => void): void {
  noteHead(incoming, record);
  incoming.on('data', (chunk: Buffer) => {
    record.body += chunk.toString('latin1');
  });
  incoming.on('error', note);
  incoming.on('end', () => {
    record.rawTrailers = incoming.rawTrailers;
    record.complete = incoming.complete;
  });
}
