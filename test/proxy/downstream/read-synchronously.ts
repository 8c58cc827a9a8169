/**
 * Makes a server in this process read what a client sends in this turn of the event loop, as it does when much has come at
 * once. Over the network the kernel decides that, and on a busy machine it decides otherwise.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { READ_INTO } from '../../../lib/proxy/io/node-internals.ts';
import type { Peer } from '../../helpers/proxy/peer.ts';

/** The server's end of each connection, by the ports of client and server. */
const ends = new Map<string, Socket>();
subscribe('net.server.socket', (message) => {
  const { socket } = message as { socket: Socket };
  ends.set(`${socket.remotePort} ${socket.localPort}`, socket);
});

/** The connection must be known to the server, and be read into READ_INTO. */
export function readSynchronously({ socket }: Peer, text: string): void {
  const end = ends.get(`${socket.localPort} ${socket.remotePort}`) as
    | (Socket & Record<symbol, unknown>)
    | undefined;
  const hears =
    end && Object.getOwnPropertySymbols(end).find(({ description }) => description === 'kBufferCb');
  const hear = hears && (end[hears] as ((bytes: number, buffer: Buffer) => boolean) | undefined);
  if (typeof hear !== 'function') throw new Error('the server does not read this client into memory of ours');
  hear.call(end, READ_INTO.write(text, 'latin1'), READ_INTO);
}
