/**
 * Makes a server in this process read what a client sends in this turn of the event loop, as it does when much has come at
 * once. Over the network the kernel decides that, and on a busy machine it decides otherwise.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { BareSocket } from '../../../lib/proxy/io/bare-socket.ts';
import { READ_INTO } from '../../../lib/proxy/io/node-internals.ts';
import type { Peer } from '../../helpers/proxy/peer.ts';

interface Handle {
  useUserBuffer(buffer: Buffer): void;
  getpeername(into: { port?: number }): void;
  getsockname(into: { port?: number }): void;
  [field: symbol]: unknown;
}

/** The server's end of each connection, by the ports of client and server. */
const ends = new Map<string, Handle>();

/** Notes each handle that is read into memory of ours. */
async function noteHandles(): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { _handle: listening } = server as unknown as { readonly _handle: object };
  const stream = Object.getPrototypeOf(Object.getPrototypeOf(listening)) as Handle;
  const { useUserBuffer } = stream;
  stream.useUserBuffer = function (this: Handle, buffer: Buffer): void {
    useUserBuffer.call(this, buffer);
    const [peer, self]: { port?: number }[] = [{}, {}];
    this.getpeername(peer!);
    this.getsockname(self!);
    ends.set(`${peer!.port} ${self!.port}`, this);
  };
  server.close();
}
await noteHandles();

/** The connection must be known to the server, and be read into READ_INTO. */
export function readSynchronously({ socket }: Peer, text: string): void {
  const handle = ends.get(`${socket.localPort} ${socket.remotePort}`);
  const bytes = READ_INTO.write(text, 'latin1');
  const reader = handle && fieldOf(handle, 'owner_symbol');
  if (reader instanceof BareSocket) return void reader.onBytes(bytes);
  const onBytes = reader && fieldOf(reader as Socket, 'kBufferCb');
  if (typeof onBytes !== 'function')
    throw new Error('the server does not read this client into memory of ours');
  onBytes.call(reader, bytes, READ_INTO);
}

function fieldOf(object: object, name: string): unknown {
  const symbol = Object.getOwnPropertySymbols(object).find(({ description }) => description === name);
  return symbol && (object as Record<symbol, unknown>)[symbol];
}
