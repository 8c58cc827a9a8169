/**
 * Requests without a body, taken straight from Node's HTTP parser: no stream to read, no response object to write to.
 * Must not hold: what becomes of a request, anything about bodies, upgrades and expectations, which Node handles.
 *
 * For every request Node's server makes a readable and a writable stream, with a dozen listeners; of the 20 µs that a
 * small request took outside the kernel that was a third. What a head says comes from the parser as a list, and an
 * answer is written to the socket anyway, so for most requests neither stream has a use.
 *
 * One thing is Node's own: the function that its parser calls when a head is complete, and with what. It is called
 * for all that is not simple, and first for each method, whose name the parser gives as a number. Where it is not
 * found, every request comes the ordinary way; `test/proxy/direct-requests.test.ts` notices.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { batchWrites, closeOnceWritten } from './batched-writes.ts';
import type { ClientResponse, Ending } from './client-response.ts';
import type { ClientRequest } from './incoming.ts';

/** Hears of a request that was taken. */
export type TakeRequest = (request: DirectRequest, response: DirectResponse) => void;

/** Those that come without a body as a rule. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);
const NO_HEADERS: IncomingHttpHeaders = {};

export class DirectRequest implements ClientRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly rawHeaders: string[];
  readonly socket: Socket;

  constructor(socket: Socket, method: string, url: string, rawHeaders: string[], minor: number) {
    this.socket = socket;
    this.method = method;
    this.url = url;
    this.rawHeaders = rawHeaders;
    this.httpVersionMajor = 1;
    this.httpVersionMinor = minor;
  }

  get httpVersion(): string {
    return this.httpVersionMinor === 1 ? '1.1' : '1.0';
  }

  /** Of those that mean something to Node it has none. */
  get headers(): IncomingHttpHeaders {
    return NO_HEADERS;
  }

  get complete(): boolean {
    return true;
  }
}

export class DirectResponse implements ClientResponse {
  readonly socket: Socket;
  readonly keepsAlive: boolean;
  isBegun = false;
  #ending: Ending = 'keep-alive';

  constructor(socket: Socket, keepsAlive: boolean) {
    this.socket = socket;
    this.keepsAlive = keepsAlive;
  }

  get out(): Socket {
    return this.socket;
  }

  begin(ending: Ending): void {
    this.isBegun = true;
    this.#ending = ending;
  }

  batch(): void {
    batchWrites(this.socket);
  }

  end(text?: string): void {
    if (text !== undefined) this.socket.write(text, 'latin1');
    if (this.#ending === 'close') closeOnceWritten(this.socket);
  }

  whenOut(hear: () => void): void {
    if (this.socket.writableLength === 0) process.nextTick(hear);
    // nothing, behind what still waits
    else this.socket.write('', (error) => !error && hear());
  }

  detach(): Socket {
    return this.socket;
  }
}

type OnHead = (
  this: Parser,
  major: number,
  minor: number,
  headers: string[] | undefined,
  method: number,
  url: string | undefined,
  status: undefined,
  statusText: undefined,
  upgrade: boolean,
  keepsAlive: boolean,
) => number;

interface Parser {
  readonly constructor: { readonly kOnHeadersComplete?: number };
  socket: DirectSocket | null;
  incoming: ClientRequest | null;
  [listener: number]: unknown;
}

/** Where a socket keeps who takes its requests. */
const TAKE = Symbol('take');
interface DirectSocket extends Socket {
  readonly parser?: Parser | null;
  [TAKE]?: TakeRequest;
}

/** Node's own function, and the methods' names by the parser's numbers, learnt from what it makes of them. */
let nodeOnHead: OnHead | undefined;
const names: string[] = [];

/** Has the simple ones among the requests on this socket, which Node's server has just accepted, given to `take`. */
export function takeDirectly(socket: DirectSocket, take: TakeRequest): void {
  const { parser } = socket;
  const at = parser?.constructor.kOnHeadersComplete;
  if (!parser || at === undefined) return;
  socket[TAKE] = take;
  // parsers are used again, also by others than this server, whose sockets nobody takes requests of
  if (parser[at] === onHead) return;
  nodeOnHead ??= parser[at] as OnHead;
  parser[at] = onHead;
}

const onHead: OnHead = function (
  major,
  minor,
  headers,
  method,
  url,
  status,
  statusText,
  upgrade,
  keepsAlive,
) {
  const { socket } = this;
  const take = socket?.[TAKE];
  const name = names[method];
  if (
    take === undefined ||
    name === undefined ||
    headers === undefined ||
    url === undefined ||
    upgrade ||
    major !== 1 ||
    // Node stops reading who does not
    socket!.writableNeedDrain ||
    meansMore(headers)
  ) {
    const result = nodeOnHead!.call(
      this,
      major,
      minor,
      headers,
      method,
      url,
      status,
      statusText,
      upgrade,
      keepsAlive,
    );
    if (take !== undefined) learn(method, this.incoming);
    return result;
  }
  this.incoming = null;
  take(new DirectRequest(socket!, name, url, headers, minor), new DirectResponse(socket!, keepsAlive));
  return 0;
};

function learn(method: number, incoming: ClientRequest | null): void {
  if (incoming?.method !== undefined && METHODS.has(incoming.method)) names[method] = incoming.method;
}

const [C, E, T] = [0x63, 0x65, 0x74];
const LOWER = 0x20;

/** A body follows, or is waited for: content-length, transfer-encoding or expect is among the names. */
function meansMore(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!;
    const first = name.charCodeAt(0) | LOWER;
    switch (name.length) {
      case 6:
        if (first === E && name.toLowerCase() === 'expect') return true;
        break;
      case 14:
        if (first === C && name.toLowerCase() === 'content-length') return true;
        break;
      case 17:
        if (first === T && name.toLowerCase() === 'transfer-encoding') return true;
        break;
    }
  }
  return false;
}
