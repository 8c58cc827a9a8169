/**
 * Takes client connections off the public port, those that come in a crowd before any of them is served.
 * Must not hold: HTTP, limits, what becomes of a connection.
 *
 * libuv takes one connection from a listening socket and then sees to all connections that have something to say, each
 * time round. With hundreds of busy ones a round takes tens of milliseconds: of a thousand clients that connected at
 * once, 570 had not been taken after two seconds, while the others were served again and again. So a thread listens
 * on several sockets (SO_REUSEPORT), which are taken from in the same round, and what was taken is handed on when a
 * round brought few. After a calm a crowd is a rush, in which rounds had better be short.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface AcceptorOptions {
  /** '' is all interfaces. */
  readonly host: string;
  /** 0 is any that is free. */
  readonly port: number;
  /** Several sockets may listen on the one port. */
  readonly reusePort: boolean;
}

/** Whom the connections are for. */
export interface AcceptorOwner {
  /** Takes every connection over. */
  accept(socket: Socket): void;
  /** There is room for so many more; what is beyond need not wait. */
  capacity(): number;
  /** A rush is on, so that what else is done in a round had better be short; or is over. */
  onRush(isOn: boolean): void;
}

/** Sockets that one thread listens on. */
const SOCKETS = 16;
/**
 * Connections that the kernel may hold for each until they are taken, as far as the system's own limit allows. With
 * Node's 511 a thousand clients that come at once lose packets, and some of them wait a second for their first answer.
 */
const BACKLOG = 4096;
/** A connection waits no longer than this for those that come after it. */
const PATIENCE_MS = 50;
/** Crowds that come after so long without one are a rush, … */
const CALM_MS = 1000;
/** … for no longer than this: where they come all the time, new connections are what the service is. */
const RUSH_MS = 200;

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #owner: AcceptorOwner;
  readonly #clock: () => number;
  readonly #servers: Server[] = [];
  /** Taken, and not handed on yet. */
  #taken: Socket[] = [];
  /** How many there were when the round began. */
  #before = 0;
  // times begin as doubles (`-0`, an infinity): V8 deoptimizes a class at the first fraction in a field of whole numbers
  #sinceMs = -0;
  /** When the last crowd was seen, and the first of those that it followed without a calm between them. */
  #lastCrowdMs = Number.NEGATIVE_INFINITY;
  #firstCrowdMs = Number.NEGATIVE_INFINITY;
  #isRush = false;

  /** `clock` gives milliseconds that never go back. */
  constructor(options: AcceptorOptions, owner: AcceptorOwner, clock = () => performance.now()) {
    this.#options = options;
    this.#owner = owner;
    this.#clock = clock;
  }

  /** Listens; resolves with the port. Rejects with the system's error. */
  async listen(): Promise<number> {
    const port = await this.#listenOn(this.#options.port);
    const more = this.#options.reusePort ? SOCKETS - 1 : 0;
    await Promise.all(Array.from({ length: more }, () => this.#listenOn(port)));
    return port;
  }

  /** Takes no more; what was taken is handed on. */
  close(): void {
    for (const server of this.#servers) server.close();
    this.#handOn();
  }

  #listenOn(port: number): Promise<number> {
    const { host, reusePort } = this.#options;
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    this.#servers.push(server);
    server.on('connection', (socket) => this.#take(socket));
    return new Promise((resolve, reject) => {
      // once it listens that means nothing: what could not be taken for want of descriptors is still there to be taken
      server.on('error', reject);
      server.listen({ port, reusePort, backlog: BACKLOG, ...(host === '' ? {} : { host }) }, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  #take(socket: Socket): void {
    this.#taken.push(socket);
    if (this.#taken.length > this.#owner.capacity()) return this.#handOn();
    if (this.#taken.length > 1) return;
    this.#before = 0;
    this.#sinceMs = this.#clock();
    setImmediate(this.#look);
  }

  /** At the end of a round. */
  readonly #look = (): void => {
    if (this.#taken.length === 0) return;
    const isCrowd = this.#taken.length - this.#before >= Math.max(1, this.#servers.length / 2);
    this.#before = this.#taken.length;
    if (!isCrowd) return this.#handOn();
    const nowMs = this.#clock();
    if (nowMs - this.#lastCrowdMs >= CALM_MS) this.#firstCrowdMs = nowMs;
    this.#lastCrowdMs = nowMs;
    if (nowMs - this.#sinceMs >= PATIENCE_MS) return this.#handOn();
    this.#rush(nowMs - this.#firstCrowdMs < RUSH_MS);
    setImmediate(this.#look);
  };

  #rush(isOn: boolean): void {
    if (this.#isRush === isOn) return;
    this.#isRush = isOn;
    this.#owner.onRush(isOn);
  }

  #handOn(): void {
    const taken = this.#taken;
    this.#taken = [];
    this.#rush(false);
    for (const socket of taken) {
      this.#owner.accept(socket);
      socket.resume();
    }
  }
}
