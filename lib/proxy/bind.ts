/**
 * The public port before any thread listens on it. Must not hold: the server that listens.
 */
import { createServer } from 'node:net';
import { BalancerError } from '../platform/errors.ts';

/** Why a port could not be listened on, and what to do about it. */
export function listenError(
  code: string,
  message: string,
  where: { readonly host: string; readonly port: number },
): BalancerError {
  const address = `${where.host === '' ? '' : `${where.host} `}port ${where.port}`;
  if (code === 'EADDRINUSE')
    return new BalancerError(
      'port-in-use',
      `${address} is in use; stop what listens there or choose another with --port`,
    );
  if (code === 'EACCES')
    return new BalancerError('port-in-use', `${address} needs more rights; choose one from 1024 with --port`);
  if (code === 'EADDRNOTAVAIL')
    return new BalancerError('port-in-use', `${where.host} is no address of this machine; correct --host`);
  return new BalancerError('port-in-use', `cannot listen on ${address}: ${message}`);
}

/**
 * Makes sure that nobody listens on the port, and finds one where `port` is 0. Threads that share a port could
 * otherwise share it with a stranger who does so too (SO_REUSEPORT), and nobody would notice.
 */
export function claimPort(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(listenError(error.code ?? '', error.message, { host, port })),
    );
    server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}
