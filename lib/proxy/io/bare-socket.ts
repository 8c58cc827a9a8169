/**
 * An accepted connection without a Node socket, which can do what a short exchange needs: take what comes, write a text,
 * close. Whoever needs more asks for `socket`, which is made then and does all that follows.
 * Invariants: nothing is lost or reordered when the socket is made; an owner is told once that the connection has closed.
 */
import { Socket } from 'node:net';
import {
  type BareHandle,
  type BareReader,
  closeBare,
  makeReader,
  openSocket,
  READ_INTO,
  SCRATCH,
  startBare,
  stopBare,
} from './node-internals.ts';
import { type TextWriter, writeBatcher } from './write-batcher.ts';

/** Takes what comes. */
export interface BareInput {
  /**
   * Takes the first `bytes` of `memory`, which are good until it returns; the byte behind them may be overwritten. `isFull`:
   * there is more to read at once. False where the connection must not be read now.
   */
  read(memory: Buffer, bytes: number, isFull: boolean): boolean;
}

/** The connection that it is. */
export interface BareOwner {
  /** A socket was made, which is not read yet and has no listeners. */
  open(socket: Socket): void;
  /** It has closed, and no socket was made. */
  onClosed(): void;
}

export class BareSocket implements BareReader, TextWriter {
  static {
    makeReader(BareSocket.prototype);
  }
  readonly #handle: BareHandle;
  #owner: BareOwner | undefined;
  #input: BareInput | undefined;
  /** Once it was made. */
  #socket: Socket | undefined;
  #wasStarted = false;
  #hasWritten = false;
  #isNoDelay = false;
  #isReading = false;
  #isClosed = false;

  /** A handle that was accepted, and is not read yet. */
  constructor(handle: BareHandle) {
    this.#handle = handle;
  }

  /** Gives `input` what comes, and tells `owner` of all else. */
  open(owner: BareOwner, input: BareInput): void {
    this.#owner = owner;
    this.#input = input;
    if (this.#socket !== undefined) owner.open(this.#socket);
  }

  /** Begins to read, or goes on. */
  resume(): void {
    if (this.#socket !== undefined) this.#socket.resume();
    else if (!this.#isClosed && !this.#isReading) {
      this.#wasStarted = true;
      this.#isReading = true;
      startBare(this.#handle, this);
    }
  }

  /** Reads no more until `resume`. */
  pause(): void {
    if (this.#socket !== undefined) this.#socket.pause();
    else if (!this.#isClosed && this.#isReading) {
      this.#isReading = false;
      stopBare(this.#handle);
    }
  }

  /** The address of the peer; undefined where it has gone. */
  get remoteAddress(): string | undefined {
    // fields that are there already cost less to set
    const found = { address: undefined as string | undefined, family: '', port: 0 };
    this.#handle.getpeername(found);
    return found.address;
  }

  /** Everything else: a socket of Node's, which takes this one's place. */
  get socket(): Socket {
    if (this.#socket === undefined && !this.#isClosed) writeBatcher.flush(this);
    return this.#socket ?? this.#makeSocket();
  }

  /** Writes `text`, all of whose characters are latin1. */
  write(text: string, _encoding: 'latin1'): void {
    if (this.#socket !== undefined) return void this.#socket.write(text, 'latin1');
    if (this.#isClosed) return;
    // only what follows another write can be held back
    if (this.#hasWritten) this.#sendAtOnce();
    this.#hasWritten = true;
    const rest = this.#handle.writeLatin1String(null, text);
    if (rest === 0) return;
    if (typeof rest === 'number') this.destroy();
    else this.#makeSocket({ text, rest });
  }

  destroy(): void {
    if (this.#socket !== undefined) return void this.#socket.destroy();
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeBare(this.#handle);
    process.nextTick(tellClosed, this.#owner);
  }

  /** Closes it once all that was written has gone out. */
  destroySoon(): void {
    this.socket.destroySoon();
  }

  get destroyed(): boolean {
    return this.#socket?.destroyed ?? this.#isClosed;
  }

  get writable(): boolean {
    return this.#socket?.writable ?? !this.#isClosed;
  }

  /** Bytes that were written and not taken by the kernel. */
  get writableLength(): number {
    return this.#socket?.writableLength ?? 0;
  }

  get writableNeedDrain(): boolean {
    return this.#socket?.writableNeedDrain ?? false;
  }

  get bytesRead(): number {
    return this.#socket?.bytesRead ?? this.#handle.bytesRead;
  }

  get bytesWritten(): number {
    return this.#socket?.bytesWritten ?? this.#handle.bytesWritten;
  }

  // ---- what Node tells

  onBytes(bytes: number): boolean {
    return this.#input?.read(SCRATCH, bytes, bytes === READ_INTO.length) ?? true;
  }

  /** The client has ended its side, which the socket that is made reads once more. */
  onEnd(): void {
    this.pause();
    this.socket.resume();
  }

  onError(): void {
    this.destroy();
  }

  /** Without Nagle's algorithm from now on; a connection that closes after its first write is spared the call. */
  #sendAtOnce(): void {
    if (this.#isNoDelay) return;
    this.#isNoDelay = true;
    this.#handle.setNoDelay(true);
  }

  #makeSocket(held?: { readonly text: string; readonly rest: object }): Socket {
    if (this.#isClosed) return new Socket().destroy();
    this.#sendAtOnce();
    const socket = openSocket(this.#handle, { wasStarted: this.#wasStarted, held });
    this.#socket = socket;
    this.#owner?.open(socket);
    if (this.#isReading) socket.resume();
    return socket;
  }
}

function tellClosed(owner: BareOwner | undefined): void {
  owner?.onClosed();
}
