/**
 * One end of a raw connection, for clients and for replicas alike: everything that comes is kept as latin1 text until it is
 * taken, and a wait ends as soon as what it waits for has come.
 */
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { chunkedBody, type Message, pairsOf } from './message.ts';

/** A busy machine may take this long over anything; only what never comes waits for it. */
const DEADLINE_MS = 60_000;

/** Heads of requests come in two parts, so that none is whole at once. */
const CUTS_HEADS = process.env.RINGLB_TEST_CUT === '1';
const REQUEST_LINE = /^[A-Z]+ [^\r\n]{1,2000} HTTP\/1/;
const CUT_AT = 12;

export class Peer {
  readonly socket: Socket;
  /** What came and was not taken, latin1. */
  received = '';
  /** All bytes that ever came. */
  bytes = 0;
  /** False: bytes are counted and dropped. */
  isKept = true;
  /** The other side sends no more. */
  isEnded = false;
  isClosed = false;
  /** The errno of what went wrong, '' for nothing. */
  errno = '';
  readonly #carrier: Socket;
  readonly #looks = new Set<() => void>();

  /** `carrier` carries the encrypted bytes of `socket`. */
  constructor(socket: Socket, carrier: Socket = socket) {
    this.socket = socket;
    this.#carrier = carrier;
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      if (this.isKept) this.received += chunk.toString('latin1');
      this.#look();
    });
    socket.on('end', () => {
      this.isEnded = true;
      this.#look();
    });
    socket.on('error', (error: Error & { code?: string }) => {
      this.errno = error.code ?? 'unknown';
    });
    socket.on('close', () => {
      this.isEnded = true;
      this.isClosed = true;
      this.#look();
    });
  }

  /** Half open, so that what the other side does after its end, or ours, can be seen. */
  static async connect(port: number): Promise<Peer> {
    const peer = new Peer(connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }));
    await once(peer.socket, 'connect');
    return peer;
  }

  /**
   * The same over TLS, on `options.socket` if there is one; without a certificate of its own unless `options` has one;
   * `before` is sent unencrypted.
   */
  static async connectTls(port: number, options: ConnectionOptions = {}, before = ''): Promise<Peer> {
    const { socket: given } = options;
    const carrier =
      given instanceof Socket
        ? given
        : connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    if (before !== '') carrier.write(before);
    // what fails while TLS is not there yet
    carrier.on('error', () => {});
    const socket = connectTls({
      socket: carrier,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...options,
    });
    const peer = new Peer(socket, carrier);
    await once(socket, 'secureConnect');
    return peer;
  }

  #look(): void {
    for (const look of [...this.#looks]) look();
  }

  /**
   * Waits until `probe` gives anything but undefined or false, asked whenever something happens here; fails at once
   * where the other side has ended and it still does not.
   */
  until<T>(what: string, probe: () => T): Promise<Exclude<T, undefined | false>> {
    return this.#until(what, probe, () => this.isEnded);
  }

  #until<T>(what: string, probe: () => T, isHopeless: () => boolean): Promise<Exclude<T, undefined | false>> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#looks.delete(look);
      };
      const fail = (how: string): void => {
        finish();
        const text = JSON.stringify(this.received.slice(0, 400));
        reject(new Error(`${how}: ${what}; received ${this.bytes} bytes, not taken ${text} ${this.errno}`));
      };
      const look = (): void => {
        const value = probe();
        if (value !== undefined && value !== false) {
          finish();
          resolve(value as Exclude<T, undefined | false>);
        } else if (isHopeless()) fail('ended before');
      };
      const timer = setTimeout(() => fail(`not within ${DEADLINE_MS} ms`), DEADLINE_MS);
      this.#looks.add(look);
      look();
    });
  }

  /** What is still to be sent of heads that are cut. */
  #later: Promise<void> | undefined;

  send(data: string | Buffer): boolean {
    const isCut = CUTS_HEADS && typeof data === 'string' && REQUEST_LINE.test(data);
    if (isCut || this.#later !== undefined) {
      const pieces = isCut ? [data.slice(0, CUT_AT), data.slice(CUT_AT)] : [data];
      this.#later = pieces.reduce(
        (before, piece) =>
          before.then(() => {
            this.#write(piece);
            return new Promise((resolve) => setTimeout(resolve, 2));
          }),
        this.#later ?? Promise.resolve(),
      );
      return true;
    }
    return this.#write(data);
  }

  #write(data: string | Buffer): boolean {
    return typeof data === 'string' ? this.socket.write(data, 'latin1') : this.socket.write(data);
  }

  /** Sends a FIN; reading goes on. */
  end(): void {
    if (this.#later === undefined) this.socket.end();
    else void this.#later.then(() => this.socket.end());
  }

  /** Closes both directions; what was not read makes it a reset. */
  close(): void {
    this.socket.destroy();
  }

  /** Closes with a reset. */
  reset(): void {
    this.#carrier.resetAndDestroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Waits until the other side has ended or closed; what came and was not taken. */
  async over(): Promise<string> {
    await this.until('the end', () => this.isEnded);
    return this.received;
  }

  /** Waits until the connection is closed in both directions. */
  async closed(): Promise<void> {
    await this.#until(
      'the close',
      () => this.isClosed,
      () => this.isClosed,
    );
  }

  /** Takes all up to and with `mark`. */
  async take(mark: string): Promise<string> {
    const end = await this.until(JSON.stringify(mark), () => this.#after(mark));
    return this.#cut(end);
  }

  #after(mark: string): number | undefined {
    const at = this.received.indexOf(mark);
    return at === -1 ? undefined : at + mark.length;
  }

  #cut(end: number): string {
    const text = this.received.slice(0, end);
    this.received = this.received.slice(end);
    return text;
  }

  /** Takes `count` bytes. */
  async takeBytes(count: number): Promise<string> {
    await this.until(`${count} bytes`, () => this.received.length >= count);
    return this.#cut(count);
  }

  /** Takes the next head, request or response, with no body. */
  async head(): Promise<Message> {
    const text = await this.take('\r\n\r\n');
    const [startLine = '', ...lines] = text.slice(0, -4).split('\r\n');
    return { startLine, head: text, pairs: pairsOf(lines), body: '', rawBody: '', trailers: [] };
  }

  /** Takes a whole request, framed as its head says. */
  async request(): Promise<Message> {
    const head = await this.head();
    return this.#withBody(head, '0');
  }

  /** Takes a whole response, final or interim; `isBodiless` where it answers HEAD. */
  async response(isBodiless = false): Promise<Message> {
    const head = await this.head();
    const status = Number(head.startLine.split(' ')[1]);
    if (isBodiless || status < 200 || status === 204 || status === 304) return head;
    return this.#withBody(head, undefined);
  }

  async #withBody(head: Message, unframed: string | undefined): Promise<Message> {
    const value = (name: string): string | undefined =>
      head.pairs.find(([key]) => key.toLowerCase() === name)?.[1];
    if (value('transfer-encoding') !== undefined) {
      const body = await this.until('a whole chunked body', () => chunkedBody(this.received));
      return { ...head, ...body, rawBody: this.#cut(body.length) };
    }
    const length = value('content-length') ?? unframed;
    const body = length === undefined ? await this.over() : await this.takeBytes(Number(length));
    if (length === undefined) this.received = '';
    return { ...head, body, rawBody: body };
  }
}
