/**
 * Why a port could not be listened on, and what the operator can do about it.
 */
import { BalancerError } from './errors.ts';

/** Which flags say where a server listens, such as `--port` and `--host`. */
export interface ListenFlags {
  readonly port: string;
  readonly host: string;
}

/** The part of a system error that also passes between threads. */
export interface SystemError {
  /** `EADDRINUSE` and the like, or ''. */
  readonly code?: string;
  readonly message: string;
}

/** The error of `listen`, as a BalancerError `port-in-use`; a `host` of '' is all interfaces. */
export function listenError(
  error: SystemError,
  { host, port }: { readonly host: string; readonly port: number },
  flags: ListenFlags,
): BalancerError {
  const address = `${host === '' ? '' : `${host} `}port ${port}`;
  const because = (reason: string): BalancerError =>
    new BalancerError('port-in-use', reason, { cause: error });
  switch (error.code) {
    case 'EADDRINUSE':
      return because(`${address} is in use; stop what listens there or choose another with ${flags.port}`);
    case 'EACCES':
      return because(`${address} needs more rights; choose one from 1024 with ${flags.port}`);
    case 'EADDRNOTAVAIL':
      return because(`${host} is no address of this machine; correct ${flags.host}`);
    default:
      return because(`cannot listen on ${address}: ${error.message}`);
  }
}
