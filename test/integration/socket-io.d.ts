/** What the tests use of socket.io and its client; their own types bring those of ws, cors and a second Node. */
declare module 'socket.io' {
  import type { Server as HttpServer } from 'node:http';

  interface ServerSocket {
    on(event: string, listener: (text: string, answer: (said: string) => void) => void): this;
    emit(event: string, text: string): boolean;
  }

  export class Server {
    constructor(server: HttpServer);
    on(event: 'connection', listener: (socket: ServerSocket) => void): this;
    close(): Promise<void>;
  }
}

declare module 'socket.io-client' {
  export interface Socket {
    once(event: 'connect', listener: () => void): this;
    once(event: 'connect_error', listener: (error: Error) => void): this;
    once(event: string, listener: (text: string) => void): this;
    emit(event: string, text: string): this;
    emitWithAck(event: string, text: string): Promise<string>;
    disconnect(): this;
  }

  export function io(
    url: string,
    options: {
      readonly transports: readonly string[];
      readonly extraHeaders?: Readonly<Record<string, string>>;
      /** The client keeps cookies, and sends them. */
      readonly withCredentials?: boolean;
      readonly forceNew: boolean;
      readonly reconnection: boolean;
    },
  ): Socket;
}
