/**
 * A socket to a replica that can still be read once a write to it has failed, as when the replica refuses an upload
 * and closes while the body is on its way.
 * While an upload is under way a failed write only calls `onWriteFailed`; whatever is written from then on is thrown
 * away.
 * Source: RFC 9112 section 9.6 (closing with a reset), RFC 9110 section 15.5.14 (413 while content is being sent).
 */
import { Socket, type TcpNetConnectOpts } from 'node:net';
import { connectOverTls, type UpstreamTls } from '../../platform/upstream-tls.ts';

type Written = (error?: Error | null) => void;

/** A socket to a replica, whatever carries it. */
export interface ReplicaSocket extends Socket {
  /** Set while a request body is sent; undefined leaves failed writes to the stream. */
  onWriteFailed: ((error: Error) => void) | undefined;
}

/**
 * With a failed write a stream destroys its socket, although the response lies in the kernel's receive queue: Linux
 * delivers it after a reset too, and the connection's end behind it.
 */
export class UpstreamSocket extends Socket implements ReplicaSocket {
  onWriteFailed: ((error: Error) => void) | undefined;
  #hasFailed = false;

  override _write(chunk: unknown, encoding: BufferEncoding, written: Written): void {
    if (this.onWriteFailed === undefined) super._write(chunk, encoding, written);
    else if (this.#hasFailed) written();
    else super._write(chunk, encoding, (error) => this.#onWritten(error, written));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], written: Written): void {
    if (this.onWriteFailed === undefined) super._writev?.(chunks, written);
    else if (this.#hasFailed) written();
    else super._writev?.(chunks, (error) => this.#onWritten(error, written));
  }

  #onWritten(error: Error | null | undefined, written: Written): void {
    // a socket that was destroyed meanwhile has nothing to be read any more
    if (error == null || this.destroyed || this.onWriteFailed === undefined) return written(error);
    if (!this.#hasFailed) {
      this.#hasFailed = true;
      this.onWriteFailed(error);
    }
    written();
  }
}

/** Opens a connection, as `connect` of `node:net` does. */
export function connectUpstream(options: TcpNetConnectOpts): UpstreamSocket {
  return new UpstreamSocket(options).connect(options);
}

/** The same over TLS. There a failed write closes the connection at once, with what was not read of the response. */
export function connectUpstreamOver(tls: UpstreamTls): (options: TcpNetConnectOpts) => ReplicaSocket {
  return ({ host = '', port, ...more }) =>
    Object.assign(connectOverTls({ host, port }, tls, more), { onWriteFailed: undefined });
}
