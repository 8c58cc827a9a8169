/**
 * What Node's own strict HTTP client makes of an answer, with a stream in memory where the socket would be.
 * Must not hold: comparison with anything.
 */
import type { Buffer } from 'node:buffer';
import { type IncomingMessage, request } from 'node:http';
import { Duplex } from 'node:stream';

/** All that Node told of one answer. */
export interface NodeHeard {
  interim: number;
  status: number;
  reason: string;
  rawHeaders: readonly string[];
  /** Latin1. */
  body: string;
  rawTrailers: readonly string[];
  /** Node was sure that it had the whole answer. */
  complete: boolean;
  upgraded: boolean;
  error: string;
}

/** Swallows the request; gives the answer, then the end. */
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

/** Sends a request to nobody and resolves when Node is done with `wire` as its answer. */
export function nodeHears(wire: Buffer, method: string, upgrade: boolean): Promise<NodeHeard> {
  const heard: NodeHeard = {
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
      heard.error ||= error.code ?? error.message;
    };
    outgoing.on('information', () => heard.interim++);
    outgoing.on('response', (incoming) => listen(incoming, heard, note));
    outgoing.on('upgrade', (incoming) => {
      noteHead(incoming, heard);
      heard.upgraded = true;
      stream.destroy();
      resolve(heard);
    });
    outgoing.on('error', note);
    outgoing.on('close', () => resolve(heard));
    outgoing.end();
  });
}

function noteHead(incoming: IncomingMessage, heard: NodeHeard): void {
  heard.status = incoming.statusCode ?? 0;
  heard.reason = incoming.statusMessage ?? '';
  heard.rawHeaders = incoming.rawHeaders;
}

function listen(incoming: IncomingMessage, heard: NodeHeard, note: (error: Error) => void): void {
  noteHead(incoming, heard);
  incoming.on('data', (chunk: Buffer) => {
    heard.body += chunk.toString('latin1');
  });
  incoming.on('error', note);
  incoming.on('end', () => {
    heard.rawTrailers = incoming.rawTrailers;
    heard.complete = incoming.complete;
  });
}
