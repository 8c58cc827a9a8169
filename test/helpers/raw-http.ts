/**
 * HTTP byte by byte over a bare socket, for requests that no client library would send.
 * Must not hold: assertions.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually } from './eventually.ts';

/** One response as it came: head fields in lower case, the body as text. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One connection; everything that comes back is kept until it is taken as a response. */
export class RawClient {
  readonly socket: Socket;
  #received = '';
  #isEnded = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#received += text;
    });
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
    socket.on('error', () => this.#end());
  }

  static async connect(port: number): Promise<RawClient> {
    // half open, so that what the server does after its end can be seen
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  #end(): void {
    this.#isEnded = true;
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** What came and was not taken. */
  get received(): string {
    return this.#received;
  }

  /** Waits for one whole response (framed by Content-Length) and takes it; `isHead` where it has no body. */
  async response(isHead = false): Promise<RawResponse> {
    const parsed = await eventually('a whole response', () => {
      return parse(this.#received, isHead) ?? (this.#isEnded && ('ended' as const));
    });
    if (parsed === 'ended') throw new Error(`the connection ended after ${JSON.stringify(this.#received)}`);
    this.#received = this.#received.slice(parsed.length);
    return parsed;
  }

  /** Waits until the server has ended its side, and gives what came that was not taken. */
  async end(): Promise<string> {
    await eventually('the end of the connection', () => this.#isEnded);
    return this.#received;
  }

  close(): void {
    this.socket.destroy();
  }
}

function parse(text: string, isHead: boolean): (RawResponse & { readonly length: number }) | undefined {
  const headEnd = text.indexOf('\r\n\r\n') + 4;
  if (headEnd < 4) return undefined;
  const [statusLine = '', ...lines] = text.slice(0, headEnd - 4).split('\r\n');
  const status = Number(statusLine.split(' ')[1]);
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const bodyBytes = isHead || status < 200 ? 0 : Number(headers['content-length'] ?? 0);
  if (text.length < headEnd + bodyBytes) return undefined;
  const body = Buffer.from(text.slice(headEnd, headEnd + bodyBytes), 'latin1').toString('utf8');
  return { status, headers, body, length: headEnd + bodyBytes };
}
