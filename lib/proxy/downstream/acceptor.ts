/** Accepts client connections on the public port; those that come in a crowd are all accepted before any is served. */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { BareSocket } from '../io/bare-socket.ts';
import { acceptBare } from '../io/node-internals.ts';

export interface AcceptorOptions {
  /** '' is all interfaces. */
  readonly host: string;
  /** 0 is any that is free. */
  readonly port: number;
  /** Several sockets may listen on the one port. */
  readonly reusePort: boolean;
  /** Connections are handed over without sockets, where that is possible. */
  readonly isBare?: boolean;
}

/** Whose connections are accepted. */
export interface AcceptorOwner {
  /** Takes a connection over. */
  accept(socket: Socket | BareSocket): void;
  /** How many more there may be; what is beyond is handed over at once, to be refused. */
  capacity(): number;
  /** A rush has begun, so that what else is done in a round should be short; or it is over. */
  onRush(isOn: boolean): void;
}

/**
 * Sockets that one worker listens on (SO_REUSEPORT), which accept in the same round of the event loop. libuv accepts
 * one connection of a listening socket in each round, and in the same round serves all connections that have sent
 * something. With hundreds of busy ones a round takes tens of milliseconds: of a thousand clients that connected at
 * once, 570 had not been accepted after two seconds, while the others were served again and again.
 */
const SOCKETS = 16;
/**
 * Connections that the kernel may queue for each socket, as far as the system's own limit allows. With Node's default of 511
 * a thousand clients that connect at once lose packets, and some of them wait a second for their first response.
 */
const BACKLOG = 4096;
/** A connection waits no longer than this for those that come after it. */
const MAX_WAIT_MS = 50;
/** A crowd after this long without one is a rush, … */
const CALM_MS = 1000;
/** … for no longer than this: where crowds come all the time, new connections are the normal load. */
const RUSH_MS = 200;

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #owner: AcceptorOwner;
  readonly #clock: () => number;
  readonly #servers: Server[] = [];
  /** Accepted, and not handed over yet. */
  #accepted: (Socket | BareSocket)[] = [];
  /** How many there were when the round began. */
  #beforeRound = 0;
  // times begin as doubles (`-0`, an infinity): V8 deoptimizes a class at the first fraction in a field of whole numbers
  #sinceMs = -0;
  /** When the last crowd came, and the first of those that it followed without a calm between them. */
  #lastCrowdMs = Number.NEGATIVE_INFINITY;
  #firstCrowdMs = Number.NEGATIVE_INFINITY;
  #isRush = false;
  /** Connections so far. */
  #total = 0;
  #closing: Promise<void> | undefined;

  /** `clock` gives milliseconds that never go back. */
  constructor(options: AcceptorOptions, owner: AcceptorOwner, clock = () => performance.now()) {
    this.#options = options;
    this.#owner = owner;
    this.#clock = clock;
  }

  /**
   * Listens, on the open sockets of `descriptors` where there are some, which are closed with the acceptor; resolves with
   * the port. Rejects with the system's error.
   */
  async listen(descriptors: readonly number[] = []): Promise<number> {
    if (descriptors.length > 0) {
      const [passed = 0] = await Promise.all(descriptors.map((fd) => this.#listenOn({ fd })));
      return passed;
    }
    const { host, reusePort } = this.#options;
    const where = (port: number) => ({ port, reusePort, ...(host === '' ? {} : { host }) });
    const port = await this.#listenOn(where(this.#options.port));
    const more = reusePort ? SOCKETS - 1 : 0;
    await Promise.all(Array.from({ length: more }, () => this.#listenOn(where(port))));
    return port;
  }

  /**
   * Accepts no more, once a round has brought no connection; resolves then, when all are handed over. The kernel resets
   * what it has queued for a socket when that is closed: clients would see it where another balancer takes this one's
   * place, on the same port. So rounds are short meanwhile, and the sockets are closed directly behind a look at them.
   */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#owner.onRush(true);
      const untilMs = this.#clock() + MAX_WAIT_MS;
      let seen = -1;
      const onRound = (): void => {
        const isQuiet = seen === this.#total;
        seen = this.#total;
        if (!isQuiet && this.#clock() < untilMs) return void setImmediate(onRound);
        for (const server of this.#servers) server.close();
        this.#handOver();
        this.#owner.onRush(false);
        resolve();
      };
      setImmediate(onRound);
    });
    return this.#closing;
  }

  #listenOn(where: ListenOptions | { readonly fd: number }): Promise<number> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    this.#servers.push(server);
    server.on('connection', (socket) => this.#onConnection(socket));
    return new Promise((resolve, reject) => {
      // once it listens an error means nothing: what cannot be accepted for lack of descriptors stays in the kernel's queue
      server.on('error', reject);
      // of a descriptor Node.js takes the length of the queue here alone
      server.listen({ ...where, backlog: BACKLOG }, BACKLOG, () => {
        if (this.#options.isBare) acceptBare(server, (handle) => this.#onConnection(new BareSocket(handle)));
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  #onConnection(socket: Socket | BareSocket): void {
    this.#total++;
    this.#accepted.push(socket);
    if (this.#accepted.length > this.#owner.capacity()) return this.#handOver();
    if (this.#accepted.length > 1) return;
    this.#beforeRound = 0;
    this.#sinceMs = this.#clock();
    setImmediate(this.#onRoundEnd);
  }

  /** At the end of a round: hands over what was accepted, once a round has brought few. */
  readonly #onRoundEnd = (): void => {
    if (this.#accepted.length === 0) return;
    const isCrowd = this.#accepted.length - this.#beforeRound >= Math.max(1, this.#servers.length / 2);
    this.#beforeRound = this.#accepted.length;
    if (!isCrowd) return this.#handOver();
    const nowMs = this.#clock();
    if (nowMs - this.#lastCrowdMs >= CALM_MS) this.#firstCrowdMs = nowMs;
    this.#lastCrowdMs = nowMs;
    const isRush = nowMs - this.#firstCrowdMs < RUSH_MS;
    // where crowds are the normal load there is always a next one, and waiting for it is all that waiting would bring
    if (!isRush || nowMs - this.#sinceMs >= MAX_WAIT_MS) return this.#handOver();
    this.#setRush(true);
    setImmediate(this.#onRoundEnd);
  };

  #setRush(isOn: boolean): void {
    if (this.#isRush === isOn) return;
    this.#isRush = isOn;
    this.#owner.onRush(isOn);
  }

  #handOver(): void {
    const accepted = this.#accepted;
    this.#accepted = [];
    this.#setRush(false);
    for (const socket of accepted) {
      this.#owner.accept(socket);
      socket.resume();
    }
  }
}
