/**
 * A TCP socket towards a replica as `node:net` shows it to the pool, on which the test is the network: it connects,
 * is refused, brings bytes, ends or resets when the test says.
 */
import { EventEmitter } from 'node:events';
import type { OnReadOpts, TcpNetConnectOpts } from 'node:net';
import type { UpstreamSocket } from '../../../lib/proxy/upstream/early-response.ts';

export type SocketState = 'connecting' | 'open' | 'closed';

export class FakeSocket extends EventEmitter {
  state: SocketState = 'connecting';
  /** It is paused by its reader. */
  isPaused = false;
  /** It was destroyed, and its `close` is still to come, as Node has it: never within the call. */
  isCloseDue = false;
  /** The requests that were written to it. */
  written = 0;
  onWriteFailed: ((error: Error) => void) | undefined;
  readonly writableLength = 0;
  readonly #onread: OnReadOpts | undefined;

  constructor({ onread }: TcpNetConnectOpts) {
    super();
    this.#onread = onread ?? undefined;
  }

  get destroyed(): boolean {
    return this.state === 'closed';
  }

  get asSocket(): UpstreamSocket {
    return this as unknown as UpstreamSocket;
  }

  // ---- what the pool calls

  write(): boolean {
    if (this.state !== 'open') throw new Error(`a write on a socket that is ${this.state}`);
    this.written++;
    return true;
  }

  destroy(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.isCloseDue = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  // ---- what the network does

  connected(): void {
    if (this.state !== 'connecting') return;
    this.state = 'open';
    this.emit('connect');
  }

  /** Connecting fails, or the open connection is reset. */
  fails(code: string): void {
    if (this.state === 'closed') return;
    this.destroy();
    this.emit('error', Object.assign(new Error(code), { code }));
    this.closes();
  }

  brings(text: string): void {
    if (this.state !== 'open') return;
    const bytes = Buffer.from(text, 'latin1');
    if (this.#onread === undefined) {
      this.emit('data', bytes);
      return;
    }
    const { buffer, callback } = this.#onread;
    const into = typeof buffer === 'function' ? buffer() : buffer;
    bytes.copy(into);
    callback(bytes.length, into);
  }

  ends(): void {
    if (this.state !== 'open') return;
    this.emit('end');
  }

  /** Emits the `close` that is due. */
  closes(): void {
    if (!this.isCloseDue) return;
    this.isCloseDue = false;
    this.emit('close');
  }
}
