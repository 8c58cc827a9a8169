/**
 * The public port before any worker listens on it.
 */
import { createServer } from 'node:net';
import type { BalancerError } from '../platform/errors.ts';
import { type ListenFlags, listenError, type SystemError } from '../platform/listen-error.ts';
import type { PassedDescriptors } from './worker-protocol.ts';

/** True where several sockets, and so several workers, can listen on one port (SO_REUSEPORT). */
export const canSharePort = process.platform === 'linux' || process.platform === 'freebsd';

/** How many of the workers that are asked for can listen on the public port. */
export function threadsOnPort(workers: number): number {
  return canSharePort ? workers : 1;
}

/** The flags that say where the public ports are. */
const PUBLIC_PORT_FLAGS: ListenFlags = { port: '--port', host: '--host' };
export const TLS_PORT_FLAGS: ListenFlags = { port: '--tls-port', host: '--host' };

/**
 * Makes sure that nobody listens on the port, and finds one where `port` is 0. Threads that share a port could
 * otherwise share it with a stranger who does so too (SO_REUSEPORT), and nobody would notice.
 */
export function claimPort(
  port: number,
  host: string,
  flags: ListenFlags = PUBLIC_PORT_FLAGS,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(listenError(error, { host, port }, flags)));
    server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}

/** The error of a thread that cannot listen on one of the public ports, `error.port`. */
export function publicListenError(
  error: SystemError & { readonly port: number },
  { host, port, tlsPort }: { readonly host: string; readonly port: number; readonly tlsPort: number },
): BalancerError {
  const isTls = tlsPort !== 0 && error.port === tlsPort;
  const flags = isTls ? TLS_PORT_FLAGS : PUBLIC_PORT_FLAGS;
  return listenError(error, { host, port: isTls ? tlsPort : port }, flags);
}

/** No open socket was passed to this process. */
export const NO_DESCRIPTORS: PassedDescriptors = { port: [], tlsPort: [] };

/** The descriptors of one worker, so that each has some. A descriptor has one owner, since Node.js cannot duplicate it. */
export function descriptorsOf(passed: PassedDescriptors, row: number, workers: number): PassedDescriptors {
  if (passed === NO_DESCRIPTORS) return passed;
  const isOwn = (_: number, index: number): boolean => index % workers === row;
  return { port: passed.port.filter(isOwn), tlsPort: passed.tlsPort.filter(isOwn) };
}
