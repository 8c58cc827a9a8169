/**
 * Servers that end in a given way, and are there again at the same port when they are started anew.
 * Must not hold: what should become of their clients.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as Listener, type Socket } from 'node:net';

/** How one ends, and the signal by which a process is told so. */
export const ENDS = {
  /** Its listener is closed, and each connection ended. */
  FIN: 'SIGUSR2',
  /** Its listener is closed, and each connection reset. */
  RST: 'SIGHUP',
  /** Its listener is closed, and it goes on serving the connections that it has. */
  'a closed listener': 'SIGWINCH',
  SIGKILL: 'SIGKILL',
} as const satisfies Readonly<Record<string, NodeJS.Signals>>;
export type End = keyof typeof ENDS;

export interface Victim {
  readonly port: number;
  end(way: End): void;
  /** Whatever is left of it goes; resolves when it has. */
  gone(): Promise<void>;
  /** Another in its place, at the same port. */
  again(): Promise<Victim>;
}

/**
 * A program for `node -e`, with its port in PORT and its address in HOST. It works for a moment on each request, so that
 * it has some when it ends. Unless it is killed it stays, without its listener.
 */
export const PROGRAM = `
  const { Server } = require('node:net');
  const { PORT, HOST = '127.0.0.1' } = process.env;
  const sockets = new Set();
  const server = require('node:http').createServer((_, response) => {
    setTimeout(() => response.end('served'), 3);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const endWith = (leave) => () => {
    Server.prototype.close.call(server);
    for (const socket of sockets) leave(socket);
  };
  process.on('${ENDS.FIN}', endWith((socket) => socket.end()));
  process.on('${ENDS.RST}', endWith((socket) => socket.resetAndDestroy()));
  process.on('${ENDS['a closed listener']}', endWith(() => {}));
  server.listen(Number(PORT), HOST, () => process.send?.(server.address().port));
  setInterval(() => {}, 60_000);
`;

/** A server in a process of its own. */
export class ProcessVictim implements Victim {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(port = 0): Promise<Victim> {
    const child = spawn(process.execPath, ['-e', PROGRAM], {
      env: { PORT: String(port) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [listening] = (await once(child, 'message')) as [number];
    return new ProcessVictim(child, listening);
  }

  end(way: End): void {
    this.#child.kill(ENDS[way]);
  }

  async gone(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  again(): Promise<Victim> {
    return ProcessVictim.start(this.port);
  }
}

/** A server in this very process, which ends between two steps of its clients: all connections at once. */
export class LocalVictim implements Victim {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(port = 0): Promise<Victim> {
    const server = createServer((_, response) => response.end('served'));
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new LocalVictim(server, sockets);
  }

  end(way: Exclude<End, 'SIGKILL'>): void {
    // the method of HTTP's server closes idle connections too
    Listener.prototype.close.call(this.#server);
    if (way === 'a closed listener') return;
    for (const socket of [...this.#sockets]) way === 'FIN' ? socket.destroy() : socket.resetAndDestroy();
  }

  async gone(): Promise<void> {
    if (this.#server.listening) Listener.prototype.close.call(this.#server);
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  again(): Promise<Victim> {
    return LocalVictim.start(this.port);
  }
}
