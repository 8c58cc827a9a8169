/**
 * TLS towards servers that are given as `https://`: what is verified, and the connection.
 * Source: RFC 9110 section 4.3.4 (verification), RFC 6066 section 3 (an address is no server name).
 */
import { isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  getCACertificates,
  type SecureContext,
} from 'node:tls';

export interface UpstreamTls {
  /** Authorities beside those of Node.js, in PEM; '' for none. */
  readonly ca: string;
  /** Nothing is verified. */
  readonly isInsecure: boolean;
}

export const DEFAULT_UPSTREAM_TLS: UpstreamTls = { ca: '', isInsecure: false };

/** Made once for each: reading all authorities takes 20 ms, in which a data thread does nothing else. */
const contexts = new WeakMap<UpstreamTls, SecureContext>();

function contextOf(tls: UpstreamTls): SecureContext {
  const known = contexts.get(tls);
  if (known !== undefined) return known;
  // those of the system and of NODE_EXTRA_CA_CERTS among them, where Node.js was told to take them
  const made = createSecureContext({ ca: [...getCACertificates('default'), tls.ca] });
  contexts.set(tls, made);
  return made;
}

/** Opens a connection; its `secureConnect` says that it is there and verified. `more` goes to the socket. */
export function connectOverTls(
  { host, port }: { readonly host: string; readonly port: number },
  tls: UpstreamTls,
  { protocol = 'http/1.1', ...more }: ConnectionOptions & { readonly protocol?: 'h2' | 'http/1.1' } = {},
): Socket {
  const socket = connect({
    ...more,
    host,
    port,
    ...(isIP(host) === 0 && { servername: host }),
    ...(tls.ca !== '' && { secureContext: contextOf(tls) }),
    rejectUnauthorized: !tls.isInsecure,
    ALPNProtocols: [protocol],
  });
  socket.setNoDelay(true);
  return socket;
}
