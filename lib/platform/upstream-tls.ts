/**
 * TLS towards servers that are given as `https://`: what is verified, and the connection.
 * Source: RFC 9110 section 4.3.4 (verification), RFC 6066 section 3 (an address is no server name).
 */
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect, rootCertificates } from 'node:tls';

export interface UpstreamTls {
  /** Authorities beside those of Node.js, in PEM; '' for none. */
  readonly ca: string;
  /** Nothing is verified. */
  readonly isInsecure: boolean;
}

export const DEFAULT_UPSTREAM_TLS: UpstreamTls = { ca: '', isInsecure: false };

/** Opens a connection; its `secureConnect` says that it is there and verified. `more` goes to the socket. */
export function connectOverTls(
  { host, port }: { readonly host: string; readonly port: number },
  { ca, isInsecure }: UpstreamTls,
  more: ConnectionOptions = {},
): Socket {
  const socket = connect({
    ...more,
    host,
    port,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== '' && { ca: [...rootCertificates, ca] }),
    rejectUnauthorized: !isInsecure,
    ALPNProtocols: ['http/1.1'],
  });
  socket.setNoDelay(true);
  return socket;
}
