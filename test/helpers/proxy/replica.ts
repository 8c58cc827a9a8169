/** A replica that is a bare TCP server and does what a test says. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls';
import { eventually } from '../eventually.ts';
import type { Pair } from './certificates.ts';
import { type Message, ok } from './message.ts';
import { Peer } from './peer.ts';

/** Responds to a whole request with these bytes, or does something of its own with the connection. */
export type Responder = (request: Message, connection: Peer, count: number) => string | Buffer | undefined;

export class FakeReplica {
  readonly port: number;
  /** Every connection ever taken. */
  readonly connections: Peer[] = [];
  /** Whole requests seen while `serve` runs. */
  readonly requests: Message[] = [];
  readonly #server: Server;
  #taken = 0;
  #respond: Responder | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket) => {
      const peer = new Peer(socket);
      this.connections.push(peer);
      if (this.#respond !== undefined) void this.#serve(peer);
    });
  }

  /** With a certificate it is spoken to over TLS. */
  static async open(certificate?: Pair): Promise<FakeReplica> {
    const options = { allowHalfOpen: true, noDelay: true };
    const server = certificate ? createTlsServer({ ...options, ...certificate }) : createServer(options);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FakeReplica(server);
  }

  /** From now on whole requests get this response, on every connection. */
  serve(respond: Responder = () => ok('hello')): this {
    if (this.#respond === undefined) {
      for (const peer of this.connections) if (!peer.isEnded) void this.#serve(peer);
    }
    this.#respond = respond;
    return this;
  }

  async #serve(peer: Peer): Promise<void> {
    try {
      for (let count = 1; ; count++) {
        const request = await peer.request();
        this.requests.push(request);
        const bytes = this.#respond?.(request, peer, count);
        if (bytes !== undefined) peer.send(bytes);
      }
    } catch {
      peer.end();
    }
  }

  /** The next connection that no earlier call gave. */
  async next(): Promise<Peer> {
    const index = this.#taken++;
    return eventually('a connection at the replica', () => this.connections[index], 5000);
  }

  /** Connections that are open now. */
  get open(): number {
    return this.connections.filter(({ isClosed }) => !isClosed).length;
  }

  close(): void {
    this.#server.close();
    for (const peer of this.connections) peer.close();
  }
}
