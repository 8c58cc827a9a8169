/**
 * TLS on accepted connections: handshakes, and the choice of the certificate.
 * Invariants: a handshake begins once the client has sent something, so that a connection which says nothing costs no
 * more than a plain one; in one round of the event loop no more than a few begin, for each takes a millisecond and the
 * requests of others wait meanwhile. Nothing of a handshake is left when it fails or its time is up.
 */
import { constants, hash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import type { ClientInfo } from '../../headers/request-headers.ts';
import { setCarrier } from '../../io/encrypted.ts';
import { type Listed, NOT_LISTED, UnorderedList } from '../../unordered-list.ts';
import { HostMap } from './certificate.ts';

/** The private parts of TLS, for every thread. */
export interface TlsMaterial {
  /** The first is for clients that name no host, or one that none is for. */
  readonly certificates: readonly {
    readonly hosts: readonly string[];
    readonly cert: string;
    readonly key: string;
  }[];
  /** Clients must show a certificate of one of these authorities; '' where they need none. */
  readonly clientCa: string;
  /** 48 bytes. */
  readonly ticketKeys: Uint8Array;
}

export interface TlsOptions {
  readonly tlsMin: '1.2' | '1.3';
  /** A host name that no certificate is for ends the handshake. */
  readonly tlsStrictSni: boolean;
  readonly http2: boolean;
}

export interface TlsOwner {
  /** The handshake is done; nobody reads the socket yet. */
  onSecure(socket: TLSSocket, info: ClientInfo, isResumed: boolean): void;
  /** It failed, or took too long; the connection is closed. */
  onHandshakeFailed(): void;
}

/** Handshakes that begin in one round of the event loop. */
const HANDSHAKES_A_ROUND = 2;
/** What both versions have of ciphers with forward secrecy and authenticated encryption (Mozilla, «intermediate»). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
/** What OpenSSL takes of a name for those who may resume the sessions of each other. */
const SESSION_CONTEXT_BYTES = 32;
/** Below zero Node.js sets no timer of its own for a handshake; `tick` limits how long one takes. */
const NO_TIMEOUT = -1;

type OnContext = (error: Error | null, context?: SecureContext) => void;

/** One connection from the moment it is accepted until its handshake is done. */
interface Handshake extends Listed {
  readonly owner: TlsServer;
  readonly socket: Socket;
  readonly info: ClientInfo;
  readonly sinceMs: number;
  /** Its client has sent something. */
  isReady: boolean;
}

/** Where an accepted socket keeps its handshake: listeners that all share cost less than closures for each. */
const HANDSHAKE = Symbol('handshake');
interface AcceptedSocket extends Socket {
  [HANDSHAKE]?: Handshake;
}

/**
 * The server as one handshake sees it. Of a handshake that is done Node's server says no more than the encrypted socket, not
 * on which connection it is; so each connection is handed to an object that inherits everything from the server and keeps
 * what the server says to itself.
 */
interface HandshakeServer extends Server {
  handshake: Handshake;
}

export class TlsServer {
  readonly #options: TlsOptions;
  readonly #owner: TlsOwner;
  /** What each `HandshakeServer` inherits from. */
  #server: Server;
  #contexts = new HostMap<SecureContext>();
  readonly #handshakes = new UnorderedList<Handshake>();
  /** Clients that have sent something, and wait for their handshake to begin. */
  readonly #ready: Handshake[] = [];
  #isRoundDue = false;

  constructor(options: TlsOptions, material: TlsMaterial, owner: TlsOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#server = this.#createServer(material);
  }

  /** Handshakes that are not done. */
  get size(): number {
    return this.#handshakes.size;
  }

  /** New connections get these certificates and keys. */
  setMaterial(material: TlsMaterial): void {
    this.#server = this.#createServer(material);
  }

  /** A server that never listens: connections are handed to it. */
  #createServer(material: TlsMaterial): Server {
    const mustChoose = material.certificates.length > 1 || this.#options.tlsStrictSni;
    this.#contexts = mustChoose ? this.#contextsOf(material) : new HostMap();
    const server = createServer({
      ...this.#contextOptions(material, 0),
      ...clientOptions(material),
      ALPNProtocols: this.#options.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
      // with one, OpenSSL stops in every handshake and waits for JavaScript
      ...(mustChoose && {
        SNICallback: (host: string, callback: OnContext) => this.#chooseContext(host, callback),
      }),
      ticketKeys: Buffer.from(material.ticketKeys),
      handshakeTimeout: NO_TIMEOUT,
    });
    return Object.create(server, { emit: { value: emitToHandshake } }) as Server;
  }

  /** Takes over a connection that nobody reads yet. */
  accept(socket: AcceptedSocket, info: ClientInfo, nowMs: number): void {
    const handshake = {
      owner: this,
      socket,
      info,
      sinceMs: nowMs,
      isReady: false,
      place: NOT_LISTED,
    };
    this.#handshakes.add(handshake);
    socket[HANDSHAKE] = handshake;
    socket.on('error', destroyThis);
    socket.on('close', onAcceptedClose);
    socket.on('end', onAcceptedEnd);
    // nothing is read: what came is still in the socket's buffer when TLS takes it over
    if (socket.readableLength > 0) this.onReady(handshake);
    else socket.on('readable', onAcceptedReadable);
  }

  /** Its client has sent something. */
  onReady(handshake: Handshake): void {
    handshake.isReady = true;
    this.#ready.push(handshake);
    this.#beginSome();
  }

  tick(nowMs: number, timeoutMs: number): void {
    for (const { socket, sinceMs } of this.#handshakes) if (nowMs - sinceMs >= timeoutMs) socket.destroy();
  }

  /** Ends the handshakes that are not done. */
  close(): void {
    for (const { socket } of this.#handshakes) socket.destroy();
  }

  #beginSome(): void {
    if (this.#isRoundDue) return;
    this.#isRoundDue = true;
    setImmediate(() => {
      this.#isRoundDue = false;
      for (const handshake of this.#ready.splice(0, HANDSHAKES_A_ROUND)) {
        if (!handshake.socket.destroyed) this.#begin(handshake);
      }
      if (this.#ready.length > 0) this.#beginSome();
    });
  }

  #begin(handshake: Handshake): void {
    const server = Object.create(this.#server) as HandshakeServer;
    server.handshake = handshake;
    const { socket } = handshake;
    // a client that has sent its last cannot complete a handshake: the encrypted socket, which takes this over, then closes
    socket.allowHalfOpen = false;
    EventEmitter.prototype.emit.call(server, 'connection', socket);
    socket.allowHalfOpen = true;
  }

  onSecure(handshake: Handshake, socket: TLSSocket): void {
    if (!this.#handshakes.remove(handshake)) return void socket.destroy();
    socket.allowHalfOpen = true;
    setCarrier(socket, handshake.socket);
    this.#owner.onSecure(socket, handshake.info, socket.isSessionReused());
  }

  /** It has failed, which may have been said before. */
  onFailed(handshake: Handshake): void {
    if (this.#handshakes.remove(handshake)) this.#owner.onHandshakeFailed();
  }

  #chooseContext(host: string, callback: OnContext): void {
    const context = this.#contexts.find(host);
    if (context === undefined && this.#options.tlsStrictSni)
      callback(new Error(`no certificate is for ${host}`));
    else callback(null, context);
  }

  #contextsOf(material: TlsMaterial): HostMap<SecureContext> {
    const contexts = new HostMap<SecureContext>();
    material.certificates.forEach(({ hosts }, index) => {
      const context = createSecureContext({
        ...this.#contextOptions(material, index),
        ...clientOptions(material),
      });
      for (const host of hosts) contexts.add(host, context);
    });
    return contexts;
  }

  #contextOptions({ certificates, clientCa }: TlsMaterial, index: number): SecureContextOptions {
    return {
      // none yet, where they come from an ACME server: handshakes fail until there is one
      ...(certificates[index] && { cert: certificates[index].cert, key: certificates[index].key }),
      minVersion: `TLSv${this.#options.tlsMin}`,
      ciphers: CIPHERS,
      // a client could have handshakes beyond those that are counted and bounded, and HTTP/2 forbids it (RFC 9113 section 9.2.1)
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionIdContext: sessionContext(clientCa),
    };
  }
}

/**
 * Sessions are resumed by any thread and balancer with the same keys, and the same authorities of clients: of a client that
 * resumes a session the certificate is not verified again.
 */
function sessionContext(clientCa: string): string {
  return hash('sha256', clientCa, 'base64').slice(0, SESSION_CONTEXT_BYTES);
}

function clientOptions({ clientCa }: TlsMaterial): {
  readonly ca?: string;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
} {
  return clientCa === '' ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

/** In place of the server's own `emit`. */
function emitToHandshake(this: HandshakeServer, event: string, ...args: readonly unknown[]): boolean {
  const { handshake } = this;
  if (event === 'secureConnection') handshake.owner.onSecure(handshake, args[0] as TLSSocket);
  else if (event === 'tlsClientError') {
    handshake.owner.onFailed(handshake);
    (args[1] as TLSSocket).destroy();
  }
  return true;
}

function onAcceptedReadable(this: AcceptedSocket): void {
  const handshake = this[HANDSHAKE];
  if (handshake?.isReady === false) handshake.owner.onReady(handshake);
}

/** Its end came before TLS took it over, behind the first that its client has sent at most. */
function onAcceptedEnd(this: AcceptedSocket): void {
  this.destroy();
}

function onAcceptedClose(this: AcceptedSocket): void {
  const handshake = this[HANDSHAKE];
  handshake?.owner.onFailed(handshake);
}

function destroyThis(this: Socket): void {
  this.destroy();
}
