/**
 * Requests taken straight from Node's HTTP parser: no stream to read, no response object to write to.
 * Must not hold: what becomes of a request, the bytes of bodies (`direct-body.ts`, `body-reads.ts`).
 *
 * For every request Node's server makes a readable and a writable stream, with a dozen listeners; of the 20 µs that a
 * small request took outside the kernel that was a third. What a head says comes from the parser as a list, and an
 * answer is written to the socket anyway, so for most requests neither stream has a use.
 *
 * The parser lets go of its socket behind the head of a request that asks for another protocol, and of one with a body in
 * chunks, which it is too strict about. The server does for both what it does for an upgrade: it emits that event.
 *
 * Three things are Node's own: the function that its parser calls when a head is complete, with what, and that it skips
 * the body where that gives 2; where the parser keeps a head that came in pieces; and the field by which it knows what
 * to fill with a body. The function is called for all that is not simple, and first for each method, whose name the
 * parser gives as a number. Where it is not found, every request comes the ordinary way;
 * `test/proxy/direct-requests.test.ts` notices.
 */
import type { Socket } from 'node:net';
import { closeOnceWritten, writeHeld, writeTogether } from './batched-writes.ts';
import type { ClientResponse, Ending } from './client-response.ts';
import { DirectBody } from './direct-body.ts';
import type { ClientRequest } from './incoming.ts';
import { upgradeOf } from './upgrades.ts';

/** Hears of a request that was taken. */
export type TakeRequest = (request: DirectRequest, response: DirectResponse) => void;

/** All others are rare. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export class DirectRequest implements ClientRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly rawHeaders: string[];
  readonly socket: Socket;
  readonly body: DirectBody | undefined;

  constructor(
    socket: Socket,
    {
      method,
      url,
      rawHeaders,
      minor,
      body,
    }: {
      readonly method: string;
      readonly url: string;
      readonly rawHeaders: string[];
      readonly minor: number;
      readonly body: DirectBody | undefined;
    },
  ) {
    this.socket = socket;
    this.method = method;
    this.url = url;
    this.rawHeaders = rawHeaders;
    this.httpVersionMajor = 1;
    this.httpVersionMinor = minor;
    this.body = body;
  }

  get httpVersion(): string {
    return this.httpVersionMinor === 1 ? '1.1' : '1.0';
  }

  get complete(): boolean {
    return this.body === undefined || this.body.complete;
  }
}

const NOBODY: readonly (() => void)[] = [];

export class DirectResponse implements ClientResponse {
  readonly socket: Socket;
  readonly keepsAlive: boolean;
  isBegun = false;
  #ending: Ending = 'keep-alive';
  #isEnded = false;
  /** Of those that asked before the end. */
  #hearers: readonly (() => void)[] = NOBODY;

  constructor(socket: Socket, keepsAlive: boolean) {
    this.socket = socket;
    this.keepsAlive = keepsAlive;
  }

  get out(): Socket {
    return this.socket;
  }

  begin(ending: Ending): void {
    writeHeld(this.socket);
    this.isBegun = true;
    this.#ending = ending;
  }

  end(text?: string, mayWait = false): void {
    if (text !== undefined && mayWait) writeTogether(this.socket, text);
    else if (text !== undefined) this.socket.write(text, 'latin1');
    if (this.#ending === 'close') closeOnceWritten(this.socket);
    this.#isEnded = true;
    for (const hear of this.#hearers) this.whenOut(hear);
  }

  whenOut(hear: () => void): void {
    if (!this.#isEnded) {
      this.#hearers = [...this.#hearers, hear];
      return;
    }
    writeHeld(this.socket);
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
  /** Where a body goes that the parser reads; any object will do that has what `DirectBody` says. */
  incoming: (Partial<ClientRequest> & { keepsAlive?: boolean }) | DirectBody | null;
  /** Of a head that came in pieces. */
  readonly _headers: string[];
  [listener: number]: unknown;
}

/** Where a socket keeps who takes its requests. */
const TAKE = Symbol('take');
interface DirectSocket extends Socket {
  readonly parser?: Parser | null;
  [TAKE]?: TakeRequest;
}

/** What tells the parser that the bytes behind the head are none of its business. */
const SKIP_BODY = 2;
/** The request that Node's function is being told of is one that the parser lets go of. */
let isLettingGo = false;

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
  const length = take === undefined ? NO_BODY : announcedLength(headers ?? this._headers);
  // behind an upgrade that is ignored Node would drop what came with it
  const mustLetGo = take !== undefined && major === 1 && (upgrade || Number.isNaN(length));
  const name = names[method];
  const isSimple =
    take !== undefined &&
    name !== undefined &&
    headers !== undefined &&
    url !== undefined &&
    !mustLetGo &&
    major === 1 &&
    // Node stops reading who does not
    !socket!.writableNeedDrain;
  if (!isSimple) {
    isLettingGo = mustLetGo;
    const result = nodeOnHead!.call(
      this,
      major,
      minor,
      headers,
      method,
      url,
      status,
      statusText,
      upgrade || mustLetGo,
      keepsAlive,
    );
    isLettingGo = false;
    if (take !== undefined) learn(method, this.incoming);
    if (!mustLetGo) return result;
    if (this.incoming !== null && 'keepsAlive' in this.incoming) this.incoming.keepsAlive = keepsAlive;
    return SKIP_BODY;
  }
  const body = length === NO_BODY ? undefined : new DirectBody(socket!, length);
  this.incoming = body ?? null;
  const request = new DirectRequest(socket!, { method: name, url, rawHeaders: headers, minor, body });
  take(request, new DirectResponse(socket!, keepsAlive));
  return 0;
};

/**
 * True where the server is to give the socket of this request away, which its `shouldUpgradeCallback` is asked. Where
 * Node's parser does not let go at our word it would go on with the body, so that there can be none.
 */
export function isLetGo({ httpVersionMinor, rawHeaders }: ClientRequest): boolean {
  if (isLettingGo) return true;
  if (nodeOnHead !== undefined || httpVersionMinor === 0) return false;
  return announcedLength(rawHeaders) === NO_BODY && upgradeOf(rawHeaders) !== '';
}

function learn(method: number, incoming: Parser['incoming']): void {
  if (incoming === null || incoming instanceof DirectBody) return;
  if (incoming.method !== undefined && METHODS.has(incoming.method)) names[method] = incoming.method;
}

const [C, T] = [0x63, 0x74];
const LOWER = 0x20;

export const NO_BODY = -1;

/** The length of the body that a head announces, in bytes, NaN for chunks; or NO_BODY. */
export function announcedLength(headers: readonly string[]): number {
  let length = NO_BODY;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!;
    const first = name.charCodeAt(0) | LOWER;
    switch (name.length) {
      case 14:
        if (first === C && name.toLowerCase() === 'content-length') length = Number(headers[at + 1]);
        break;
      case 17:
        if (first === T && name.toLowerCase() === 'transfer-encoding') length = Number.NaN;
        break;
    }
  }
  return length;
}
